import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import { listAuditLog, recordEvent } from '../../directory/history/history.ts'
import type { Database, Scope } from '../../platform/database/database.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { Problem } from '../../platform/problems.ts'
import { Time } from '../../platform/schemas.ts'
import { get, many, raw } from '../../platform/database/statement.ts'

const Row = Type.Record(Type.String({ maxLength: 100 }), Type.Unknown())
const rowsOf = (description: string) => Type.Array(Row, { description })

/** Everything that is stored of a person, as the service keeps it; no secret, and nothing of anybody else. */
export const AccountExport = Type.Object(
  {
    exported_at: Time,
    user: Row,
    memberships: rowsOf('Present and past. Of a past one the organization is not named any more.'),
    invitations: rowsOf('To one’s address, once it is confirmed.'),
    sessions: rowsOf('Live ones, and those that ended not long ago.'),
    devices: rowsOf('Browsers and apps that one has signed in with.'),
    identities: rowsOf('Accounts elsewhere that one signs in with.'),
    passkeys: rowsOf('By name; their keys stay here.'),
    links: rowsOf('What was mailed lately to be confirmed; the links themselves are not stored.'),
    security_events: rowsOf('What happened to the account.'),
    history: rowsOf('What one has changed, where one may read the history.'),
  },
  { title: 'AccountExport' },
)

/** Rows of one table, in the order of their key; each statement goes through `self`, so that it ends with the session. */
interface Section {
  columns: RawBuilder<unknown>
  from: RawBuilder<unknown>
  key?: RawBuilder<unknown>
}

const own = (table: string, columns: string[]): Section => ({
  columns: sql.join([sql.ref('id'), ...columns.map(column => sql.ref(column))]),
  from: sql`${sql.table(table)} where user_id = (select user_id from self)`,
})

const sections: Record<string, Section> = {
  memberships: {
    columns: sql`m.organization_id, case when m.deleted_at is null then o.name end as name,
      case when m.deleted_at is null then o.slug end as slug, o.kind, m.role, m.title, m.company, m.disabled_at, m.created_at, m.deleted_at as ended_at`,
    from: sql`memberships m join organizations o on o.id = m.organization_id where m.user_id = (select user_id from self)`,
    key: sql`m.organization_id`,
  },
  invitations: {
    columns: sql`i.id, i.organization_id, i.role, i.created_at, i.expires_at, i.accepted_at, i.revoked_at`,
    from: sql`invitations i join users u on u.email = i.email and u.email_verified where u.id = (select user_id from self)`,
    key: sql`i.id`,
  },
  sessions: own('sessions', [
    'organization_id',
    'device_id',
    'methods',
    'authenticated_at',
    'second_factor_at',
    'user_agent',
    'ip',
    'created_at',
    'last_seen_at',
    'expires_at',
    'revoked_at',
    'revoked_reason',
  ]),
  devices: own('devices', ['user_agent', 'ip', 'trusted_until', 'created_at', 'last_seen_at', 'revoked_at']),
  identities: own('identities', ['provider', 'issuer', 'subject', 'email', 'created_at', 'last_used_at']),
  passkeys: own('passkeys', ['name', 'transports', 'backed_up', 'created_at', 'last_used_at']),
  links: own('one_time_tokens', ['purpose', 'email', 'created_at', 'expires_at', 'used_at']),
  security_events: {
    // Where somebody else came from is theirs.
    columns: sql`id, type, session_id, actor_id, request_id, details, created_at,
      case when actor_id is null or actor_id = user_id then ip end as ip, case when actor_id is null or actor_id = user_id then user_agent end as user_agent`,
    from: sql`security_events where user_id = (select user_id from self)`,
  },
}

const BATCH = 500

/**
 * The document, piece by piece, so that it may be long. The first piece comes when the session has been seen alive.
 * @throws Problem session-ended, also in the middle
 */
export async function* exportAccount({ tenant, system }: Database, scope: Scope): AsyncGenerator<string, void, void> {
  const { session_id, origin } = scope
  const own = { ...(session_id !== undefined && { session_id }), origin }
  const user = await system.run(own, profile)
  await system.run(own, recordEvent('account-exported', String(user['id']), session_id ?? null))
  yield `{"exported_at":${JSON.stringify(user['exported_at'])},"user":${JSON.stringify({ ...user, exported_at: undefined })}`

  for (const [name, section] of Object.entries(sections)) {
    yield `,${JSON.stringify(name)}:[`
    let last: unknown = undefined
    for (let comma = ''; ; comma = ',') {
      const rows = await system.run(own, many(batchOf(section, last)))
      const lines = rows.map(({ key: _key, ...row }) => JSON.stringify(row))
      if (lines.length > 0) yield comma + lines.join(',')
      if (rows.length < BATCH) break
      last = rows.at(-1)?.['key']
    }
    yield ']'
  }

  yield ',"history":['
  let comma = ''
  const places = many(raw<{ id: string }>(sql`select id from own_organizations order by id`))
  for (const { id: organization_id } of await system.run(own, places)) {
    let after: Page['after'] = undefined
    do {
      const page: Page = { limit: BATCH, after, includeTotal: false, seal: (value, id) => JSON.stringify([value, id]) }
      const statement = listAuditLog(organization_id, { actor: String(user['id']) }, page)
      const entries = await tenant.run({ ...own, organization_id, permission: 'audit:read' }, statement).catch(passOver)
      if (entries === undefined) break
      for (const entry of entries.items) {
        yield comma + JSON.stringify({ organization_id, ...entry })
        comma = ','
      }
      after = entries.next_cursor === null ? undefined : (JSON.parse(entries.next_cursor) as [string, string])
    } while (after !== undefined)
  }
  yield ']}'
}

/** The history of an organization that one may not read, or not now, is left out. */
function passOver(error: unknown): undefined {
  const closed = ['permission-missing', 'membership-ended', 'second-factor-required']
  if (!(error instanceof Problem) || !closed.includes(error.code)) throw error
}

const profile = get(
  raw<
    Record<string, unknown>
  >(sql`select now() as exported_at, u.id, u.email, u.email_verified_at, u.username, u.given_name, u.family_name,
      u.full_name, u.locale, u.superuser, u.created_at, u.updated_at, u.password_hash is not null as has_password,
      f.totp as has_totp, f.recovery_codes
    from self join users u on u.id = self.user_id join second_factors f on f.user_id = u.id`),
)

const batchOf = ({ columns, from, key = sql.ref('id') }: Section, last: unknown) =>
  raw<Record<string, unknown>>(
    sql`select ${columns}, ${key} as key from ${from} ${last === undefined ? sql`` : sql`and ${key} > ${last}::uuid`} order by ${key} limit ${BATCH}`,
  )
