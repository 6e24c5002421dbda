import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { makeLicense } from '../../../test/licenses.ts'
import { findFreePort } from '../../../test/programs/ports.ts'
import { onTestDatabase, request, startServiceProcess, waitUntil } from '../../../test/programs/service-process.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import { TEST_SECRET, testDatabase } from '../../../test/test-database.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { addFileKey, listFileKeys, publicFileKeys } from '../license-files/file-keys.ts'
import { waits } from '../../../test/meeting.ts'
import { readLicenseKey } from '../licenses/license-key.ts'

const { admin, database, signUp } = await createTestApp()
const { organization_id } = await signUp('Acme')
const { email, user_id } = await signUp()
await admin.query('update users set superuser = true where id = $1', [user_id])

/** Two processes of one service; the second one listens where its public URL says. */
const ports = [String(await findFreePort()), String(await findFreePort())] as const
const PUBLIC_URL = `http://127.0.0.1:${ports[1]}`
const services = await Promise.all(ports.map(PORT => startServiceProcess({ ...onTestDatabase(), PORT, PUBLIC_URL })))
after(() => Promise.all(services.map(service => service.end('SIGTERM'))))

const post = (index: number, operation: string, body: object) =>
  request(services[index % 2]?.url ?? '', 'POST', `/api/v1/licenses/${operation}`, body)
const signedIn = await request(PUBLIC_URL, 'POST', '/api/v1/auth/login', { email, password: PASSWORD })
const operator = { authorization: `Bearer ${signedIn.body.access_token}` }
/** One step of an operator, at one of the two processes. */
async function step(index: number, { id }: { id: string }, name: string): Promise<void> {
  const path = `/api/v1/licenses/${id}/${name}`
  const { status } = await request(services[index % 2]?.url ?? '', 'POST', path, {}, operator)
  assert.equal(status, 200, name)
}
const countUsed = async (license: { id: string }): Promise<number> => {
  const { rows } = await admin.query(
    'select count(*)::int as used from license_activations where license_id = $1 and expires_at > now()',
    [license.id],
  )
  return rows[0].used
}

// Red when: activate_license takes no lock.
for (const activation of ['node-locked', 'floating'] as const)
  test(`200 simultaneous activations of a ${activation} license for 10, in two processes, make exactly 10`, async () => {
    const license = await makeLicense(admin, organization_id, { activation, max_activations: 10 })
    // Fewer places than the two processes have connections, so that without the lock too many succeed at once.
    for (const fingerprint of ['a', 'b', 'c', 'd', 'e']) await post(0, 'activate', { key: license.key, fingerprint })
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        post(index, 'activate', { key: license.key, fingerprint: `d${index}` }),
      ),
    )
    const statuses = answers.map(({ status, body }) => `${status} ${body.code ?? ''}`).sort()
    assert.deepEqual(
      [...new Set(statuses)].map(word => [word, statuses.filter(other => other === word).length]),
      [
        ['201 ', 5],
        ['409 activations-exhausted', 195],
      ],
    )
    for (const { status, body } of answers) if (status === 409) assert.deepEqual([body.limit, body.used], [10, 10])
    assert.equal(await countUsed(license), 10)
    // Returned and taken again by many at once: never more than allowed.
    const churn = Array.from({ length: 60 }, (_, index) => async () => {
      const fingerprint = `d${index % 20}`
      await post(index, index % 3 === 0 ? 'deactivate' : 'activate', { key: license.key, fingerprint })
    })
    await Promise.all(churn.map(step => step()))
    assert.ok((await countUsed(license)) <= 10)
  })

// Red when: the unique key or the lock is missing.
test('one device that is activated many times at once has one activation', async () => {
  const { key } = await makeLicense(admin, organization_id, { max_activations: 1 })
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => post(index, 'activate', { key, fingerprint: 'one' })),
  )
  assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(39).fill(200), 201])
  assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1)
})

// Red when: beat_license() takes no lock: the activation would count as expired while its heartbeat commits.
test('a heartbeat in the last moment keeps its place, and no other device gets it', async t => {
  const license = await makeLicense(admin, organization_id, { max_activations: 1, heartbeat_seconds: 60 })
  const { hash } = readLicenseKey(license.key)
  await post(0, 'activate', { key: license.key, fingerprint: 'one' })
  const clients = [0, 1].map(() => new pg.Client(testDatabase().systemUrl))
  const [beating, activating] = clients as [pg.Client, pg.Client]
  t.after(() => Promise.all(clients.map(client => client.end())))
  await Promise.all(clients.map(client => client.connect()))
  // The heartbeat has to come before the end, however slow the machine is.
  const beatWithin = async (seconds: number): Promise<string | null> => {
    await admin.query(
      `update license_activations set expires_at = clock_timestamp() + make_interval(secs => $2) where license_id = $1`,
      [license.id, seconds],
    )
    await beating.query('begin')
    const beat = await beating.query('select outcome from beat_license($1, $2, null)', [hash, 'one'])
    return beat.rows[0].outcome
  }
  for (let seconds = 0.3; (await beatWithin(seconds)) !== null; seconds *= 3) await beating.query('rollback')
  await waitUntil(async () => (await countUsed(license)) === 0)
  const other = activating.query('select outcome from activate_license($1, $2, null, null, null)', [hash, 'two'])
  await waits(admin, beating, other)
  await beating.query('commit')
  assert.equal((await other).rows[0].outcome, 'activations-exhausted')
})

// Red when: beat_license() renews what has expired.
test('of heartbeats and activations at the moment of expiry, in two processes, one device has the place', async t => {
  const outcomes: Record<string, number> = {}
  for (let round = 0; round < 12; round++) {
    const license = await makeLicense(admin, organization_id, { max_activations: 1, heartbeat_seconds: 60 })
    const { key } = license
    await post(0, 'activate', { key, fingerprint: 'one' })
    await admin.query(
      `update license_activations set expires_at = clock_timestamp() + interval '20 ms' where license_id = $1`,
      [license.id],
    )
    // All at once: in the first rounds before the end, in the last ones after it.
    await delay(2 * round)
    const answers = await Promise.all(
      Array.from({ length: 24 }, async (_, n) => {
        const fingerprint = n % 2 === round % 2 ? 'one' : `d${n}`
        const operation = fingerprint === 'one' ? 'heartbeat' : 'activate'
        const { status } = await post(n >> 1, operation, { key, fingerprint })
        return `${operation} ${status}`
      }),
    )
    const has = (answer: string) => answers.includes(answer)
    // The device that was accepted last has it: a heartbeat renews for a minute, so no device gets the place after it.
    assert.equal(await countUsed(license), has('heartbeat 200') || has('activate 201') ? 1 : 0)
    assert.ok(answers.filter(answer => answer === 'activate 201').length <= 1)
    assert.ok(!(has('heartbeat 200') && has('activate 201')), answers.join())
    for (const answer of answers) outcomes[answer] = (outcomes[answer] ?? 0) + 1
  }
  t.diagnostic(JSON.stringify(outcomes))
})

// Red when: anything about a license is kept in a process.
test('what an operator does at one process is the answer of the very next request at the other', async () => {
  for (let round = 0; round < 6; round++) {
    const license = await makeLicense(admin, organization_id, { max_activations: 2, heartbeat_seconds: 60 })
    const device = { key: license.key, fingerprint: 'one' }
    const ask = async (operation: string) => {
      const { body } = await post(round + 1, operation, device)
      return body.license_status ?? body.code ?? 'accepted'
    }
    await post(round, 'activate', device)
    assert.equal(await ask('validate'), 'valid')
    for (const [name, reason] of [
      ['suspend', 'suspended'],
      ['resume', undefined],
      ['revoke', 'revoked'],
      ['reinstate', undefined],
      ['revoke', 'revoked'],
    ] as const)
      for (const operation of ['validate', 'heartbeat', 'activate', 'files']) {
        if (operation === 'validate') await step(round, license, name)
        assert.equal(await ask(operation), reason ?? (operation === 'validate' ? 'valid' : 'accepted'), operation)
      }
  }
})

test('the program of the guide activates, beats, works offline, and stops after a revocation', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-license-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const license = await makeLicense(admin, organization_id, { max_activations: 1, heartbeat_seconds: 60 })
  const system = systemFor(database, 'license files')
  await system.run(addFileKey(TEST_SECRET, 'now'))
  writeFileSync(join(folder, 'keys.json'), JSON.stringify(publicFileKeys(await system.run(listFileKeys))))
  const program = fileURLToPath(new URL('../../../../docs/license-client/program.ts', import.meta.url))
  const run = (command: string, settings: Record<string, string> = {}) => {
    const child = spawn(process.execPath, [program, command], {
      env: {
        FREEHOLD_URL: PUBLIC_URL,
        LICENSE_KEY: license.key,
        LICENSE_STATE: join(folder, 'license.json'),
        LICENSE_KEYS: join(folder, 'keys.json'),
        HEARTBEAT_SECONDS: '0.1',
        ...settings,
      },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    const ended = new Promise<number | null>(resolve => child.once('close', resolve))
    return { ended, output: () => output }
  }
  const result = async (command: string, settings?: Record<string, string>) => {
    const { ended, output } = run(command, settings)
    return [await ended, output().trim()]
  }

  assert.deepEqual(await result('check'), [1, 'online: access none (activation-missing)'])
  assert.deepEqual(await result('activate'), [0, 'activated'])
  assert.deepEqual(await result('check'), [0, 'online: access full (valid)'])
  const refused = await result('activate', { FINGERPRINT: 'another', LICENSE_STATE: join(folder, 'other.json') })
  assert.match(String(refused[1]), /^activations-exhausted: /)
  const [copied] = await result('check', { FINGERPRINT: 'another' })
  assert.equal(copied, 1)
  await result('check')

  const running = run('run')
  await waitUntil(() => running.output().split('online: access full').length > 2)
  await admin.query(`update licenses set status = 'suspended' where id = $1`, [license.id])
  assert.equal(await running.ended, 1)
  assert.match(running.output(), /suspended: |online: access none \(suspended\)/)

  await admin.query(`update licenses set status = 'active' where id = $1`, [license.id])
  assert.deepEqual(await result('check'), [0, 'online: access full (valid)'])
  // Its requests go to a proxy that does not exist.
  const offline = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: 'http://127.0.0.1:9' }
  assert.deepEqual(await result('check', offline), [0, 'offline: access full (valid)'])
  assert.deepEqual(await result('check', { ...offline, FINGERPRINT: 'another' }), [
    1,
    'offline: access none (fingerprint-mismatch)',
  ])

  const revoked = run('run')
  await waitUntil(() => revoked.output().includes('online: access full'))
  // The operator revokes it at the other process.
  await step(0, license, 'revoke')
  assert.equal(await revoked.ended, 1)
  assert.match(revoked.output(), /revoked: |online: access none \(revoked\)/)
  assert.deepEqual(await result('check', offline), [1, 'offline: access none (no-license-file)'])
})
