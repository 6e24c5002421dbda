import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import pg from 'pg'
import { expireLicense, makeLicense } from '../../../test/licenses.ts'
import type { Terms, TestLicense } from '../../../test/licenses.ts'
import { waits } from '../../../test/meeting.ts'
import { createOwnDatabase } from '../../../test/own-database.ts'
import { recordStatements } from '../../../test/statements.ts'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'
import { removeExpired } from '../../operations/retention/retention.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { readLicenseKey } from '../licenses/license-key.ts'

// What someone tries who holds a key, or sends SQL on the tenant login; and what happens twice at once.

const { admin, call, database, services, signUp, tokens } = await createTestApp()
const owner = await signUp('Acme')
const { organization_id } = owner

const post = (operation: string, body: object) => call('POST', `/api/v1/licenses/${operation}`, body)
const licensed = (terms?: Terms) => makeLicense(admin, organization_id, terms)
const validate = async ({ key }: TestLicense, scopes: object = {}) => (await post('validate', { key, ...scopes })).body
const activate = ({ key }: TestLicense, fingerprint: string, more: object = {}) =>
  post('activate', { key, fingerprint, ...more })
const reasonOf = ({ status, body }: Answer): string =>
  status < 400 ? String(status) : String(body.license_status ?? body.code)
const rowOf = async ({ id }: TestLicense): Promise<Record<string, unknown>> =>
  (await admin.query('select * from licenses where id = $1', [id])).rows[0]
const isAbout = (time: unknown, seconds: number): boolean =>
  Math.abs(Date.parse(String(time)) - Date.now() - seconds * 1000) < 25_000

/** Another connection, past the service. */
async function connect(t: TestContext): Promise<pg.Client> {
  const { connectionString, options } = admin.options
  const client = new pg.Client({ connectionString, options })
  await client.connect()
  t.after(() => client.end())
  return client
}
// Red when: one of the functions ignores the obstacle of find_license(), or that ignores the organization.
test('whatever the reason is, every request of a program is answered with it', async () => {
  const suspended = await signUp('Suspended')
  await admin.query(`update organizations set suspended_at = now(), suspended_reason = 'unpaid' where id = $1`, [
    suspended.organization_id,
  ])
  const set = (license: TestLicense, columns: string) =>
    admin.query(`update licenses set ${columns} where id = $1`, [license.id])
  for (const [reason, end, place] of [
    ['suspended', (license: TestLicense) => set(license, `status = 'suspended'`), organization_id],
    ['revoked', (license: TestLicense) => set(license, `status = 'revoked'`), organization_id],
    ['not-started', (license: TestLicense) => set(license, `starts_at = now() + interval '1 day'`), organization_id],
    ['expired', ({ id }: TestLicense) => expireLicense(admin, id), organization_id],
    ['suspended', () => undefined, suspended.organization_id],
  ] as const) {
    const license = await makeLicense(admin, place, { max_activations: 2 })
    await admin.query(
      'insert into license_activations (organization_id, license_id, fingerprint) values ($1, $2, $3)',
      [place, license.id, 'one'],
    )
    await end(license)
    const { key } = license
    const device = { key, fingerprint: 'one' }
    const verdict = await validate(license, { fingerprint: 'one' })
    assert.deepEqual(
      [verdict.code, verdict.valid, verdict.access, verdict.license.status],
      [reason, false, 'none', reason === 'not-started' ? 'active' : reason],
    )
    for (const operation of ['activate', 'heartbeat', 'files'])
      assert.equal(reasonOf(await post(operation, device)), reason, operation)
    assert.equal(reasonOf(await activate(license, 'two')), reason)
    assert.equal((await post('deactivate', device)).status, 204, 'a device can always be given back')
  }
  const draft = await licensed({ status: 'draft' })
  for (const operation of ['activate', 'heartbeat', 'files'])
    assert.equal(reasonOf(await post(operation, { key: draft.key, fingerprint: 'one' })), 'draft', operation)
})

// Red when: start_license() returns what its own update returned: nothing, for all but one.
test('of many first validations at once, all name the same end, and the clock starts once', async () => {
  const license = await licensed({ expiry_basis: 'first-validation', duration_days: 30 })
  const ends = await Promise.all(
    Array.from({ length: 12 }, async () => (await validate(license)).license.expires_at as string | null),
  )
  assert.equal(new Set(ends).size, 1, ends.join())
  assert.ok(isAbout(ends[0], 30 * 86_400))
  const { version, first_validated_at } = await rowOf(license)
  assert.equal(version, 2)
  assert.notEqual(first_validated_at, null)
})

test('of many first activations at once, one starts the clock', async () => {
  const license = await licensed({ expiry_basis: 'first-activation', duration_days: 30 })
  const made = await Promise.all(Array.from({ length: 12 }, (_, n) => activate(license, `d${n}`)))
  assert.deepEqual(new Set(made.map(({ status }) => status)), new Set([201]))
  assert.equal((await rowOf(license))['version'], 2)
})

// Red when: an update in start_license() or activate_license() does not ask for the status: guard_license() refuses it.
for (const [basis, operation, expected] of [
  ['first-validation', 'validate', 200],
  ['first-activation', 'activate', 201],
  ['first-validation', 'files', 403],
] as const)
  test(`a revocation in the middle of the first ${operation} is no failure of the service`, async t => {
    const license = await licensed({ expiry_basis: basis, duration_days: 30 })
    const device = { key: license.key, fingerprint: 'one' }
    if (operation === 'files') await post('activate', device)
    const revoking = await connect(t)
    await revoking.query('begin')
    await revoking.query(`update licenses set status = 'revoked' where id = $1`, [license.id])
    const answer = post(operation, device)
    await waits(admin, revoking, answer)
    await revoking.query('commit')
    assert.equal((await answer).status, expected, (await answer).text)
    const { expires_at, status } = await rowOf(license)
    assert.deepEqual([expires_at, status], [null, 'revoked'])
    assert.equal((await validate(license)).code, 'revoked')
  })

// Red when: issue_license_file() does not start the clock: a device with files alone would never be validated.
test('a license file starts the clock of a license that counts from its first validation', async () => {
  const license = await licensed({ expiry_basis: 'first-validation', duration_days: 10, max_activations: 1 })
  const file = () => post('files', { key: license.key, fingerprint: 'one' })
  assert.equal((await file()).body.code, 'activation-missing')
  assert.equal((await rowOf(license))['first_validated_at'], null, 'a refused request starts nothing')
  await activate(license, 'one')
  const { body } = await file()
  assert.ok(isAbout(body.expires_at, 10 * 86_400), 'and the file ends with it')
  const { expires_at } = await rowOf(license)
  await file()
  assert.deepEqual((await rowOf(license))['expires_at'], expires_at)
})

// Red when: activations_allowed() or the look-up of a validation computes the overage as an integer.
test('the largest number of activations with the largest overage is a number', async () => {
  const license = await licensed({ max_activations: 2_147_483_647, overage_percent: 1000 })
  assert.equal((await activate(license, 'one')).status, 201)
  const verdict = await validate(license, { fingerprint: 'one' })
  assert.deepEqual([verdict.code, verdict.license.max_activations], ['valid', 2_147_483_647])
})

// Red when: activation_end() limits a heartbeat of more than a day to the longest term of a lease.
test('heartbeats decide how long a lease lasts, whatever the device asks for', async () => {
  const slow = await licensed({ activation: 'floating', heartbeat_seconds: 3 * 86_400, heartbeat_grace_seconds: 60 })
  assert.ok(isAbout((await activate(slow, 'one')).body.expires_at, 3 * 86_400 + 60))
  assert.ok(isAbout((await activate(slow, 'two', { lease_seconds: 60 })).body.expires_at, 3 * 86_400 + 60))
  const beat = await post('heartbeat', { key: slow.key, fingerprint: 'two', lease_seconds: 60 })
  assert.ok(isAbout(beat.body.expires_at, 3 * 86_400 + 60))
  const free = await licensed({ activation: 'floating' })
  assert.ok(isAbout((await activate(free, 'one', { lease_seconds: 86_400 })).body.expires_at, 86_400))
  assert.ok(isAbout((await activate(free, 'two')).body.expires_at, 3600))
})

test('a fingerprint is compared letter by letter, and is ASCII of at most 255 characters', async () => {
  const license = await licensed({ max_activations: 3 })
  const longest = 'x'.repeat(255)
  for (const fingerprint of ['device', 'Device', longest])
    assert.equal((await activate(license, fingerprint)).status, 201)
  assert.equal((await validate(license, { fingerprint: 'DEVICE' })).code, 'fingerprint-mismatch')
  for (const fingerprint of [`${longest}x`, 'de vice', 'device\n', 'dévice', 'ｄｅｖｉｃｅ', '\u0000', '\ud800', '🔑'])
    for (const operation of ['validate', 'activate', 'heartbeat', 'deactivate', 'files']) {
      const { status, body } = await post(operation, { key: license.key, fingerprint })
      assert.deepEqual([status, body.errors?.[0]?.pointer], [422, '/fingerprint'], `${operation} ${fingerprint}`)
    }
})

// Red when: license_activations_metadata_size is not mapped, or the names are not checked.
test('what a device notes is stored up to 16 KiB, and its names are plain', async () => {
  const license = await licensed()
  const filled = (text: string) =>
    Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`note-${n}`.padEnd(64, 'x'), text.repeat(500)]))
  const made = await activate(license, 'one', { metadata: filled('a') })
  assert.deepEqual([made.status, made.body.metadata], [201, filled('a')])
  const large = await activate(license, 'two', { metadata: filled('€') })
  assert.deepEqual(large.body.errors, [{ pointer: '/metadata', detail: 'must not exceed 16 KiB in total' }])
  for (const name of ['\u0000', '\ud800', 'a\nb', 'x'.repeat(65), '']) {
    const { status, body } = await activate(license, 'two', { metadata: { [name]: 'a' } })
    assert.deepEqual([status, body.code], [422, 'invalid-fields'], JSON.stringify(name).slice(0, 20))
  }
  const { status } = await activate(license, 'two', { metadata: JSON.parse('{"__proto__": "a"}') as object })
  assert.equal(status, 400)
})

// Red when: the retention job deletes by the key what it has read before, without `for update skip locked`.
test('a device that is activated again while expired activations are removed has its place', async t => {
  const license = await licensed({ heartbeat_seconds: 60 })
  const devices = ['waits', 'at once', 'gone'].map(name => name.replace(' ', '-'))
  for (const device of devices) await activate(license, device)
  await admin.query(`update license_activations set expires_at = now() - interval '2 days' where license_id = $1`, [
    license.id,
  ])
  const client = await connect(t)
  await client.query('begin')
  const { hash } = readLicenseKey(license.key)
  await client.query(`select outcome from activate_license($1, 'waits', null, null, null)`, [hash])
  const removing = removeExpired(systemFor(database, 'retention'), services)
  await waits(admin, client, removing)
  await client.query('commit')
  await removing
  for (const [device, status] of [
    ['waits', 200],
    ['gone', 404],
    ['at-once', 404],
  ] as const)
    assert.equal((await post('heartbeat', { key: license.key, fingerprint: device })).status, status, device)
  const [again] = await Promise.all([
    activate(license, 'at-once'),
    removeExpired(systemFor(database, 'retention'), services),
  ])
  assert.equal(again.status, 201)
})

test('a smaller number of activations lets devices stay and no other in, not even a returned one', async () => {
  const license = await licensed({ max_activations: 3 })
  for (const device of ['a', 'b', 'c']) await activate(license, device)
  await admin.query('update licenses set max_activations = 1 where id = $1', [license.id])
  for (const device of ['a', 'b', 'c']) assert.equal((await validate(license, { fingerprint: device })).code, 'valid')
  await post('deactivate', { key: license.key, fingerprint: 'c' })
  assert.equal((await validate(license, { fingerprint: 'c' })).code, 'fingerprint-mismatch')
  const { status, body } = await activate(license, 'c')
  assert.deepEqual([status, body.code, body.limit, body.used], [409, 'activations-exhausted', 1, 2])
})

// Red when: a request after the deactivation finds the activation of before.
test('after its deactivation nothing of a device can be repeated', async () => {
  const license = await licensed({ max_activations: 1 })
  const device = { key: license.key, fingerprint: 'one' }
  const { body: first } = await post('activate', device)
  assert.equal((await post('deactivate', device)).status, 204)
  for (const operation of ['heartbeat', 'deactivate', 'files'])
    assert.equal((await post(operation, device)).body.code, 'activation-missing', operation)
  assert.equal((await validate(license, { fingerprint: 'one' })).code, 'activation-missing')
  assert.equal((await activate(license, 'two')).status, 201)
  assert.equal((await post('activate', device)).body.code, 'activations-exhausted')
  await post('deactivate', { key: license.key, fingerprint: 'two' })
  const again = await post('activate', device)
  assert.equal(again.status, 201)
  assert.notEqual(again.body.id, first.id)
})

// Red when: codeOfDevice() looks at the activation before it asks whether the license is bound to devices.
test('a license that is no longer bound to devices is valid on one whose activation has expired', async () => {
  const license = await licensed({ heartbeat_seconds: 60 })
  await activate(license, 'one')
  await admin.query(`update license_activations set expires_at = now() where license_id = $1`, [license.id])
  assert.equal((await validate(license, { fingerprint: 'one' })).code, 'heartbeat-dead')
  await admin.query('update licenses set heartbeat_seconds = null where id = $1', [license.id])
  assert.equal((await validate(license, { fingerprint: 'one' })).code, 'valid')
})

/** Raw SQL on the tenant login, with a live session and any permission. @returns the rows, or the code of the error */
async function inject({ access_token, organization_id: place }: Person, permission: string, statement: string) {
  const client = await database.tenant.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', $3, true), set_config('app.context', '{}', true)`,
      [tokens.verify(access_token).sid, place, permission],
    )
    const { rows, rowCount } = await client.query(statement)
    await client.query('commit')
    return rows.length > 0 ? rows : rowCount
  } catch (error) {
    await client.query('rollback')
    return (error as pg.DatabaseError).code
  } finally {
    client.release()
  }
}

// Red when: a grant, a policy or the `revoke execute` of a function is left out.
test('raw SQL on the tenant login raises no limit, and learns nothing of another organization', async () => {
  const other = await signUp('Globex')
  await admin.query(
    `insert into allowances (organization_id, id, maxima, entitlements) values ($1, new_id(), '{"seats": 7}', '{secret}')`,
    [other.organization_id],
  )
  const [own, foreign] = [await licensed({ max_activations: 1 }), await makeLicense(admin, other.organization_id)]
  for (const { key } of [own, foreign]) await post('activate', { key, fingerprint: 'one' })
  const place = `'${other.organization_id}'`
  const noPermission = '42501'
  for (const [statement, expected] of [
    ['update licenses set seats = null, max_activations = null', 0],
    [`update licenses set entitlements = '{everything}'`, 0],
    ['delete from licenses', 0],
    [
      `insert into licenses (organization_id, plan_id, key_prefix, key_hash, overage_percent, quotas, entitlements, activation, heartbeat_grace_seconds, expiry_basis, on_expiry)
        select '${organization_id}', id, 'AAAAA', '\\x00', 0, '{}', '{everything}', 'floating', 0, 'creation', 'keep' from license_plans limit 1`,
      noPermission,
    ],
    ['select key_hash from licenses', noPermission],
    [`select * from licenses where organization_id = ${place}`, noPermission],
    [`select id from licenses where organization_id = ${place}`, 0],
    [`select id from license_activations where organization_id = ${place}`, 0],
    [`delete from license_activations where organization_id = ${place}`, 0],
    [`update license_activations set expires_at = 'infinity'`, noPermission],
    [
      `insert into license_activations (organization_id, license_id, fingerprint) select organization_id, id, 'free' from licenses`,
      noPermission,
    ],
    [`update license_plans set seats = null, is_default = true`, noPermission],
    ['select * from allowances', noPermission],
    ['delete from allowances', noPermission],
    [
      `insert into allowances (organization_id, id, maxima) values ('${organization_id}', new_id(), '{}')`,
      noPermission,
    ],
    ['delete from default_allowance', noPermission],
    ['update limit_usage set used = 0', noPermission],
    ['select * from current_allowances', noPermission],
    ['select * from entitlements', noPermission],
    ['select * from seats', noPermission],
    [`select * from limits where organization_id <> '${organization_id}'`, 0],
    [`select * from own_entitlements where organization_id <> '${organization_id}'`, 0],
    [`select maximum_of(${place}, 'seats')`, noPermission],
    [`select is_limited(${place}, 'seats')`, noPermission],
    [`select count_units(${place}, 'projects')`, noPermission],
    [`select count_use(${place}, 'seats', -100)`, noPermission],
    [`select has_seat(${place}, new_id())`, noPermission],
    [`select find_license('\\x00', false)`, noPermission],
    [`select activate_license('\\x00', 'one', null, null, null)`, noPermission],
    [`select start_license('\\x00')`, noPermission],
    [`select issue_license_file('\\x00', 'one', 60)`, noPermission],
    ['select * from license_file_keys', noPermission],
    [`set local session_replication_role = 'replica'`, noPermission],
    [`set local app.maintenance = 'on'; select * from allowances`, noPermission],
    ['alter table projects disable trigger all', noPermission],
  ] as const)
    for (const permission of [
      'licenses:read',
      'organization:write',
      'admin:licenses:write',
      'admin:license-plans:write',
    ])
      assert.equal(await inject(owner, permission, statement), expected, `${permission}: ${statement}`)
  const { rows } = await admin.query('select count(*)::int as kept from license_activations where license_id = $1', [
    foreign.id,
  ])
  assert.equal(rows[0].kept, 1)
  // What an administrator may do with a request is also all that raw SQL may do: to deactivate a device of the own licenses.
  assert.equal(
    await inject(owner, 'licenses:write', 'delete from license_activations'),
    await countAll(organization_id),
  )
})
const countAll = async (place: string): Promise<number> => {
  const { rows } = await admin.query(
    `select count(*)::int as deleted from audit_log where organization_id = $1 and entity_type = 'license_activations' and action = 'delete' and actor_id = $2`,
    [place, owner.user_id],
  )
  return rows[0].deleted
}

interface Explained {
  Plan: Record<'Shared Hit Blocks' | 'Shared Read Blocks', number>
}

// Red when: count_activations() may read the whole table, or what counts does not call it.
test('a license with many devices makes no other license slow', async () => {
  const own = await createOwnDatabase()
  const app = await createTestApp({
    DATABASE_URL: own.ownerUrl,
    DATABASE_TENANT_URL: own.tenantUrl,
    DATABASE_SYSTEM_URL: own.systemUrl,
  })
  const [large, small] = [await app.signUp('Large'), await app.signUp('Small')]
  const many = await makeLicense(own.admin, large.organization_id)
  const few = await makeLicense(own.admin, small.organization_id, { max_activations: 1 })
  await own.admin.query(`insert into license_activations (organization_id, license_id, fingerprint)
    select '${many.organization_id}', '${many.id}', 'device' || n from generate_series(1, 20000) as n`)
  await own.admin.query('vacuum analyze license_activations')
  const { rows: sizes } = await own.admin.query<{ pages: number }>(
    `select relpages as pages from pg_class where oid = 'license_activations'::regclass`,
  )
  assert.ok(sizes[0]!.pages > 300, `${sizes[0]!.pages} pages`)

  const recorded = recordStatements(app.database)
  const validated = await app.call('POST', '/api/v1/licenses/validate', { key: few.key, fingerprint: 'one' })
  assert.equal(validated.body.code, 'activation-missing')
  const [validating] = recorded.take().filter(text => text.includes('key_hash'))
  assert.match(validating!, /count_activations/)

  const hash = readLicenseKey(few.key).hash.toString('hex')
  for (const statement of [
    `select count_activations('${few.organization_id}', '${few.id}')`,
    `select outcome from activate_license('\\x${hash}', 'one', null, null, null)`,
  ]) {
    const asked = async () =>
      (await own.admin.query<{ 'QUERY PLAN': Explained[] }>(`explain (analyze, buffers, format json) ${statement}`))
        .rows[0]!['QUERY PLAN'][0]!.Plan
    await asked()
    const { 'Shared Hit Blocks': hit, 'Shared Read Blocks': read } = await asked()
    assert.ok(hit + read < 100, `${statement}: ${hit + read} pages`)
  }
})
