import { randomBytes, randomUUIDv7 } from 'node:crypto'
import type pg from 'pg'
import { authKeys } from '../src/app.ts'
import { sealRefreshToken } from '../src/identity/sign-in/refresh-token.ts'
import { sealId } from '../src/platform/crypto/sealing.ts'
import type { Answer, TestApp } from './test-app.ts'
import { TEST_SECRET } from './test-database.ts'

/** How the caller stands: a role, and what has happened to them since they signed in. */
export interface Standing {
  role?: 'owner' | 'admin' | 'member' | 'viewer' | 'none'
  session?: 'live' | 'revoked' | 'expired'
  account?: 'live' | 'disabled' | 'deleted'
  membership?: 'live' | 'disabled' | 'ended'
  organization?: 'live' | 'closed'
  /** Whether the organization demands a second factor; the caller's session has proved one, unless it is missing. */
  secondFactor?: 'not demanded' | 'missing' | 'proved'
  superuser?: boolean
  /** False: the access token names no organization. */
  named?: boolean
}

/** An organization with a caller, a member, a founder, a project; and an outsider who belongs to nothing. */
export interface World {
  organization_id: string
  user_id: string
  session_id: string
  email: string
  username: string
  /** Another signed-in device of the caller. */
  other_session_id: string
  member_id: string
  outsider: { user_id: string; email: string }
  project_id: string
  /** A row of each kind that is the caller's own, or the organization's. */
  own: Belongings
  access_token: string
  refresh_token: string
  /** The own device's, which skips the second factor. */
  device_token: string
  call: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
}

export interface Belongings {
  invitation: string
  device: string
  passkey: string
  identity: string
}

/** Gives a person and an organization one of each, behind the wall. */
export async function giveBelongings(
  admin: pg.Pool,
  { user_id, organization_id, word }: { user_id: string; organization_id: string; word: string },
): Promise<Belongings> {
  const own = { invitation: randomUUIDv7(), device: randomUUIDv7(), passkey: randomUUIDv7(), identity: randomUUIDv7() }
  await admin.query({
    name: 'belongings',
    text: `
      with invitation as (insert into invitations (organization_id, id, email, role, invited_by, expires_at)
          select organization_id, $3, 'invited-' || $7 || '@example.com', 'viewer', user_id, now() + interval '1 day'
          from memberships where organization_id = $1 limit 1),
        device as (insert into devices (id, user_id, user_agent, trusted_until) values ($4, $2, 'device of ' || $7, now() + interval '1 day')),
        passkey as (insert into passkeys (id, user_id, credential_id, public_key, name) values ($5, $2, convert_to($7, 'UTF8'), '\\x00', 'Key of ' || $7))
      insert into identities (id, user_id, provider, issuer, subject, email) values ($6, $2, 'google', 'https://accounts.google.com', $7, $7 || '@example.net')`,
    values: [organization_id, user_id, own.invitation, own.device, own.passkey, own.identity, word],
  })
  return own
}

/** What every word of this world ends in, so that nothing is found in it by chance. */
export const randomWord = (): string => randomBytes(6).toString('hex')

const { refresh: refreshKey, device: deviceKey } = authKeys(TEST_SECRET)

/** The password of everyone in these worlds, and of nobody else. */
export const WORLD_PASSWORD = 'Worldly-horse-8'

/** Makes worlds behind the wall, in one statement each: an attack may spend a whole world on one request. */
export async function createWorlds({ admin, tokens, call }: TestApp): Promise<(standing?: Standing) => Promise<World>> {
  const signedUp = await call('POST', '/api/v1/auth/signup', {
    email: `template-${randomWord()}@example.com`,
    password: WORLD_PASSWORD,
  })
  const template: string = signedUp.body.user.id
  return async ({
    role = 'owner',
    session = 'live',
    account = 'live',
    membership = 'live',
    organization = 'live',
    secondFactor = 'not demanded',
    superuser = false,
    named = true,
  } = {}) => {
    const word = randomWord()
    const [organization_id, user_id, member_id, founder_id, outsider_id, project_id, session_id, other_session_id] =
      Array.from({ length: 8 }, () => randomUUIDv7()) as [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
      ]
    const [email, username, outsiderEmail] = [
      `caller-${word}@example.com`,
      `caller-${word}`,
      `outsider-${word}@example.com`,
    ]
    await admin.query({
      name: 'world',
      text: `
        with people as (
          insert into users (id, email, username, email_verified_at, password_hash, superuser, disabled_at, deleted_at)
          select id, email, nullif(username, ''), now(), (select password_hash from users where id = $1), $2 and id = $3,
            case when $4 = 'disabled' and id = $3 then now() end, case when $4 = 'deleted' and id = $3 then now() end
          from unnest(array[$3, $5, $6, $7]::uuid[], array[$8, 'member-' || $9 || '@example.com', 'founder-' || $9 || '@example.com', $10], array[$11, '', '', '']) as p (id, email, username)),
        home as (insert into organizations (id, name, slug, deleted_at, second_factor_required) values ($12, 'Own ' || $9, 'own-' || $9, case when $13 = 'closed' then now() end, $20 <> 'not demanded')),
        belonging as (
          insert into memberships (organization_id, user_id, role, disabled_at, deleted_at)
          select $12, id, role, case when $14 = 'disabled' and id = $3 then now() end, case when $14 = 'ended' and id = $3 then now() end
          from unnest(array[$3, $5, $6]::uuid[], array[$15, 'member', 'owner']) as m (id, role) where role <> 'none'),
        work as (insert into projects (organization_id, id, name, slug, created_by) values ($12, $16, 'Own ' || $9, 'own-' || $9, $6))
        insert into sessions (id, user_id, organization_id, methods, user_agent, expires_at, revoked_at, second_factor_at)
        values ($17, $3, $12, '{password,totp}', 'first', now() + case when $18 = 'expired' then interval '-1 second' else interval '1 day' end, case when $18 = 'revoked' then now() end, case when $20 <> 'missing' then now() end),
          ($19, $3, $12, '{password}', 'second', now() + interval '1 day', null, null)`,
      values: [
        template,
        superuser,
        user_id,
        account,
        member_id,
        founder_id,
        outsider_id,
        email,
        word,
        outsiderEmail,
        username,
        organization_id,
        organization,
        membership,
        role,
        project_id,
        session_id,
        session,
        other_session_id,
        secondFactor,
      ],
    })
    const access_token = tokens.sign({
      sub: user_id,
      jti: word,
      sid: session_id,
      auth_time: Math.floor(Date.now() / 1000),
      email,
      user_id,
      ...(named && { organization_id, tenant_id: organization_id, ...(role !== 'none' && { role }) }),
    })
    const own = await giveBelongings(admin, { user_id, organization_id, word })
    return {
      organization_id,
      user_id,
      session_id,
      own,
      email,
      username,
      other_session_id,
      member_id,
      project_id,
      access_token,
      outsider: { user_id: outsider_id, email: outsiderEmail },
      device_token: sealId(deviceKey, 'device', own.device),
      refresh_token: sealRefreshToken(refreshKey, { session_id, generation: 1 }),
      call: (method, path, body, headers = {}) =>
        call(method, path, body, { authorization: `Bearer ${access_token}`, ...headers }),
    }
  }
}

/**
 * Every row that is an organization's or its people's, from whatever tables the catalog knows, as sorted text: a row of
 * an organization's table is named by its organization, any other by an id that stands anywhere in it.
 */
export async function dumpRows(
  admin: pg.Pool,
  { organization_ids, ids }: { organization_ids: readonly string[]; ids: readonly string[] },
): Promise<string[]> {
  const { rows: tables } = await admin.query<{ name: string; key: string | null }>(`
    select c.relname as name, (select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and i.indisprimary and (a.attname = 'organization_id' or c.relname = 'organizations')) as key
    from pg_class c where c.relnamespace = 'freehold'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'migrations'`)
  const dumps = await Promise.all(
    tables.map(async ({ name, key }) => {
      const isTheirs =
        key === null
          ? 'to_jsonb(t)::text like any ($1::text[])' // patterns ready made: a sub-select would be run for each row
          : `${key} = any ($1::uuid[])`
      const { rows } = await admin.query<{ line: string }>(
        `select '${name} ' || to_jsonb(t)::text as line from ${name} t where ${isTheirs}`,
        [key === null ? ids.map(id => `%${id}%`) : organization_ids],
      )
      return rows.map(({ line }) => line)
    }),
  )
  return dumps.flat().sort()
}
