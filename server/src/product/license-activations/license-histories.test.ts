import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { expireLicense, makeLicense } from '../../../test/licenses.ts'
import type { Terms, TestLicense } from '../../../test/licenses.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { systemFor } from '../../platform/database/database.ts'
import { removeExpired } from '../../operations/retention/retention.ts'

const { admin, call, signUp, database, services } = await createTestApp()
const { organization_id } = await signUp('Acme')

const devices = ['a', 'b', 'c'] as const
type Device = (typeof devices)[number]
type Status = 'draft' | 'active' | 'suspended' | 'revoked'

/** A request of a device. */
interface Request {
  do: 'activate' | 'heartbeat' | 'deactivate' | 'validate'
  device: Device
}

/** One step in the history of a license. */
type Step =
  | Request
  | { do: 'sleep'; device: Device }
  | { do: 'become'; status: Status }
  | { do: 'expire' }
  | { do: 'clean' }

/** A license as documents describe it, without SQL: which devices count, and what it answers. */
interface Model {
  status: Status
  isOver: boolean
  /** Devices with an activation: whether it counts. */
  activated: Map<Device, boolean>
}

/** What leads from one status to another without reinstating. */
const paths: Readonly<Record<Status, readonly Status[]>> = {
  draft: ['active', 'revoked'],
  active: ['suspended', 'revoked'],
  suspended: ['active', 'revoked'],
  revoked: [],
}

const obstacleOf = ({ status, isOver }: Model): string | undefined =>
  status !== 'active' ? status : isOver ? 'expired' : undefined

function answerOf(model: Model, maximum: number, { do: what, device }: Request): string {
  const { activated } = model
  const counts = activated.get(device)
  const used = [...activated.values()].filter(Boolean).length
  if (what === 'deactivate') return activated.delete(device) ? '204' : 'activation-missing'
  const obstacle = obstacleOf(model)
  if (obstacle !== undefined) return obstacle
  if (what === 'validate')
    return counts === true
      ? 'valid'
      : counts === false
        ? 'heartbeat-dead'
        : maximum === 0
          ? 'activations-exhausted'
          : used < maximum
            ? 'activation-missing'
            : 'fingerprint-mismatch'
  if (what === 'heartbeat') return counts === true ? '200' : counts === false ? 'heartbeat-dead' : 'activation-missing'
  if (counts === true) return '200'
  if (used >= maximum) return 'activations-exhausted'
  activated.set(device, true)
  return '201'
}

async function ask(license: TestLicense, { do: operation, device }: Request): Promise<string> {
  const { status, body } = await call('POST', `/api/v1/licenses/${operation}`, {
    key: license.key,
    fingerprint: device,
  })
  return String(body?.license_status ?? body?.code ?? status)
}

/** Takes one step in the database and in the model, and compares their answers. */
async function take(license: TestLicense, model: Model, maximum: number, step: Step): Promise<void> {
  if (step.do === 'become') {
    const changed = await admin.query('update licenses set status = $2 where id = $1', [license.id, step.status]).then(
      () => true,
      () => false,
    )
    assert.equal(changed, step.status === model.status || paths[model.status].includes(step.status))
    if (changed) model.status = step.status
  } else if (step.do === 'expire') {
    if (model.status === 'revoked') return
    await expireLicense(admin, license.id)
    model.isOver = true
  } else if (step.do === 'sleep') {
    // A day and two hours pass for this device.
    await admin.query(
      `update license_activations set expires_at = now() - interval '26 hours' where license_id = $1 and fingerprint = $2`,
      [license.id, step.device],
    )
    if (model.activated.has(step.device)) model.activated.set(step.device, false)
  } else if (step.do === 'clean') {
    await removeExpired(systemFor(database, 'retention'), services)
    for (const [device, counts] of model.activated) if (!counts) model.activated.delete(device)
  } else {
    const expected = answerOf(model, maximum, step)
    assert.equal(await ask(license, step), expected, `${step.do} ${step.device}`)
  }
}

const device = fc.constantFrom(...devices)
const stepOf: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constantFrom('activate', 'activate', 'heartbeat', 'deactivate', 'validate'),
      device,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sleep' as const), device }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('become' as const),
      status: fc.constantFrom<Status>('draft', 'active', 'suspended', 'revoked'),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'expire' }, { do: 'clean' }) },
)

// Red when: a condition of any function in license-activations.sql is left out, or a path leads out of `revoked`.
test('in random histories a license answers what the documents say, and never leaves `revoked`', async () => {
  const numRuns = process.env['LONG_TESTS'] === undefined ? 40 : 2000
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 2 }),
      fc.constantFrom<Status>('draft', 'active'),
      fc.array(stepOf, { minLength: 5, maxLength: 25 }),
      async (maximum, status, steps) => {
        const terms: Terms = { status, max_activations: maximum, heartbeat_seconds: 60 }
        const license = await makeLicense(admin, organization_id, terms)
        const model: Model = { status, isOver: false, activated: new Map() }
        for (const step of steps) await take(license, model, maximum, step)
      },
    ),
    { numRuns },
  )
})

// Red when: the retention of license_activations is not declared, or removes what has just expired.
test('expired activations are removed after a day', async () => {
  const license = await makeLicense(admin, organization_id, { heartbeat_seconds: 60 })
  for (const fingerprint of ['now', 'hour', 'days'])
    await call('POST', '/api/v1/licenses/activate', { key: license.key, fingerprint })
  const set = (fingerprint: string, hours: number) =>
    admin.query(
      `update license_activations set expires_at = now() - make_interval(hours => $3) where license_id = $1 and fingerprint = $2`,
      [license.id, fingerprint, hours],
    )
  await set('hour', 1)
  await set('days', 48)
  await removeExpired(systemFor(database, 'retention'), services)
  const { rows } = await admin.query(
    'select fingerprint from license_activations where license_id = $1 order by fingerprint',
    [license.id],
  )
  assert.deepEqual(
    rows.map(({ fingerprint }) => fingerprint),
    ['hour', 'now'],
  )
})
