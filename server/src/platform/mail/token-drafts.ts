import { sql } from 'kysely'
import type { Database } from '../database/database.ts'
import type { TokenPurpose } from '../tokens/one-time-tokens.ts'
import { find, get, many, query, raw } from '../database/statement.ts'
import { findRetiredNames } from '../../directory/users/users.ts'
import { asName, findPersonByEmail, findPersonById, isLive, scope } from './drafts.ts'
import type { Draft, Person } from './drafts.ts'

/** Mails of one purpose to one address, or, where a token names none, to one person, in an hour. */
const MOST_AN_HOUR = 5

export interface Links {
  /** Of one-time tokens, and of the digests of addresses that erased accounts had. */
  key: Buffer
  /** Where this token is spent. */
  of(purpose: TokenPurpose, id: string): string
  /** Where a new password is asked for. */
  reset: string
}

const spendable = query
  .selectFrom('one_time_tokens')
  .select(['id', 'purpose', 'user_id', 'email', 'created_at', 'expires_at'])
  .select(eb => eb.ref('details').$castTo<Record<string, unknown>>().as('details'))
  .where('used_at', 'is', null)
  .where('expires_at', '>', sql<string>`now()`)

interface Token {
  id: string
  purpose: string
  user_id: string | null
  email: string | null
  details: Readonly<Record<string, unknown>>
  created_at: string
  expires_at: string
}

/**
 * What the mail of a token is, as things are now: whose the address is, and whether there is still anything to say.
 * Notes whose the token is, where only the address was known, and that it is mailed. Undefined: nothing is to be sent.
 */
export async function draftOfToken(database: Database, links: Links, id: string): Promise<Draft | undefined> {
  const token = await database.system.run(scope, find(spendable.where('id', '=', id)))
  if (token === undefined) return undefined
  const person = await findAddressee(database, token)
  const draft = await decide(database, links, token, person)
  if (draft === undefined || !(await claim(database, token, person))) return undefined
  const wished = token.details['locale']
  return { locale: typeof wished === 'string' ? wished : undefined, ...draft }
}

const findAddressee = async (database: Database, { user_id, email }: Token): Promise<Person | undefined> => {
  if (user_id !== null) return database.system.run(scope, findPersonById(user_id))
  return email === null ? undefined : database.system.run(scope, findPersonByEmail(email))
}

async function decide(
  database: Database,
  links: Links,
  { id, purpose, email, details, created_at, expires_at }: Token,
  person: Person | undefined,
): Promise<Draft | undefined> {
  const values = { when: new Date(created_at), expires: new Date(expires_at) }
  const link = links.of(purpose as TokenPurpose, id)
  switch (purpose) {
    case 'verify-email':
      if (person === undefined) return email === null ? undefined : repeatSignUp(database, links, email)
      if (!isLive(person) || person.email_verified || person.email !== (email ?? person.email)) return undefined
      return { name: 'verify-email', to: person.email, person, values: { ...values, link } }

    case 'sign-up':
      if (email === null) return undefined
      if (person !== undefined) return accountExists(links, person, false)
      if (await isRetired(database, links, email)) return { name: 'address-retired', to: email, values }
      return { name: 'sign-up', to: email, values: { ...values, link } }

    case 'reset-password':
      if (!isLive(person)) return undefined
      return { name: 'reset-password', to: person.email, person, values: { ...values, link } }

    case 'change-email': {
      if (!isLive(person) || email === null || email === person.email) return undefined
      const other = await database.system.run(scope, findPersonByEmail(email))
      if (other !== undefined) return accountExists(links, other, true)
      if (await isRetired(database, links, email)) return { name: 'address-retired', to: email, values }
      return { name: 'change-email', to: email, person, values: { ...values, link } }
    }
    case 'unlock': {
      if (!isLive(person)) return undefined
      const known_device = details['counter'] === 'device'
      return { name: 'sign-in-locked', to: person.email, person, values: { ...values, known_device, link } }
    }

    case 'restore-account':
      if (person === undefined || person.deleted_at === null || person.erased_at !== null) return undefined
      return { name: 'account-deleted', to: person.email, person, values: { ...values, link } }

    case 'invitation': {
      if (email === null) return undefined
      const invitation = await findInvitation(database, details)
      return invitation && { name: 'invitation', to: email, person, values: { ...values, ...invitation, link } }
    }
    default:
      return undefined
  }
}

const isRetired = async (database: Database, { key }: Links, email: string): Promise<boolean> =>
  (await database.system.run(scope, findRetiredNames(key, { email }))).email

const accountExists = (links: Links, person: Person, change: boolean): Draft => ({
  name: 'account-exists',
  to: person.email,
  person,
  values: { link: links.reset, change, deleted: person.deleted_at !== null },
})

/**
 * Somebody without an account wants the mail again: that of the sign-up under way. Of several at once none, since one of
 * them may be a stranger's, with a password that only the stranger knows.
 */
async function repeatSignUp(database: Database, links: Links, email: string): Promise<Draft | undefined> {
  const [token, ...others] = await database.system.run(
    scope,
    many(spendable.where('email', '=', email).where('purpose', '=', 'sign-up').limit(2)),
  )
  return token === undefined || others.length > 0 ? undefined : decide(database, links, token, undefined)
}

/** The names in an invitation; undefined when it is another version by now, accepted or taken back say, or the organization is gone. */
async function findInvitation(database: Database, { organization_id, invitation_id, version }: Token['details']) {
  const found = await database.system.run(
    scope,
    find(
      query
        .selectFrom('invitations')
        .innerJoin('organizations', 'organizations.id', 'invitations.organization_id')
        .innerJoin('users', 'users.id', 'invitations.invited_by')
        .select(['organizations.name', 'users.full_name', 'users.given_name'])
        .where('invitations.organization_id', '=', String(organization_id))
        .where('invitations.id', '=', String(invitation_id))
        .where('invitations.version', '=', Number(version))
        .where('organizations.deleted_at', 'is', null),
    ),
  )
  const inviter = found?.full_name ?? found?.given_name
  return found && { organization: asName(found.name), inviter: inviter && asName(inviter) }
}

/** Counts this mail among those of its purpose to its address, unless there have been too many. */
const claim = (database: Database, { id, purpose, email, user_id }: Token, person: Person | undefined) =>
  database.system.transaction(scope, async transaction => {
    const addressee = email ?? user_id ?? id
    // One after the other, so that each sees those before it.
    await transaction.run(
      find(raw(sql`select pg_advisory_xact_lock(hashtextextended(${`${purpose} ${addressee}`}, 0))`)),
    )
    const { sent } = await transaction.run(
      get(
        query
          .selectFrom('one_time_tokens')
          .select(sql<number>`count(*)::int`.as('sent'))
          .where('purpose', '=', purpose)
          .where('id', '<>', id)
          .where(eb => (email === null ? eb('user_id', '=', user_id) : eb('email', '=', email)))
          .where(sql<boolean>`(details ->> 'mailed_at')::timestamptz > now() - interval '1 hour'`),
      ),
    )
    if (sent >= MOST_AN_HOUR) return false
    const owner = purpose === 'verify-email' || purpose === 'reset-password' ? (person?.id ?? null) : user_id
    await transaction.run(
      find(
        raw(sql`update one_time_tokens set user_id = ${owner}::uuid, details = jsonb_build_object('mailed_at', now()) || details
          where id = ${id} returning id`),
      ),
    )
    return true
  })
