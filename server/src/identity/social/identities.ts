import { sql } from 'kysely'
import { Type } from 'typebox'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { Email, Id, Nullable, Time } from '../../platform/schemas.ts'
import { find, get, query, raw, statement } from '../../platform/database/statement.ts'
import type { Profile } from './profile.ts'

export const Identity = Type.Object(
  {
    id: Id,
    provider: Type.String({ maxLength: 32, examples: ['google'] }),
    email: Nullable(Email),
    created_at: Time,
    last_used_at: Nullable(Time),
  },
  { title: 'Identity', description: 'An account at a provider that its owner signs in with.' },
)

const columns = ['id', 'provider', 'email', 'created_at', 'last_used_at'] as const

const identityPages = pagesOf(() =>
  query
    .selectFrom('identities')
    .select(columns)
    // The policy shows only one's own; said again here, it picks the index.
    .where('user_id', '=', sql<string>`(select user_id from self)`),
)

/** One's own, the newest first. */
export const listIdentities = (page: Page) => identityPages({}, orderOf('-created_at', 'identities'), page)

/**
 * Whose sign-in this is, as far as is known: the account that the identity belongs to, else the one that has the address
 * (system login). Without an address only the identity is looked for.
 */
export const findAccount = ({ issuer, subject }: Profile, email: string | undefined) =>
  find(
    raw<{ user_id: string; identity_id: string | null; email_verified: boolean; is_live: boolean }>(sql`
      select u.id as user_id, known.identity_id, u.email_verified, u.disabled_at is null and u.deleted_at is null as is_live
      from (select user_id, id as identity_id from identities where issuer = ${issuer} and subject = ${subject}
        union all select id, null from users where email = ${email ?? null}) as known
      join users u on u.id = known.user_id order by known.identity_id nulls last limit 1`),
  )

/** Notes a sign-in, and what the provider now says of the address (system login); undefined when it was unlinked meanwhile. */
export const noteUse = (id: string, user_id: string, email: string | undefined) =>
  find(
    query
      .updateTable('identities')
      .set({ last_used_at: sql<string>`now()`, ...(email !== undefined && { email }) })
      .where('id', '=', id)
      .where('user_id', '=', user_id)
      .returning('id'),
  )

interface NewIdentity {
  user_id: string
  provider: string
  profile: Profile
}

/** Links by address (system login): only while account and address still are what they were. @throws Problem identity-taken */
export const linkByAddress = ({ user_id, provider, profile: { issuer, subject, email } }: NewIdentity) =>
  statement(
    raw<{ id: string }>(sql`insert into identities (user_id, provider, issuer, subject, email, last_used_at)
      select id, ${provider}, ${issuer}, ${subject}, email, now() from users where id = ${user_id} and email = ${email ?? null}
        and email_verified and disabled_at is null and deleted_at is null for no key update returning id`),
    ([row]) => row,
    { identities_subject_key: 'identity-taken' },
  )

/** Links an identity that nobody has (system login); undefined when somebody has it. */
export const linkIdentity = ({ user_id, provider, profile: { issuer, subject, email } }: NewIdentity) =>
  find(
    query
      .insertInto('identities')
      .values({ user_id, provider, issuer, subject, email: email ?? null })
      .onConflict(conflict => conflict.constraint('identities_subject_key').doNothing())
      .returning(columns),
  )

/** The identity, if it is that person's. */
export const findIdentity = ({ user_id, profile: { issuer, subject } }: NewIdentity) =>
  find(
    query
      .selectFrom('identities')
      .select(columns)
      .where('issuer', '=', issuer)
      .where('subject', '=', subject)
      .where('user_id', '=', user_id),
  )

/** Takes an identity away (system login). @throws Problem not-found */
export const deleteIdentity = (user_id: string, id: string) =>
  get(query.deleteFrom('identities').where('id', '=', id).where('user_id', '=', user_id).returning('provider'))
