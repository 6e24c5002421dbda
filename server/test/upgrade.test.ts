import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { features } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import { migrateJobs } from '../src/platform/jobs/jobs.ts'
import { readDigest } from '../src/platform/schema/inspection.ts'
import { applyMigrations } from '../src/platform/migrations/migrations.ts'
import { connectToDatabase } from '../src/platform/migrations/schema-script.ts'
import { codeOf, stepNow } from './browsers/authenticator-app.ts'
import { createAuthenticator } from './browsers/authenticator.ts'
import { createBentProvider } from './browsers/bent-provider.ts'
import { releases } from './fixtures/releases/releases.ts'
import type { Captured, CapturedPerson } from './fixtures/releases/releases.ts'
import { createOwnDatabase } from './own-database.ts'
import { openTestApp } from './browsers/provider-browser.ts'
import { PASSWORD } from './test-app.ts'
import type { Answer } from './test-app.ts'

// Upgrades from each released version: no row is lost or changed, and every sign-in method still works. The data were
// created by the versions' own services (fixtures/releases/capture.ts), with users.

/** What an upgrade changes in the rows that it keeps, and why. */
const changed: Readonly<Record<string, string>> = {
  'role_permissions.permission': 'each version declares the permissions of the roles',
  'role_permissions.role': 'the same',
}

const bent = await createBentProvider()

/** The released data, with the times moved to the present and the current URL of the provider. */
async function loadRelease(
  { captured, sql }: (typeof releases)[number],
  ownerUrl: string,
  admin: pg.Pool,
): Promise<void> {
  const owner = await connectToDatabase(ownerUrl)
  // The job queue was added by the second migration.
  if (captured.migrations > 1) await migrateJobs(owner, 'freehold', declare(features).jobs)
  await applyMigrations(owner, { schema: 'freehold', to: captured.migrations, digest: readDigest })
  await owner.end()
  const client = await admin.connect()
  await client.query(`begin; set local session_replication_role = replica;
    create function pg_temp.at(moment timestamptz) returns timestamptz language sql stable
      as $$ select moment + (now() - '${captured.captured_at}'::timestamptz) $$;
    ${sql.replaceAll(captured.issuer, bent.url)}
    drop function pg_temp.at; commit`)
  const { rows } = await client.query<{ name: string }>(
    `select tablename as name from pg_tables t join pg_class c on c.relname = t.tablename and c.relnamespace = 'freehold'::regnamespace
      where schemaname = 'freehold' and not c.relispartition and tablename <> 'migrations'`,
  )
  await client.query('create schema kept')
  for (const { name } of rows) await client.query(`create table kept.${name} as select * from freehold.${name}`)
  client.release()
}

/** Rows that are missing or changed, by table. */
async function listLosses(admin: pg.Pool): Promise<string[]> {
  const { rows } = await admin.query<{ name: string; columns: string[]; gone: string[] }>(`
    select k.table_name as name,
      array_agg(k.column_name::text order by k.ordinal_position) filter (where c.column_name is not null) as columns,
      coalesce(array_agg(k.column_name::text) filter (where c.column_name is null), '{}') as gone
    from information_schema.columns k left join information_schema.columns c
      on c.table_schema = 'freehold' and c.table_name = k.table_name and c.column_name = k.column_name
    where k.table_schema = 'kept' group by 1 order by 1`)
  const losses: string[] = []
  for (const { name, columns, gone } of rows) {
    losses.push(...gone.filter(column => !(`${name}.${column}` in changed)).map(column => `${name}.${column} is gone`))
    const compared = (columns ?? []).filter(column => !(`${name}.${column}` in changed))
    if (compared.length === 0) continue
    const list = compared.map(column => `"${column}"`).join(', ')
    const lost = await admin.query(`select ${list} from kept.${name} except select ${list} from freehold.${name}`)
    losses.push(...lost.rows.map(row => `${name}: ${JSON.stringify(row)}`))
  }
  // Red when: the migration that adds preferences does not give them to existing accounts.
  const bare = await admin.query<{ id: string }>(
    'select id from freehold.users where erased_at is null and id not in (select user_id from freehold.preferences)',
  )
  losses.push(...bare.rows.map(({ id }) => `users: ${id} has no preferences`))
  return losses
}

/** Current members whom no list shows, because the migrations did not add their words. */
const listMissingWords = async (admin: pg.Pool) =>
  (
    await admin.query<{ word: string }>(`
      select w.word from memberships m join users u on u.id = m.user_id
      cross join lateral words_of_member(u.email, u.username, u.given_name, u.family_name, u.full_name) w
      where m.deleted_at is null and u.erased_at is null
      except select word from member_words`)
  ).rows

type App = Awaited<ReturnType<typeof openTestApp>>

const openUpgraded = (
  { secret_key }: Captured,
  { ownerUrl, tenantUrl, systemUrl }: { ownerUrl: string; tenantUrl: string; systemUrl: string },
  settings: Record<string, string>,
): Promise<App> =>
  openTestApp(
    () => ({
      SECRET_KEY: secret_key,
      DATABASE_URL: ownerUrl,
      DATABASE_TENANT_URL: tenantUrl,
      DATABASE_SYSTEM_URL: systemUrl,
      OIDC_PROVIDERS: JSON.stringify([
        { name: 'bent', issuer: bent.url, client_id: bent.clientId, client_secret: bent.clientSecret },
      ]),
      ...settings,
    }),
    'localhost',
  )

/** Every sign-in method that the user had, by name; each returns the response of a sign-in. */
function waysIn({ call, publicUrl, newBrowser }: App, person: CapturedPerson): Map<string, () => Promise<Answer>> {
  const { email, username, password, refresh_token, totp_secret, recovery_codes, device_token, passkey, provider } =
    person
  const ways = new Map<string, () => Promise<Answer>>()
  const logIn = (more: object) => call('POST', '/api/v1/auth/login', { password, ...more })
  const withFactor = async (factor: object): Promise<Answer> => {
    const asked = await logIn({ email })
    assert.equal(asked.body.code, 'mfa-required', asked.text)
    return call('POST', '/api/v1/auth/mfa/verify', { mfa_token: asked.body.mfa_token, ...factor })
  }
  if (refresh_token !== undefined)
    ways.set('refresh token', () => call('POST', '/api/v1/auth/refresh', { refresh_token }))
  if (password !== undefined && totp_secret === undefined) {
    ways.set('password', () => logIn({ email }))
    if (username !== undefined) ways.set('username', () => logIn({ username }))
  }
  if (totp_secret !== undefined) ways.set('code', () => withFactor({ code: codeOf(totp_secret, stepNow() + 1) }))
  if (recovery_codes?.[0] !== undefined)
    ways.set('recovery code', () => withFactor({ recovery_code: recovery_codes[0] }))
  if (device_token !== undefined) ways.set('trusted device', () => logIn({ email, device_token }))
  if (passkey !== undefined) {
    const authenticator = createAuthenticator(publicUrl, { kept: passkey })
    ways.set('passkey', async () => {
      const { body } = await call('POST', '/api/v1/auth/passkeys/authentication-options')
      const response = authenticator.get(body.options)
      return call('POST', '/api/v1/auth/passkeys/login', { challenge_token: body.challenge_token, response })
    })
  }
  if (provider !== undefined)
    ways.set('provider', async () => {
      bent.behave({ claims: provider })
      return newBrowser().follow(`${publicUrl}/oauth/bent/initiate`)
    })
  return ways
}

/** The device of the license still counts, and can be renewed and replaced. */
async function useLicense({ call }: App, key: string): Promise<void> {
  const device = { key, fingerprint: 'device' }
  const { body } = await call('POST', '/api/v1/licenses/validate', device)
  assert.deepEqual([body.valid, body.code], [true, 'valid'])
  for (const [operation, status] of [
    ['heartbeat', 200],
    ['deactivate', 204],
    ['activate', 201],
  ] as const)
    assert.equal((await call('POST', `/api/v1/licenses/${operation}`, device)).status, status, operation)
}

for (const release of releases) {
  const { name, captured } = release
  const { people, links } = captured

  // Red when: a migration drops a row or leaves member_words empty, or a key, a token or a session of the former version no longer works.
  test(`${name}: every row is kept, and every sign-in method works`, async t => {
    const database = await createOwnDatabase('freehold', features, (ownerUrl, admin) =>
      loadRelease(release, ownerUrl, admin),
    )
    assert.deepEqual(await listLosses(database.admin), [])
    assert.deepEqual(await listMissingWords(database.admin), [])
    const app = await openUpgraded(captured, database, { EMAIL_VERIFICATION: 'optional' })
    const tried: string[] = []
    for (const person of people)
      for (const [way, enter] of waysIn(app, person)) {
        const { status, body, text } = await enter()
        assert.equal(status, 200, `${person.name} by ${way}: ${text}`)
        assert.equal(body.user.email, person.email)
        if (way === 'refresh token') assert.equal(body.organization?.id, person.organization_id, person.name)
        const headers = { authorization: `Bearer ${body.access_token}` }
        const me = await app.call('GET', '/api/v1/auth/me', undefined, headers)
        assert.equal(me.status, 200, `${person.name} by ${way}: ${me.text}`)
        assert.ok(person.user_id === undefined || me.body.user.id === person.user_id)
        tried.push(way)
      }
    t.diagnostic(`${tried.length} sign-ins: ${[...new Set(tried)].join(', ')}`)

    // The organization is unchanged.
    const ada = await app.call('POST', '/api/v1/auth/login', {
      email: 'ada@example.com',
      password: people[0]!.password,
    })
    const asAda = { authorization: `Bearer ${ada.body.access_token}` }
    const { body: projects } = await app.call('GET', '/api/v1/projects?sort=name', undefined, asAda)
    assert.deepEqual(
      projects.items.map((project: { name: string }) => project.name),
      ['Engine', 'Loom'],
    )
    const { body: history } = await app.call('GET', '/api/v1/audit-logs?entity_type=projects', undefined, asAda)
    assert.equal(history.items.length, 2)
    const made = await app.call('POST', '/api/v1/projects', { name: 'Made after the upgrade' }, asAda)
    assert.equal(made.status, 201, made.text)

    if (links.invitation !== undefined) await followLinks(app, captured)
    if (captured.license_key !== undefined) await useLicense(app, captured.license_key)
  })

  // Red when: sign-in refuses an unverified address without sending the email that verifies it.
  test(`${name}: if addresses must be verified, a user who is refused gets the email that verifies the address`, async () => {
    const database = await createOwnDatabase('freehold', features, (ownerUrl, admin) =>
      loadRelease(release, ownerUrl, admin),
    )
    const app = await openUpgraded(captured, database, { EMAIL_VERIFICATION: 'required' })
    // As in data from a version that did not require verified addresses.
    await database.admin.query('update users set email_verified_at = null')
    const refused: string[] = []
    for (const person of people) {
      const ways = waysIn(app, person)
      const refreshed = await ways.get('refresh token')?.()
      assert.equal(refreshed?.status ?? 200, 200, 'a session stays live')
      for (const way of ['password', 'passkey', 'provider']) {
        const enter = ways.get(way)
        if (enter === undefined) continue
        await app.mailTo(person.email)
        const first = await enter()
        assert.deepEqual([first.status, first.body.code], [403, 'email-unverified'], `${person.name}: ${first.text}`)
        const mails = await app.mailTo(person.email)
        assert.equal(mails.length, 1, `${person.name}, refused by ${way}, is sent one mail`)
        const verified = await verifyEmail(app, mails[0]!.token, PASSWORD)
        assert.equal(verified.status, 200, verified.text)
        assert.equal((await enter()).status, 200)
        refused.push(way)
      }
    }
    assert.ok(refused.includes('password'))
    if (captured.migrations > 1) assert.ok(refused.includes('passkey') && refused.includes('provider'))
  })
}

/** By the token alone, or with the password if the account has one. */
async function verifyEmail({ call }: App, token: string, password: string | undefined): Promise<Answer> {
  const alone = await call('POST', '/api/v1/auth/verify-email', { token })
  return alone.status === 422 && password !== undefined
    ? call('POST', '/api/v1/auth/verify-email', { token, password })
    : alone
}

/** Links in emails that were sent before the upgrade still work. */
async function followLinks(app: App, { people, links }: Captured): Promise<void> {
  const { call } = app
  const una = people.find(({ name }) => name === 'una')
  const verified = await verifyEmail(app, links.verify_email!, una?.password)
  assert.equal(verified.status, 200, verified.text)
  const new_password = 'Brand-new-zebra-42'
  // The email itself was still waiting to be sent: this version composes it.
  const [mail] = (await app.mailTo('rob@example.com')).filter(({ link }) => link.includes('/reset-password'))
  assert.ok(mail !== undefined, 'the waiting email is sent')
  const reset = await call('POST', '/api/v1/auth/password-reset/complete', {
    token: mail.token,
    new_password,
  })
  assert.equal(reset.status, 204, reset.text)
  const rob = await call('POST', '/api/v1/auth/login', { email: 'rob@example.com', password: new_password })
  assert.equal(rob.status, 200, rob.text)
  const restored = await call('POST', '/api/v1/auth/restore-account', { token: links.restore_account })
  assert.ok(restored.status < 300, restored.text)
  const accepted = await call('POST', '/api/v1/invitations/accept', {
    token: links.invitation,
    password: new_password,
    full_name: 'New',
  })
  assert.ok(accepted.status < 300, accepted.text)
}

// Red when: migration 0012 does not name the replacements, or names them with the triggers of the table.
test('licenses that an earlier version transferred name their replacement, unless they were reinstated', async () => {
  const { admin } = await createOwnDatabase('freehold', undefined, async (ownerUrl, superuser) => {
    const owner = await connectToDatabase(ownerUrl)
    await applyMigrations(owner, { schema: 'freehold', to: 11, digest: readDigest })
    await owner.end()
    await superuser.query(`
      insert into freehold.organizations (name, slug) values ('Acme', 'acme'), ('Globex', 'globex');
      insert into freehold.license_plans (code, name) values ('team', 'Team');
      set session_replication_role = replica;
      create function pg_temp.add(name text, slug text, status text, origin text) returns void language sql as $$
        insert into freehold.licenses (organization_id, plan_id, name, key_prefix, key_hash, status, overage_percent, quotas, entitlements, activation,
          heartbeat_grace_seconds, expiry_basis, on_expiry, transferred_from)
        select o.id, p.id, add.name, 'AAAAA', sha256(add.name::bytea), add.status, 0, '{}', '{}', 'node-locked', 0, 'creation', 'restrict',
          (select l.id from freehold.licenses l where l.name = origin) from freehold.organizations o, freehold.license_plans p where o.slug = add.slug $$;
      select pg_temp.add('moved', 'acme', 'revoked', null), pg_temp.add('reinstated', 'acme', 'active', null), pg_temp.add('revoked', 'acme', 'revoked', null);
      select pg_temp.add('new', 'globex', 'active', 'moved'), pg_temp.add('second', 'globex', 'active', 'reinstated');
      set session_replication_role = origin`)
  })
  const { rows } = await admin.query(
    'select l.name, made.name as replacement, l.version from licenses l left join licenses made on made.id = l.transferred_to order by 1',
  )
  assert.deepEqual(
    rows.map(row => Object.values(row)),
    [
      ['moved', 'new', 1],
      ['new', null, 1],
      ['reinstated', null, 1],
      ['revoked', null, 1],
      ['second', null, 1],
    ],
  )
  const { rows: entries } = await admin.query(`select * from audit_log where entity_type = 'licenses'`)
  assert.deepEqual(entries, [])
})
