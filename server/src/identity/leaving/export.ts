import { sql } from 'kysely'
import { Type } from 'typebox'
import { listAuditLog, recordEvent } from '../../directory/history/history.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { get, many, raw, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import type { ExportSection } from '../../platform/feature.ts'
import type { Account } from '../../platform/gate/actor.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { isProblem } from '../../platform/problems.ts'
import { Time } from '../../platform/schemas.ts'

const query = tables('system', 'users', 'self', 'recovery_codes', 'one_time_tokens')
const own = tables('tenant', 'own_organizations')

export const accountExported = eventKind('account-exported')

const Row = Type.Record(Type.String({ maxLength: 100 }), Type.Unknown())
const rowsOf = (description: string) => Type.Array(Row, { description })

/** All stored data of a user, without secrets and without data of other users. */
export const accountExportOf = (sections: readonly ExportSection[]) =>
  Type.Object(
    {
      exported_at: Time,
      user: Row,
      ...Object.fromEntries(inOrder(sections).map(({ name, description }) => [name, rowsOf(description)])),
      history: rowsOf("The user's changes in organizations whose audit log the user may read."),
    },
    { title: 'AccountExport' },
  )

/** One-time tokens belong to the platform, which declares no section. */
export const linksSection: ExportSection = {
  name: 'links',
  description: 'Recently emailed links; the links themselves are not stored.',
  columns: sql`id, purpose, email, created_at, expires_at, used_at`,
  from: sql`one_time_tokens where user_id = (select user_id from self)`,
  key: sql`id`,
}

/** The order of sections, from the profile to the events; sections that are not named here come last. */
const order = [
  'memberships',
  'invitations',
  'sessions',
  'devices',
  'identities',
  'passkeys',
  'links',
  'security_events',
]
const placeOf = ({ name }: ExportSection) => (order.includes(name) ? order.indexOf(name) : order.length)
const inOrder = (sections: readonly ExportSection[]) => sections.toSorted((one, other) => placeOf(one) - placeOf(other))

const BATCH = 500

/**
 * Yields the document in pieces, because it may be long. The first piece comes after the session was found to be live.
 * @throws Problem session-ended, also in the middle
 */
export async function* exportAccount(
  { visitor, account }: { visitor: SystemRunner; account: Account },
  declared: Pick<Declarations, 'exportSections' | 'secondFactors'>,
  { user_id, session_id }: SessionRef,
): AsyncGenerator<string, void, void> {
  const read = <Result>(statement: Statement<'system', Result>) =>
    // system: rows of many organizations and features; each statement reads `self`, so it fails when the session is
    // revoked
    visitor.run(statement)
  const { exported_at, ...user } = await read(profileOf(declared))
  await read(recordEvent(accountExported, user_id, session_id))
  yield `{"exported_at":${JSON.stringify(exported_at)},"user":${JSON.stringify(user)}`

  for (const section of inOrder(declared.exportSections)) {
    yield `,${JSON.stringify(section.name)}:[`
    let last: unknown = undefined
    for (let comma = ''; ; comma = ',') {
      const rows = await read(many(batchOf(section, last)))
      const lines = rows.map(({ key: _key, ...row }) => JSON.stringify(row))
      if (lines.length > 0) yield comma + lines.join(',')
      if (rows.length < BATCH) break
      last = rows.at(-1)?.['key']
    }
    yield ']'
  }

  yield ',"history":['
  let comma = ''
  const places = many(own.selectFrom('own_organizations').select('id').orderBy('id'))
  for (const { id: organization_id } of await account.run(places)) {
    const readers = account.within(organization_id, 'audit:read')
    let after: Page['after'] = undefined
    do {
      const page: Page = { limit: BATCH, after, includeTotal: false, seal: (value, id) => JSON.stringify([value, id]) }
      const entries = await readers.run(listAuditLog(organization_id, { actor: user_id }, page)).catch(skipUnreadable)
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

/** Omits the audit log of an organization if the user may not read it, or not now. */
function skipUnreadable(error: unknown): undefined {
  if (!isProblem(error, 'permission-missing', 'membership-ended', 'second-factor-required', 'organization-suspended'))
    throw error
}

/** The user, with the presence of a password and an authenticator app, and the number of recovery codes left. */
function profileOf({ secondFactors }: Pick<Declarations, 'secondFactors'>) {
  const totp = secondFactors.find(({ method }) => method === 'totp')
  const hasTotp = totp?.exists(sql.ref('u.id')) ?? sql<boolean>`false`
  return get(
    raw(
      query,
      sql<Record<string, unknown>>`select now() as exported_at, u.id, u.email, u.email_verified_at, u.username,
          u.given_name, u.family_name, u.full_name, u.locale, u.superuser, u.guest, u.created_at, u.updated_at,
          u.password_hash is not null as has_password, ${hasTotp} as has_totp,
          (select count(*) from recovery_codes r where r.user_id = u.id and r.used_at is null)::int as recovery_codes
        from self join users u on u.id = self.user_id`,
    ),
  )
}

const batchOf = ({ columns, from, key }: ExportSection, last: unknown) =>
  raw(
    query,
    sql<Record<string, unknown>>`select ${columns}, ${key} as key from ${from}
      ${last === undefined ? sql`` : sql`and ${key} > ${last}::uuid`} order by ${key} limit ${BATCH}`,
  )
