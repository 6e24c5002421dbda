import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { createOwnDatabase } from '../../../test/own-database.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'
import { TEST_SECRET } from '../../../test/test-database.ts'
import { beginImport } from '../import/import.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { sealToken, tokenKeyOf } from '../../platform/tokens/one-time-tokens.ts'
import { eraseAccounts } from './erasure.ts'
import { restoreAccountToken } from './leaving.ts'
import { leavingPages } from './pages.ts'

// In a separate database, because the job erases every account that is due.
const { admin, database, ownerUrl, tenantUrl, systemUrl } = await createOwnDatabase()
const urls = {
  DATABASE_URL: ownerUrl,
  DATABASE_TENANT_URL: tenantUrl,
  DATABASE_SYSTEM_URL: systemUrl,
  DATABASE_POOL_SIZE: '24',
}
const { call, signUp, join, verify, logIn, addMember, services } = await createTestApp(urls)
const strict = await createTestApp({ ...urls, EMAIL_VERIFICATION: 'required' })
const key = tokenKeyOf(TEST_SECRET)

const leave = (person: Person) => person.call('DELETE', '/api/v1/users/me')
const system = systemFor(database, 'erasure')
const erase = ({ graceDays = 30, reuseNames = false } = {}) =>
  eraseAccounts(system, { ...services, config: { ...services.config, deletion: { graceDays, reuseNames } } })
/** The grace of this one is over. */
const wait = async ({ user_id }: Person, days = 30) => {
  await admin.query(
    `update organizations set deleted_at = deleted_at - make_interval(days => $2) where deleted_at = (select deleted_at from users where id = $1)`,
    [user_id, days],
  )
  await admin.query(
    `update memberships set deleted_at = deleted_at - make_interval(days => $2) where deleted_at = (select deleted_at from users where id = $1)`,
    [user_id, days],
  )
  await admin.query(`update users set deleted_at = deleted_at - make_interval(days => $2) where id = $1`, [
    user_id,
    days,
  ])
}
const restoreToken = async ({ user_id }: Person) => {
  const { rows } = await admin.query<{ id: string }>(
    `select id from one_time_tokens where user_id = $1 and purpose = 'restore-account'`,
    [user_id],
  )
  return sealToken(key, restoreAccountToken, rows[0]!.id)
}
const restore = (token: string) => call('POST', '/api/v1/auth/restore-account', { token })

// Red when: the page says the same whatever REUSE_DELETED_NAMES is.
test('the page of an expired link to restore an account offers its address only if that can be used again', () => {
  for (const reuseNames of [true, false]) {
    const config = { ...services.config, deletion: { graceDays: 30, reuseNames } }
    const { words } = leavingPages({ ...services, config })['restore-account']
    assert.equal(/another address/.test(words.en.ended?.expired?.text ?? ''), !reuseNames)
    assert.equal(/anderen Adresse/.test(words.de.ended?.expired?.text ?? ''), !reuseNames)
  }
})

/** Every table of every schema but PostgreSQL's own, with the rows in which one of these words stands. */
async function findWords(words: string[]): Promise<string[]> {
  const { rows: tables } = await admin.query<{ name: string; shown: string }>(
    `select c.oid::regclass::text as name, c.relname as shown from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname !~ '^pg_|^information_schema$' and c.relkind in ('r', 'p', 'm') and not c.relispartition`,
  )
  assert.ok(
    ['users', 'job', 'invitations'].every(table => tables.some(({ shown }) => shown === table)),
    'also those of the jobs',
  )
  const found: string[] = []
  for (const { name } of tables) {
    const { rows } = await admin.query<{ line: string }>(
      `select t::text as line from ${name} t where t::text ilike any ($1)`,
      [words.map(word => `%${word}%`)],
    )
    found.push(...rows.map(({ line }) => `${name}: ${line}`))
  }
  return found
}

// Red when: a feature omits one of its tables from its erasure.
test('nothing of an erased user remains but ids; other members, history and what the user created stay', async () => {
  const owner = await signUp('Team')
  const marks = ['zaphod', '203.0.113.77', 'betelgeuse']
  const person = await signUp()
  await admin.query(`update users set email = 'zaphod@betelgeuse.example', email_verified_at = now() where id = $1`, [
    person.user_id,
  ])
  const headers = { 'user-agent': 'betelgeuse browser', 'x-forwarded-for': '203.0.113.77' }
  const proxied = await createTestApp({ ...urls, TRUSTED_PROXIES: '127.0.0.1' })
  const signIn = async (organization_id?: string) => {
    const credentials = { email: 'zaphod@betelgeuse.example', password: PASSWORD, organization_id }
    const { body, status } = await proxied.call('POST', '/api/v1/auth/login', credentials, headers)
    assert.equal(status, 200)
    return (method: string, path: string, payload?: unknown, more = {}) =>
      proxied.call(method, path, payload, { authorization: `Bearer ${body.access_token}`, ...headers, ...more })
  }
  const path = `/api/v1/organizations/${owner.organization_id}/members`
  await join(owner, person, 'member')
  await owner.call('PATCH', `${path}/${person.user_id}`, { title: 'Zaphod, President', company: 'Betelgeuse' })
  await verify(owner)
  await owner.call('POST', `/api/v1/organizations/${owner.organization_id}/invitations`, {
    email: 'zaphod@betelgeuse.example',
    role: 'viewer',
  })
  const own = await signIn()
  await own('PATCH', '/api/v1/users/me', { username: 'zaphod', full_name: 'Zaphod Beeblebrox', given_name: 'Zaphod' })
  assert.equal((await own('PATCH', '/api/v1/users/me/preferences', { custom: { motto: 'Betelgeuse' } })).status, 200)
  await own('POST', '/api/v1/projects', { name: 'Zaphod private' }, { 'idempotency-key': 'zaphod' })
  const inTeam = await signIn(owner.organization_id)
  const project = await inTeam('POST', '/api/v1/projects', { name: 'Heart of gold' })
  assert.equal(project.status, 201)
  await proxied.call(
    'POST',
    '/api/v1/auth/login',
    { email: 'zaphod@betelgeuse.example', password: 'Wrong-horse-7' },
    headers,
  )
  await proxied.call('POST', '/api/v1/auth/password-reset', { email: 'zaphod@betelgeuse.example' }, headers)
  await admin.query(
    `insert into identities (user_id, provider, issuer, subject, email) values ($1, 'google', 'https://g', 'zaphod-1', 'zaphod@betelgeuse.example')`,
    [person.user_id],
  )
  await admin.query(
    `insert into passkeys (user_id, credential_id, public_key, name) values ($1, 'c', 'k', 'zaphod key')`,
    [person.user_id],
  )
  await admin.query(`insert into totp_factors (user_id, secret) values ($1, 'zaphod')`, [person.user_id])
  await admin.query(`insert into recovery_codes (user_id, code_hash) values ($1, 'zaphod')`, [person.user_id])
  assert.ok((await findWords(marks)).length > 12, 'the words are there to be found')

  assert.equal((await inTeam('DELETE', '/api/v1/users/me')).status, 204)
  assert.equal(await erase(), 0, 'the grace is not over')
  await wait(person)
  assert.equal(await erase(), 1)
  assert.equal(await erase(), 0)

  assert.deepEqual(await findWords(marks), [])
  const { rows } = await admin.query(
    `select email ~ '^[0-9a-f-]{36}@erased[.]invalid$' as placeheld, username, password_hash, full_name, superuser, erased_at is not null as erased from users where id = $1`,
    [person.user_id],
  )
  assert.deepEqual(rows, [
    { placeheld: true, username: null, password_hash: null, full_name: null, superuser: false, erased: true },
  ])
  for (const table of [
    'sessions',
    'devices',
    'identities',
    'passkeys',
    'totp_factors',
    'recovery_codes',
    'one_time_tokens',
    'idempotency_keys',
  ])
    assert.equal((await admin.query(`select from ${table} where user_id = $1`, [person.user_id])).rowCount, 0, table)

  // The user's changes stay recorded, by id.
  assert.equal((await owner.call('GET', `/api/v1/projects/${project.body.id}`)).body.created_by, person.user_id)
  const { body: history } = await owner.call('GET', `/api/v1/audit-logs?actor=${person.user_id}`)
  assert.ok(history.items.length >= 2)
  for (const entry of history.items) assert.deepEqual([entry.ip, entry.user_agent], [null, null])
  const { body: others } = await owner.call('GET', `/api/v1/audit-logs?actor=${owner.user_id}`)
  assert.ok(
    others.items.every(({ ip }: { ip: string }) => ip === '127.0.0.1'),
    'no one else’s',
  )
  assert.equal((await owner.call('GET', path)).body.items.length, 1)
  assert.equal((await owner.call('GET', `${path}/${person.user_id}`)).status, 404)
  const types = await admin.query<{ type: string }>(`select distinct type from security_events where user_id = $1`, [
    person.user_id,
  ])
  for (const type of ['account-created', 'account-deleted', 'account-erased', 'login-failed'])
    assert.ok(
      types.rows.some(row => row.type === type),
      type,
    )
  const personal = await admin.query(`select from organizations where id = $1`, [person.organization_id])
  const its_history = await admin.query(`select action, after from audit_log where organization_id = $1`, [
    person.organization_id,
  ])
  assert.deepEqual([personal.rowCount, its_history.rows], [0, [{ action: 'erase', after: null }]])
})

// Red when: an erasure uses only the current address, users.sql keeps no former ones, or a view ignores the present
// owner.
test('no address that an erased account ever had remains, unless another account has it now', async () => {
  const owner = await signUp('Team')
  await verify(owner)
  const person = await signUp()
  await verify(person)
  const word = `marvin-${Date.now()}`
  const addresses = [`${word}-1@example.com`, `${word}-2@example.com`, `${word}-3@example.com`]
  const kept = `${word}-kept@example.com`
  let serial = 0
  const path = `/api/v1/organizations/${owner.organization_id}/invitations`
  const invite = (email: string) =>
    owner.call('POST', path, { email, role: 'viewer', title: word }, { 'idempotency-key': `${email}-${serial++}` })
  for (const email of [...addresses, kept]) {
    await strict.call('POST', '/api/v1/auth/signup', { email, password: PASSWORD, full_name: word })
    await strict.call('POST', '/api/v1/auth/password-reset', { email })
    await person.call('POST', '/api/v1/auth/change-email', { new_email: email, proof: { password: person.password } })
    const changed = (await strict.mailTo(email)).findLast(({ link }) => link.includes('change-email'))
    assert.ok(changed, email)
    assert.equal((await call('POST', '/api/v1/auth/verify-email', { token: changed.token })).status, 200)
    // Data for a former address belongs to the user as well, while no other account has the address.
    assert.equal((await invite(addresses[0]!)).status, 202)
    assert.equal((await invite(email)).status, 202)
  }
  const last = await person.call('GET', '/api/v1/users/me')
  assert.equal(last.body.email, kept)
  await person.call('POST', '/api/v1/auth/change-email', {
    new_email: person.email,
    proof: { password: person.password },
  })
  const back = (await strict.mailTo(person.email)).findLast(({ link }) => link.includes('change-email'))
  await call('POST', '/api/v1/auth/verify-email', { token: back!.token })
  // Another person takes the last one, when the change can be undone no more, and is invited at it.
  await admin.query(`update one_time_tokens set expires_at = now() where purpose = 'undo' and user_id = $1`, [
    person.user_id,
  ])
  const heir = await call('POST', '/api/v1/auth/signup', { email: kept, password: PASSWORD })
  assert.equal(heir.status, 201)
  assert.equal((await invite(kept)).status, 202)
  assert.ok((await findWords(addresses)).length > 8, 'they are there to be found')

  await leave(person)
  await wait(person)
  assert.equal(await erase(), 1)
  assert.deepEqual(await findWords([...addresses, person.email]), [])
  const { rows } = await admin.query(
    `select (select count(*)::int from invitations where email = $1) as invitations,
    (select count(*)::int from users where email = $1) as users, (select count(*)::int from former_addresses where email = $1) as former`,
    [kept],
  )
  assert.deepEqual(rows, [{ invitations: 1, users: 1, former: 0 }], 'what is the heir’s stays')
})

// Red when: keep_former_address() keeps, or refuse_held_address() holds, an address that was never verified; or erasure deletes
// what was mailed to another account's address, or to one that was never verified.
test('an address that an account never verified is neither held for it nor erased with it', async () => {
  const owner = await signUp('Another tenant')
  await verify(owner)
  const path = `/api/v1/organizations/${owner.organization_id}/invitations`
  const [moved, staying] = [await signUp(), await signUp()]
  const own = `own-${moved.email}`
  const change = { new_email: own, proof: { password: moved.password } }
  assert.equal((await moved.call('POST', '/api/v1/auth/change-email', change)).status, 202)
  const { token } = (await strict.mailTo(own)).at(-1)!
  assert.equal((await call('POST', '/api/v1/auth/verify-email', { token })).status, 200)
  const strangers = [moved.email, staying.email]
  for (const email of strangers) assert.equal((await owner.call('POST', path, { email, role: 'member' })).status, 202)
  const invitation = (await strict.mailTo(moved.email)).find(({ link }) => link.includes('/invitation?'))!

  for (const person of [moved, staying]) {
    assert.equal((await leave(person)).status, 204)
    await wait(person)
  }
  assert.equal(await erase(), 2)
  const open = (await owner.call('GET', path)).body.items.map(({ email }: { email: string }) => email)
  assert.deepEqual(open.toSorted(), strangers.toSorted())
  const accept = { token: invitation.token, password: PASSWORD }
  assert.equal((await call('POST', '/api/v1/invitations/accept', accept)).status, 200)
})

// Red when: erasure deletes tokens of other users, or account_addresses does not ask who had the address since.
test('what went to the next account at a former address is not erased with the first one', async () => {
  const [first, next] = [await signUp(), await signUp()]
  const email = `passed-on-${first.email}`
  for (const person of [first, next]) {
    await verify(person)
    await admin.query('update users set email = $2 where id = $1', [person.user_id, email])
    await admin.query('update users set email = $2 where id = $1', [person.user_id, person.email])
  }
  await admin.query(
    `insert into one_time_tokens (purpose, user_id, email, expires_at) values ('undo', $1, $3, now()), ('undo', $2, $3, now())`,
    [first.user_id, next.user_id, email],
  )
  const owner = await signUp('Team')
  await verify(owner)
  const path = `/api/v1/organizations/${owner.organization_id}/invitations`
  assert.equal((await owner.call('POST', path, { email, role: 'viewer' })).status, 202)
  await leave(first)
  await wait(first)
  assert.equal(await erase(), 1)
  const { rows } = await admin.query(`select user_id from one_time_tokens where email = $1 and purpose = 'undo'`, [
    email,
  ])
  assert.deepEqual(rows, [{ user_id: next.user_id }])
  assert.equal((await owner.call('GET', path)).body.items.length, 1)
})

test('names of an erased account stay taken for every operation, unless the setting allows their reuse', async () => {
  const person = await signUp()
  const username = `gone${Date.now()}`
  await person.call('PATCH', '/api/v1/users/me', { username })
  await leave(person)
  await wait(person)
  await erase()
  const again = { email: person.email.toUpperCase(), password: PASSWORD }
  assert.equal((await call('POST', '/api/v1/auth/signup', again)).body.code, 'email-taken')
  const fresh = { email: `fresh-${Date.now()}@example.com`, password: PASSWORD }
  assert.equal((await call('POST', '/api/v1/auth/signup', { ...fresh, username })).body.code, 'username-taken')
  assert.equal((await strict.call('POST', '/api/v1/auth/signup', { ...fresh, username })).body.code, 'username-taken')
  const stranger = await signUp()
  for (const method of ['PATCH', 'PUT'])
    assert.equal(
      (await stranger.call(method, '/api/v1/users/me', { username: username.toUpperCase() })).body.code,
      'username-taken',
    )
  // If addresses must be confirmed first, only an email reveals something.
  const known = await strict.call('POST', '/api/v1/auth/signup', { email: stranger.email, password: PASSWORD })
  const retired = await strict.call('POST', '/api/v1/auth/signup', again)
  assert.deepEqual([retired.status, retired.text], [known.status, known.text])
  const [mail, ...more] = await strict.mailTo(person.email)
  assert.deepEqual([mail?.subject, mail?.token, more], ['This address cannot be used with Freehold', '', []])
  const proof = { password: PASSWORD }
  const asked = await stranger.call('POST', '/api/v1/auth/change-email', { new_email: person.email, proof })
  assert.equal(asked.status, 202)
  assert.match((await strict.mailTo(person.email)).at(-1)!.subject, /cannot be used/)
  const line = (user: object, number: number) => ({ line: number, user: user as { email: string } })
  const importRows = beginImport(system, services, false)
  const unimported = await importRows([
    line({ email: person.email }, 1),
    line({ email: `fresh2-${Date.now()}@example.com`, username }, 2),
  ])
  assert.deepEqual(
    unimported.map(({ outcome, errors }) => [outcome, errors[0]?.pointer]),
    [
      ['refused', '/email'],
      ['refused', '/username'],
    ],
  )

  const other = await signUp()
  await leave(other)
  await wait(other)
  await erase({ reuseNames: true })
  assert.equal((await call('POST', '/api/v1/auth/signup', { email: other.email, password: PASSWORD })).status, 201)
})

// Red when: eraseAccount or restoreAccount does not check again under the lock.
test('an account is restored or erased, never both', async () => {
  const outcomes = new Set<string>()
  // How many milliseconds the restoration begins before the erasure: towards the moment at which either can win.
  let lead = 0
  for (let round = 0; round < 8 || (round < 40 && outcomes.size < 2); round++) {
    const person = await signUp('Race')
    await leave(person)
    const token = await restoreToken(person)
    await wait(person)
    const [erased, restored] = await Promise.all([
      setTimeout(Math.max(0, lead)).then(() => erase()),
      setTimeout(Math.max(0, -lead)).then(() => restore(token)),
    ])
    lead += erased === 1 ? 5 : -5
    const { rows } = await admin.query(
      `select erased_at is not null as erased, deleted_at is not null as deleted from users where id = $1`,
      [person.user_id],
    )
    outcomes.add(rows[0].erased ? 'erased' : 'restored')
    assert.deepEqual(
      [rows[0].erased, rows[0].deleted, restored.status],
      erased === 1 ? [true, true, 422] : [false, false, 204],
    )
    if (erased === 0) assert.equal((await logIn(person)).organization_id, person.organization_id)
  }
  assert.equal(outcomes.size, 2, 'both have happened')
})

// Red when: `erased_at` is set in a different transaction than the rest.
test('an interrupted erasure is repeated', async () => {
  const person = await signUp('Broken off')
  const colleague = await addMember(person, 'owner')
  await person.call('POST', '/api/v1/projects', { name: 'One' })
  await leave(person)
  await wait(person)
  await admin.query(
    `create function stumble() returns trigger language plpgsql as 'begin raise exception ''stumbled''; end'`,
  )
  await admin.query(
    `create trigger stumble before update on users for each row when (new.erased_at is not null) execute function stumble()`,
  )
  await assert.rejects(erase(), /stumbled/)
  const state = () =>
    admin.query(`select email, erased_at from users where id = $1`, [person.user_id]).then(({ rows }) => rows[0])
  assert.deepEqual(await state(), { email: person.email, erased_at: null })
  await admin.query(`drop trigger stumble on users; drop function stumble()`)
  assert.equal(await erase(), 1)
  assert.notEqual((await state()).email, person.email)
  assert.equal((await colleague.call('GET', '/api/v1/projects')).body.items.length, 1)
})

test('without a grace period an account is erased soon, but not before its email can be sent', async () => {
  const person = await signUp()
  await leave(person)
  assert.equal(await erase({ graceDays: 0 }), 0)
  await admin.query(`update users set deleted_at = now() - interval '6 minutes' where id = $1`, [person.user_id])
  assert.equal(await erase({ graceDays: 0 }), 1)
})

// Red when: requireSuperuser or lockSuperusers is omitted.
test('the last superuser cannot be deleted', async () => {
  for (let round = 0; round < 6; round++) {
    await admin.query(`update users set superuser = false where superuser`)
    const people = [await signUp(), await signUp()]
    for (const { user_id } of people) await admin.query(`update users set superuser = true where id = $1`, [user_id])
    const answers = await Promise.all((await Promise.all(people.map(person => logIn(person)))).map(leave))
    assert.deepEqual(answers.map(({ status, body }) => body.code ?? status).toSorted(), [204, 'last-superuser'])
  }
})
