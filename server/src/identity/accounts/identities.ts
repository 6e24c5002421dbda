import { sql } from 'kysely'
import { Type } from 'typebox'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { execute, find, get, raw, statement, tables } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import { Problem } from '../../platform/problems.ts'
import { Email, Id, Nullable, Time } from '../../platform/schemas.ts'
import { kindsThatEndWith, revokeTokens } from '../../platform/tokens/one-time-tokens.ts'
import { changeKind, hasNewAddress, recordChange } from '../changes/changes.ts'
import type { KeptRow } from '../changes/changes.ts'

const query = tables('system', 'identities', 'users', 'live_users')
const own = tables('tenant', 'identities', 'self')

export const identityLinked = changeKind('identity-linked', {
  words: {
    en: 'An account at a sign-in provider was linked to your account.',
    de: 'Mit Ihrem Konto wurde ein Konto bei einem Anmeldedienst verknüpft.',
  },
  undo: (transaction, { user_id, trace }) =>
    transaction.run(
      execute(
        query
          .deleteFrom('identities')
          .where('user_id', '=', user_id)
          .where('id', '=', trace.added ?? null),
      ),
    ),
})
export const identityUnlinked = changeKind('identity-unlinked', {
  words: {
    en: 'An account at a sign-in provider was unlinked from your account.',
    de: 'Die Verknüpfung Ihres Kontos mit einem Konto bei einem Anmeldedienst wurde aufgehoben.',
  },
  undo: async () => {},
})

export const Identity = Type.Object(
  {
    id: Id,
    provider: Type.String({ maxLength: 32, examples: ['google'] }),
    email: Nullable(Email),
    created_at: Time,
    last_used_at: Nullable(Time),
  },
  { title: 'Identity', description: 'An account at a provider that the user signs in with.' },
)

const columns = ['id', 'provider', 'email', 'created_at', 'last_used_at'] as const

/** An account at a provider: the provider's name in the configuration, and what identifies the account there. */
export interface ProviderIdentity {
  provider: string
  issuer: string
  subject: string
}

/** The user who signs in, as the provider describes them. */
interface ProviderProfile {
  issuer: string
  subject: string
  email?: string | undefined
}

const identityPages = pagesOf(() =>
  own
    .selectFrom('identities')
    .select(columns)
    // The policy already restricts this to the current user; repeated here, so that the index is used.
    .where('user_id', '=', sql<string>`(select user_id from self)`),
)

/** The current user's identities, the newest first. */
export const listIdentities = (page: Page) => identityPages({}, orderOf('-created_at', 'identities'), page)

/**
 * Finds the account of a provider sign-in: the one that the identity is linked to, else the one that has the address.
 * Without an address only the identity is looked up. An address whose change can still be undone does not count as verified:
 * its mailbox may belong to a thief who made the change.
 */
export const findAccount = ({ issuer, subject }: ProviderProfile, email: string | undefined) =>
  find(
    raw(
      query,
      sql<{ user_id: string; identity_id: string | null; email_verified: boolean; is_live: boolean }>`
      select u.id as user_id, known.identity_id, u.email_verified and not ${hasNewAddress(sql`u.id`)} as email_verified, exists (select from live_users where id = u.id) as is_live
      from (select user_id, id as identity_id from identities where issuer = ${issuer} and subject = ${subject}
        union all select id, null from users where email = ${email ?? null}) as known
      join users u on u.id = known.user_id order by known.identity_id nulls last limit 1`,
    ),
  )

/** Records a sign-in and the address that the provider now states; undefined if the identity was unlinked meanwhile. */
export const recordUse = (id: string, user_id: string, email: string | undefined) =>
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
  profile: ProviderProfile
}

/** Links the identity of a new account. @throws Problem identity-taken */
export const insertIdentity = ({ id, email }: { id: string; email: string }, identity: ProviderIdentity) =>
  get(
    query
      .insertInto('identities')
      .values({ ...identity, user_id: id, email, last_used_at: sql<string>`now()` })
      .returning('id'),
    { identities_subject_key: 'identity-taken' },
  )

/** Links by address, only if account and address have not changed since. @throws Problem identity-taken */
export const linkByAddress = ({ user_id, provider, profile: { issuer, subject, email } }: NewIdentity) =>
  statement(
    raw(
      query,
      sql<{ id: string }>`insert into identities (user_id, provider, issuer, subject, email, last_used_at)
      select id, ${provider}, ${issuer}, ${subject}, email, now() from live_users where id = ${user_id} and email = ${email ?? null}
        and email_verified for no key update returning id`,
    ),
    ([row]) => row,
    { identities_subject_key: 'identity-taken' },
  )

/** Links an identity that is not linked yet; undefined if it is. */
export const linkIdentity = ({ user_id, provider, profile: { issuer, subject, email } }: NewIdentity) =>
  find(
    query
      .insertInto('identities')
      .values({ user_id, provider, issuer, subject, email: email ?? null })
      .onConflict(conflict => conflict.constraint('identities_subject_key').doNothing())
      .returning(columns),
  )

/** The identity, if it is linked to that user. */
export const findIdentity = ({ user_id, profile: { issuer, subject } }: NewIdentity) =>
  find(
    query
      .selectFrom('identities')
      .select(columns)
      .where('issuer', '=', issuer)
      .where('subject', '=', subject)
      .where('user_id', '=', user_id),
  )

/** Unlinks one or all identities of a user. @returns their rows, to be kept */
const takeIdentities = (user_id: string, id?: string) =>
  statement(
    raw(
      query,
      sql<{
        row: KeptRow
      }>`delete from identities i where user_id = ${user_id} and id = coalesce(${id ?? null}::uuid, id)
        returning to_jsonb(i) as row`,
    ),
    rows => rows.map(({ row }) => row),
  )

/** Unlinks an identity; the user is notified and can undo it. @throws Problem not-found */
export async function unlinkIdentity(
  transaction: Transaction<'system'>,
  declared: Pick<Declarations, 'secondFactorIds' | 'tokens'>,
  session: SessionRef,
  id: string,
): Promise<void> {
  const [row] = await transaction.run(takeIdentities(session.user_id, id))
  if (row === undefined) throw new Problem('not-found')
  await recordUnlinked(transaction, declared, session, row)
}

/** Unlinks all identities of a user; the user is notified of each and can undo it. */
export async function unlinkIdentities(
  transaction: Transaction<'system'>,
  declared: Pick<Declarations, 'secondFactorIds' | 'tokens'>,
  user_id: string,
): Promise<void> {
  for (const row of await transaction.run(takeIdentities(user_id)))
    await recordUnlinked(transaction, declared, { user_id, session_id: null }, row)
}

const recordUnlinked = async (
  transaction: Transaction<'system'>,
  declared: Pick<Declarations, 'secondFactorIds' | 'tokens'>,
  { user_id, session_id }: { user_id: string; session_id: string | null },
  row: KeptRow,
) => {
  await transaction.run(revokeTokens(user_id, kindsThatEndWith(declared.tokens, 'identity')))
  const change = { trace: { kept: { identities: [row] } }, details: { provider: row['provider'] } }
  return transaction.run(recordChange(declared, identityUnlinked, { user_id, session_id, ...change }))
}
