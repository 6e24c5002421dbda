import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { BuiltInRole } from '../../directory/organizations/held-role.ts'
import { listRetiredNames } from '../../directory/users/users.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { many, tables } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import type { FieldError } from '../../platform/problems.ts'
import { Email, Name, OneOf, Slug, Strict, Time, Username } from '../../platform/schemas.ts'
import { describeAccount, insertAccount } from '../accounts/accounts.ts'
import type { AccountRows, AccountServices } from '../accounts/accounts.ts'
import { readHash } from '../passwords/password-hashes.ts'

const query = tables('system', 'users', 'organizations')

/** A user of another system: one line of the file, without nulls. */
export const ImportedUser = Strict({
  email: Email,
  email_verified: Type.Optional(Type.Boolean()),
  password_hash: Type.Optional(Type.String({ maxLength: 512 })),
  username: Type.Optional(Username),
  given_name: Type.Optional(Name),
  family_name: Type.Optional(Name),
  full_name: Type.Optional(Name),
  locale: Type.Optional(OneOf(['en', 'de'])),
  created_at: Type.Optional(Time),
  disabled: Type.Optional(Type.Boolean()),
  organization: Type.Optional(Strict({ slug: Slug, role: BuiltInRole, name: Type.Optional(Name) })),
})

export interface ImportRow {
  line: number
  user: Static<typeof ImportedUser>
}

/** A line that created no account: its address already has one, or the line has a fault. */
export interface UnimportedRow {
  line: number
  outcome: 'exists' | 'refused'
  errors: readonly FieldError[]
}

/** Concurrent writes share a commit; more than eight at once are hardly faster. */
export const IMPORT_CONNECTIONS = 8

/**
 * Begins an import. The returned function takes some hundred lines at a time, in the file's order, creates an account
 * for each and returns the lines that created none. Each account is written atomically in its own statement, so an
 * import that was killed can be run again from the first line. A dry run reports the same and writes nothing.
 * @throws Problem database-unavailable, busy: the lines given may have been written in part
 */
export function beginImport(
  system: SystemRunner,
  { keys }: AccountServices,
  isDryRun: boolean,
): (rows: readonly ImportRow[]) => Promise<UnimportedRow[]> {
  const lines = new Map<string, number>() // the line of each address so far
  const usernames = new Set<string>()
  const newTeams = new Map<string, string>() // slug to id

  const find = async (rows: readonly ImportRow[]) => {
    const emails = rows.map(({ user }) => user.email.toLowerCase())
    const names = rows.flatMap(({ user }) => user.username?.toLowerCase() ?? [])
    const slugs = rows.flatMap(({ user }) => user.organization?.slug ?? [])
    // system: an import creates accounts in all organizations, and runs without a session
    const found = await system.transaction(async transaction => ({
      users: await transaction.run(findEmails(emails)),
      named: await transaction.run(findUsernames(names)),
      teams: await transaction.run(findTeams(slugs)),
      retiredEmails: await transaction.run(listRetiredNames(keys.oneTime, 'email', emails)),
      retiredUsernames: await transaction.run(listRetiredNames(keys.oneTime, 'username', names)),
    }))
    return {
      emails: new Set(found.users.map(({ email }) => email)),
      usernames: new Set([...found.named.map(({ username }) => username), ...found.retiredUsernames]),
      retiredEmails: found.retiredEmails,
      teams: new Map(found.teams.map(({ slug, id }) => [slug, id])),
    }
  }

  /** The rows to write, or the faults of the line. */
  function judge({ line, user }: ImportRow, known: Awaited<ReturnType<typeof find>>): AccountRows | UnimportedRow {
    const { organization: place, ...account } = user
    const email = user.email.toLowerCase()
    const username = user.username?.toLowerCase()
    const errors: FieldError[] = []
    const fault = (pointer: string, detail: string) => void errors.push({ pointer, detail })

    const earlier = lines.get(email)
    if (earlier !== undefined) fault('/email', `is already on line ${earlier}`)
    else if (known.emails.has(email)) {
      lines.set(email, line)
      return { line, outcome: 'exists', errors: [exists] }
    }
    if (known.retiredEmails.has(email)) fault('/email', 'belonged to an erased account')
    if (username !== undefined && (usernames.has(username) || known.usernames.has(username)))
      fault('/username', 'is taken')
    const hash = user.password_hash === undefined ? undefined : readHash(user.password_hash)
    if (hash !== undefined && 'fault' in hash) fault('/password_hash', hash.fault)
    const created = user.created_at === undefined ? 0 : Date.parse(user.created_at)
    // Rejects leap seconds, which JavaScript cannot parse, and impossible times.
    if (!(created >= 0 && created <= Date.now())) fault('/created_at', 'must lie between 1970 and now')
    const team_id = place && (known.teams.get(place.slug) ?? newTeams.get(place.slug))
    if (place !== undefined && team_id === undefined && place.role !== 'owner')
      fault('/organization/slug', 'is not an existing team; the line of its owner must come first')
    if (errors.length > 0) return { line, outcome: 'refused', errors }

    lines.set(email, line)
    if (username !== undefined) usernames.add(username)
    const role = place?.role ?? 'owner'
    const team = place && { name: place.name ?? place.slug, slug: place.slug }
    const { person, organization } = describeAccount({ ...account, organization: team })
    if (team_id !== undefined) return { person: { ...person, last_organization_id: team_id }, role }
    if (team !== undefined) newTeams.set(team.slug, organization.id)
    return { person, organization: { ...organization, slug: organization.slug as string }, role }
  }

  async function write(line: number, rows: AccountRows): Promise<UnimportedRow | undefined> {
    try {
      // system: a new account has no session yet, and gets a password hash
      await system.with({ organization_id: rows.person.last_organization_id }).run(insertAccount(rows))
      return undefined
    } catch (error) {
      // Another process created it since it was looked up.
      const code = error instanceof Problem ? error.code : undefined
      if (code === 'email-taken') return { line, outcome: 'exists', errors: [exists] }
      const errors = refusalOf(error)
      if (errors === undefined) throw error
      return { line, outcome: 'refused', errors }
    }
  }

  return async rows => {
    const known = await find(rows)
    const judged = rows.map(row => [row.line, judge(row, known)] as const)
    const unimported = judged.flatMap(([, result]) => ('outcome' in result ? [result] : []))
    if (isDryRun) return unimported
    const accounts = judged.flatMap(([line, result]) => ('outcome' in result ? [] : [[line, result] as const]))
    // A team is created before its members.
    for (const isFounding of [true, false]) {
      const group = accounts.filter(([, { organization }]) => (organization?.kind === 'team') === isFounding).values()
      await Promise.all(
        Array.from({ length: IMPORT_CONNECTIONS }, async () => {
          for (const [line, account] of group) {
            const refused = await write(line, account)
            if (refused !== undefined) unimported.push(refused)
          }
        }),
      )
    }
    return unimported
  }
}

const exists: FieldError = { pointer: '/email', detail: 'exists already' }

/** The faults of the row; undefined if the error has another cause. */
function refusalOf(error: unknown): readonly FieldError[] | undefined {
  if (!(error instanceof Problem)) return undefined
  if (error.code === 'username-taken') return [{ pointer: '/username', detail: 'is taken' }]
  if (error.code === 'organization-slug-taken') return [{ pointer: '/organization/slug', detail: 'is taken' }]
  return error.code === 'invalid-fields' ? error.errors : undefined
}

const anyOf = (values: readonly string[]) => sql<string>`any(${values}::text[])`

const findEmails = (emails: readonly string[]) =>
  many(query.selectFrom('users').select('email').where('email', '=', anyOf(emails)))

const findUsernames = (usernames: readonly string[]) =>
  many(query.selectFrom('users').select('username').where('username', '=', anyOf(usernames)))

const findTeams = (slugs: readonly string[]) =>
  many(
    query
      .selectFrom('organizations')
      .select(['id', 'slug'])
      .where('slug', '=', anyOf(slugs))
      .where('kind', '=', 'team')
      .where('deleted_at', 'is', null),
  )
