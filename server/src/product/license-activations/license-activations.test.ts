import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeLicense } from '../../../test/licenses.ts'
import type { Terms, TestLicense } from '../../../test/licenses.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { createLicenseKey } from '../licenses/license-key.ts'
import { covers } from './validation.ts'

const { admin, call, signUp, addMember } = await createTestApp()
const owner = await signUp('Acme')
const { organization_id } = owner

const post = (operation: string, body: object) => call('POST', `/api/v1/licenses/${operation}`, body)
const licensed = (terms?: Terms) => makeLicense(admin, organization_id, terms)
const validate = async ({ key }: TestLicense, scopes: object = {}) =>
  (await post('validate', { key, ...scopes })).body as Record<string, unknown> & { code: string }
const codeOf = async (license: TestLicense, scopes: object = {}): Promise<string> =>
  (await validate(license, scopes)).code
/** Lets time pass for the activation of a device. */
const age = (license: TestLicense, fingerprint: string, seconds: number) =>
  admin.query(
    `update license_activations set expires_at = expires_at - make_interval(secs => $3) where license_id = $1 and fingerprint = $2`,
    [license.id, fingerprint, seconds],
  )

test('a license without limits is valid on every device, and says what it allows', async () => {
  const license = await licensed({ entitlements: ['export'] })
  const { detail: _detail, license: described, ...verdict } = await validate(license)
  assert.deepEqual(verdict, {
    valid: true,
    code: 'valid',
    access: 'full',
    missing_entitlements: [],
    activation: null,
  })
  const { starts_at: _starts, ...rest } = described as Record<string, unknown>
  assert.deepEqual(rest, {
    id: license.id,
    organization_id,
    plan: 'test-plan',
    status: 'active',
    expires_at: null,
    on_expiry: 'restrict',
    activation: 'node-locked',
    max_activations: null,
    heartbeat_seconds: null,
    entitlements: ['export'],
  })
})

const yesterday = new Date(Date.now() - 86_400_000)
const earlier = new Date(Date.now() - 2 * 86_400_000)
const tomorrow = new Date(Date.now() + 86_400_000)
const over = { starts_at: earlier, expires_at: yesterday }

// Red when: a condition of `codeOf` is left out, or of find_license().
for (const [name, terms, code, access, problem] of [
  ['a draft', { status: 'draft' }, 'draft', 'none', 'draft'],
  ['a suspended license', { status: 'suspended' }, 'suspended', 'none', 'suspended'],
  ['a revoked license', { status: 'revoked' }, 'revoked', 'none', 'revoked'],
  ['a license that begins tomorrow', { starts_at: tomorrow }, 'not-started', 'none', 'not-started'],
  ['an expired license', over, 'expired', 'none', 'expired'],
  ['an expired license that is read-only', { ...over, on_expiry: 'read-only' }, 'expired', 'read-only', 'expired'],
  ['an expired license that stays usable', { ...over, on_expiry: 'keep' }, 'expired', 'full', undefined],
] as const)
  test(`${name} is answered ${code} with access ${access}, and cannot be activated unless it is usable`, async () => {
    const license = await licensed(terms)
    const verdict = await validate(license)
    assert.deepEqual([verdict.code, verdict['access'], verdict['valid']], [code, access, access !== 'none'])
    const { status, body } = await post('activate', { key: license.key, fingerprint: 'device' })
    assert.deepEqual([status, body.license_status], problem === undefined ? [201, undefined] : [403, problem])
    if (status === 403) assert.equal(body.code, 'license-not-usable')
  })

test('each thing that a program asks for has a code of its own', async () => {
  const license = await licensed({ entitlements: ['export'], metadata: { product: 'editor', max_version: '2' } })
  const outsider = await signUp()
  for (const [scopes, code] of [
    [
      { plan: 'test-plan', product: 'editor', version: '2.9.1', entitlements: ['export'], user: owner.user_id },
      'valid',
    ],
    [{ plan: 'other' }, 'plan-mismatch'],
    [{ product: 'viewer' }, 'product-mismatch'],
    [{ version: '3.0' }, 'version-mismatch'],
    [{ user: outsider.user_id }, 'user-mismatch'],
    [{ entitlements: ['export', 'print'] }, 'entitlements-missing'],
    [{ fingerprint: 'any' }, 'valid'],
  ] as const)
    assert.equal(await codeOf(license, scopes), code, JSON.stringify(scopes))
  assert.deepEqual((await validate(license, { entitlements: ['export', 'print'] }))['missing_entitlements'], ['print'])
})

test('a highest version covers what it is the beginning of, and everything before', () => {
  for (const [highest, version, expected] of [
    ['2', '2.9.1', true],
    ['2', '3', false],
    ['2.4', '2.4.7', true],
    ['2.4', '2.5', false],
    ['2.4', '2', true],
    ['10', '9.9', true],
    ['2.4', '2.4.1-beta', true],
  ] as const)
    assert.equal(covers(highest, version), expected, `${highest} ${version}`)
})

test('a device is activated, recognized, and deactivated', async () => {
  const license = await licensed({ max_activations: 2 })
  const { key } = license
  assert.equal(await codeOf(license), 'fingerprint-required')
  assert.equal(await codeOf(license, { fingerprint: 'one' }), 'activation-missing')
  const made = await post('activate', { key, fingerprint: 'one', name: 'Laptop', metadata: { os: 'linux' } })
  assert.equal(made.status, 201)
  assert.deepEqual([made.body.license_id, made.body.name, made.body.metadata], [license.id, 'Laptop', { os: 'linux' }])
  assert.equal(made.body.expires_at, null)
  const again = await post('activate', { key, fingerprint: 'one', name: 'Other' })
  assert.deepEqual([again.status, again.body.id, again.body.name], [200, made.body.id, 'Laptop'])
  const verdict = await validate(license, { fingerprint: 'one' })
  assert.deepEqual([verdict.code, (verdict['activation'] as { id: string }).id], ['valid', made.body.id])

  assert.equal((await post('activate', { key, fingerprint: 'two' })).status, 201)
  assert.equal(await codeOf(license, { fingerprint: 'three' }), 'fingerprint-mismatch')
  const refused = await post('activate', { key, fingerprint: 'three' })
  assert.deepEqual([refused.status, refused.body.code], [409, 'activations-exhausted'])
  assert.deepEqual([refused.body.limit, refused.body.used], [2, 2])

  assert.equal((await post('deactivate', { key, fingerprint: 'one' })).status, 204)
  assert.equal((await post('deactivate', { key, fingerprint: 'one' })).body.code, 'activation-missing')
  assert.equal((await post('activate', { key, fingerprint: 'three' })).status, 201)
})

// Red when: the count ignores `expires_at`, or a heartbeat renews an activation that has expired.
test('without heartbeats an activation expires by time alone, and its place is free', async () => {
  const license = await licensed({ max_activations: 1, heartbeat_seconds: 60, heartbeat_grace_seconds: 30 })
  const { key } = license
  assert.equal((await post('heartbeat', { key, fingerprint: 'one' })).body.code, 'activation-missing')
  const made = await post('activate', { key, fingerprint: 'one' })
  assert.equal(made.body.heartbeat_seconds, 60)
  assert.ok(Math.abs(Date.parse(made.body.expires_at) - Date.now() - 90_000) < 25_000)
  await age(license, 'one', 80)
  const beat = await post('heartbeat', { key, fingerprint: 'one' })
  assert.equal(beat.status, 200)
  assert.ok(Date.parse(beat.body.expires_at) > Date.now() + 80_000)
  await age(license, 'one', 100)
  assert.equal(await codeOf(license, { fingerprint: 'one' }), 'heartbeat-dead')
  const late = await post('heartbeat', { key, fingerprint: 'one' })
  assert.deepEqual([late.status, late.body.code], [409, 'heartbeat-dead'])
  assert.equal((await post('activate', { key, fingerprint: 'two' })).status, 201)
  assert.equal((await post('activate', { key, fingerprint: 'one' })).body.code, 'activations-exhausted')
  await age(license, 'two', 100)
  const revived = await post('activate', { key, fingerprint: 'one' })
  assert.deepEqual([revived.status, revived.body.id], [201, made.body.id])
})

test('a floating license is leased for a term that the device chooses, or for an hour', async () => {
  const license = await licensed({ activation: 'floating', max_activations: 1 })
  const { key } = license
  const made = await post('activate', { key, fingerprint: 'one', lease_seconds: 600 })
  assert.ok(Math.abs(Date.parse(made.body.expires_at) - Date.now() - 600_000) < 60_000)
  const renewed = await post('heartbeat', { key, fingerprint: 'one' })
  assert.ok(Math.abs(Date.parse(renewed.body.expires_at) - Date.now() - 3_600_000) < 60_000)
  assert.equal(await codeOf(license, { fingerprint: 'two' }), 'activations-exhausted')
  await age(license, 'one', 3700)
  assert.equal(await codeOf(license, { fingerprint: 'two' }), 'activation-missing')
  // Where the license has heartbeats, they decide.
  const strict = await licensed({ activation: 'floating', heartbeat_seconds: 60 })
  const brief = await post('activate', { key: strict.key, fingerprint: 'one', lease_seconds: 86_400 })
  assert.ok(Date.parse(brief.body.expires_at) < Date.now() + 61_000)
})

test('the overage of a license adds activations', async () => {
  const { key } = await licensed({ max_activations: 2, overage_percent: 50 })
  const statuses = []
  for (const fingerprint of ['a', 'b', 'c', 'd']) statuses.push((await post('activate', { key, fingerprint })).status)
  assert.deepEqual(statuses, [201, 201, 201, 409])
})

// Red when: start_license or activate_license writes a second time, or not at all.
test('the clock starts with the first validation, or with the first activation, and not again', async () => {
  const days = (license: Record<string, unknown>) =>
    (Date.parse(String(license['expires_at'])) - Date.now()) / 86_400_000
  const validated = await licensed({ expiry_basis: 'first-validation', duration_days: 30, entitlements: ['a'] })
  assert.equal(
    ((await validate(validated, { entitlements: ['b'] }))['license'] as { expires_at: null }).expires_at,
    null,
  )
  const first = (await validate(validated))['license'] as Record<string, unknown>
  assert.ok(Math.abs(days(first) - 30) < 0.01)
  const second = (await validate(validated))['license'] as Record<string, unknown>
  assert.equal(second['expires_at'], first['expires_at'])
  const { rows } = await admin.query('select version from licenses where id = $1', [validated.id])
  assert.equal(rows[0].version, 2)

  const activated = await licensed({ expiry_basis: 'first-activation', duration_days: 10 })
  assert.equal(((await validate(activated))['license'] as { expires_at: null }).expires_at, null)
  await post('activate', { key: activated.key, fingerprint: 'one' })
  const begun = (await validate(activated))['license'] as Record<string, unknown>
  assert.ok(Math.abs(days(begun) - 10) < 0.01)
  await post('activate', { key: activated.key, fingerprint: 'two' })
  assert.equal(((await validate(activated))['license'] as Record<string, unknown>)['expires_at'], begun['expires_at'])
})

test('suspending and revoking count from the next request on', async () => {
  const license = await licensed({ max_activations: 1 })
  const { key } = license
  await post('activate', { key, fingerprint: 'one' })
  const set = (status: string) => admin.query('update licenses set status = $2 where id = $1', [license.id, status])
  for (const [status, code] of [
    ['suspended', 'suspended'],
    ['active', 'valid'],
    ['revoked', 'revoked'],
  ] as const) {
    await set(status)
    assert.equal(await codeOf(license, { fingerprint: 'one' }), code)
    const beat = await post('heartbeat', { key, fingerprint: 'one' })
    assert.equal(beat.body.license_status, code === 'valid' ? undefined : code)
  }
  // A device can still be given back.
  assert.equal((await post('deactivate', { key, fingerprint: 'one' })).status, 204)
})

// Red when: a validation distinguishes the licenses of deleted organizations, or runs another statement for them.
test('unknown keys, and those of a deleted license or organization, are answered alike, byte for byte', async () => {
  const other = await signUp('Globex')
  const license = await makeLicense(admin, other.organization_id, { entitlements: ['export'] })
  await admin.query('update organizations set deleted_at = now() where id = $1', [other.organization_id])
  const deleted = await licensed({ entitlements: ['export'] })
  await admin.query('delete from licenses where id = $1', [deleted.id])
  const unknown = createLicenseKey()
  const answersTo = async (key: string) => {
    const answers = []
    for (const [operation, body] of [
      ['validate', { entitlements: ['export'], fingerprint: 'one' }],
      ['activate', { fingerprint: 'one' }],
      ['heartbeat', { fingerprint: 'one' }],
      ['deactivate', { fingerprint: 'one' }],
      ['files', { fingerprint: 'one' }],
      ['activations', {}],
    ] as const) {
      const headers = { 'x-request-id': 'the-same' }
      const answer = await call('POST', `/api/v1/licenses/${operation}`, { key, ...body }, headers)
      const { date: _date, ...rest } = answer.headers
      answers.push([answer.status, answer.text, rest])
    }
    return answers
  }
  const expected = await answersTo(unknown.key)
  for (const { key } of [license, deleted]) assert.deepEqual(await answersTo(key), expected)
  const { body } = await post('validate', { key: unknown.key })
  assert.deepEqual([body.valid, body.code, body.license], [false, 'not-found', null])
})

test('bad input is named', async () => {
  const { key } = await licensed()
  const last = key.at(-1) === 'A' ? 'B' : 'A'
  const mistyped = await post('validate', { key: `${key.slice(0, -1)}${last}` })
  assert.deepEqual([mistyped.status, mistyped.body.code], [422, 'malformed-key'])
  assert.equal(await codeOf({ key: ` ${key.toLowerCase().replaceAll('-', ' ')} ` } as TestLicense), 'valid')
  for (const [body, pointer] of [
    [{ fingerprint: 'x'.repeat(1024) }, '/fingerprint'],
    [{ fingerprint: 'a b' }, '/fingerprint'],
    [{ fingerprint: '' }, '/fingerprint'],
    [{ fingerprint: 'x', lease_seconds: 1 }, '/lease_seconds'],
    [{ fingerprint: 'x', metadata: { a: 'x'.repeat(501) } }, '/metadata/a'],
  ] as const) {
    const { status, body: problem } = await post('activate', { key, ...body })
    assert.deepEqual([status, problem.errors?.[0]?.pointer], [422, pointer], JSON.stringify(body).slice(0, 80))
  }
})

test('administrators list the devices of a license and deactivate one, and others do not', async () => {
  const admins = await addMember(owner, 'admin')
  const member = await addMember(owner, 'member')
  const license = await licensed({ max_activations: 3 })
  for (const fingerprint of ['a', 'b', 'c']) await post('activate', { key: license.key, fingerprint })
  const path = `/api/v1/licenses/${license.id}/activations`
  const first = await admins.call('GET', `${path}?limit=2&include_total=true`)
  assert.deepEqual(
    [first.body.items.map((item: { fingerprint: string }) => item.fingerprint), first.body.total],
    [['c', 'b'], 3],
  )
  const rest = await admins.call('GET', `${path}?limit=2&cursor=${first.body.next_cursor}`)
  assert.deepEqual([rest.body.items.length, rest.body.next_cursor], [1, null])
  const single = `${path}/${first.body.items[0].id}`
  assert.equal((await member.call('GET', path)).status, 403)
  assert.equal((await member.call('DELETE', single)).status, 403)
  const stranger = await signUp('Globex')
  for (const [method, at] of [
    ['GET', path],
    ['DELETE', single],
  ] as const)
    assert.equal((await stranger.call(method, at)).status, 404)
  // Below another license of the same organization it is not there either.
  const other = await licensed()
  assert.equal(
    (await admins.call('DELETE', `/api/v1/licenses/${other.id}/activations/${first.body.items[0].id}`)).status,
    404,
  )
  assert.equal((await admins.call('DELETE', single)).status, 204)
  assert.equal((await post('heartbeat', { key: license.key, fingerprint: 'c' })).body.code, 'activation-missing')
  const log = await owner.call('GET', `/api/v1/audit-logs?entity_id=${first.body.items[0].id}`)
  assert.deepEqual(
    log.body.items.map((entry: { action: string }) => entry.action),
    ['delete', 'insert'],
  )
})

// Red when: listActivations() leaves out a filter or the license, or the operator's route does not look up the organization.
test('operators list the devices of any license, and deactivate one', async () => {
  const operator = await signUp()
  await admin.query('update users set superuser = true where id = $1', [operator.user_id])
  const [license, other] = [await licensed({ heartbeat_seconds: 60 }), await licensed()]
  for (const fingerprint of ['a', 'b', 'c', 'd']) await post('activate', { key: license.key, fingerprint })
  await post('activate', { key: other.key, fingerprint: 'x' })
  await age(license, 'b', 100)
  const path = `/api/v1/admin/licenses/${license.id}/activations`
  const list = async (query: string, by = operator, at = path) => {
    const { status, body, text } = await by.call('GET', `${at}?${query}`)
    assert.equal(status, 200, text)
    return body.items.map(({ fingerprint }: { fingerprint: string }) => fingerprint).join('')
  }
  for (const [query, wanted] of [
    ['', 'dcba'],
    ['sort=created_at', 'abcd'],
    ['active=true', 'dca'],
    ['active=false', 'b'],
    ['fingerprint=c', 'c'],
    ['fingerprint=x', ''],
    ['fingerprint=b&active=true', ''],
  ] as const) {
    assert.equal(await list(query), wanted, query)
    assert.equal(
      await list(query, owner, `/api/v1/licenses/${license.id}/activations`),
      wanted,
      `${query}, as an owner`,
    )
  }
  const first = (await operator.call('GET', `${path}?limit=3&include_total=true`)).body
  assert.equal(first.total, 4)
  assert.equal(await list(`limit=3&cursor=${first.next_cursor}`), 'a')
  const unknown = `/api/v1/admin/licenses/${organization_id}/activations`
  assert.equal((await operator.call('GET', unknown)).status, 404)
  assert.equal((await owner.call('GET', path)).status, 403)

  const [{ id }] = first.items
  assert.equal((await owner.call('DELETE', `${path}/${id}`)).status, 403)
  const elsewhere = `/api/v1/admin/licenses/${other.id}/activations/${id}`
  assert.equal((await operator.call('DELETE', elsewhere)).status, 404, 'below another license')
  assert.equal((await operator.call('DELETE', `${path}/${id}`)).status, 204)
  assert.equal((await operator.call('DELETE', `${path}/${id}`)).status, 404)
  assert.equal((await post('heartbeat', { key: license.key, fingerprint: 'd' })).body.code, 'activation-missing')
  const { items } = (await owner.call('GET', `/api/v1/audit-logs?entity_id=${id}`)).body
  assert.deepEqual(
    items.map(({ action, actor_id }: { action: string; actor_id: string | null }) => [action, actor_id]),
    [
      ['operate', operator.user_id],
      ['delete', operator.user_id],
      ['insert', null],
    ],
  )
})

// Red when: the list takes a cursor of another license, shows devices that do not count, or asks whether the license is usable.
test('a program lists the devices that count with the key alone, also when the license has ended', async () => {
  const [license, other] = [await licensed({ heartbeat_seconds: 60 }), await licensed()]
  for (const fingerprint of ['a', 'b', 'c', 'd']) await post('activate', { key: license.key, fingerprint })
  for (const fingerprint of ['x', 'y']) await post('activate', { key: other.key, fingerprint })
  await age(license, 'd', 100)
  await post('deactivate', { key: license.key, fingerprint: 'c' })
  await post('activate', { key: license.key, fingerprint: 'e', name: 'Laptop' })
  const list = async ({ key }: TestLicense, query = '') => (await post(`activations${query}`, { key })).body
  const namesOf = ({ items }: { items: { fingerprint: string }[] }) => items.map(({ fingerprint }) => fingerprint)
  const first = await list(license, '?limit=2&include_total=true')
  assert.deepEqual([namesOf(first), first.total, first.items[0].name], [['e', 'b'], 3, 'Laptop'])
  const rest = await list(license, `?limit=2&cursor=${first.next_cursor}`)
  assert.deepEqual([namesOf(rest), rest.next_cursor], [['a'], null])
  assert.equal((await list(other, `?cursor=${first.next_cursor}`)).code, 'invalid-cursor')
  const { next_cursor } = (await owner.call('GET', `/api/v1/licenses/${license.id}/activations?limit=1`)).body
  assert.equal((await list(license, `?cursor=${next_cursor}`)).code, 'invalid-cursor', 'of another list')
  for (const status of ['suspended', 'revoked']) {
    await admin.query('update licenses set status = $2 where id = $1', [license.id, status])
    assert.deepEqual(namesOf(await list(license)), ['e', 'b', 'a'])
  }
  const none = await list(await licensed())
  assert.deepEqual(none, { items: [], next_cursor: null })
  assert.equal((await list({ key: createLicenseKey().key } as TestLicense)).code, 'license-not-found')
  assert.equal((await list({ key: 'AAAAA' } as TestLicense)).code, 'malformed-key')
})

test('a heartbeat leaves no entry in the audit log, and rewrites its row in place', async () => {
  const license = await licensed({ heartbeat_seconds: 60 })
  const { body } = await post('activate', { key: license.key, fingerprint: 'one' })
  for (let n = 0; n < 5; n++) await post('heartbeat', { key: license.key, fingerprint: 'one' })
  const { rows } = await admin.query('select count(*)::int as entries from audit_log where entity_id = $1', [body.id])
  assert.equal(rows[0].entries, 1)
})
