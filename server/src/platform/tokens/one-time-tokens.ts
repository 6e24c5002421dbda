import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import type { Static, TSchema } from 'typebox'
import { deriveKey, openId, signId } from '../crypto/sealing.ts'
import type { SystemRunner } from '../database/database.ts'
import { execute, find, raw, statement, tables } from '../database/statement.ts'
import type { Statement } from '../database/statement.ts'
import { Problem } from '../problems.ts'
import { matches } from '../validator.ts'

const query = tables('system', 'one_time_tokens')

/** The purpose of a token. A token of one purpose is not valid for another. */
export interface TokenKind<Details extends TSchema = TSchema> {
  /** Used in links, and in `one_time_tokens.purpose`. */
  purpose: string
  /** How long it is valid. Seconds. */
  seconds: number
  /** The schema of its details, which are never shown. */
  details: Details
  /** Whether a new password revokes it, because someone with the former one may have requested it. */
  endsWithPassword?: boolean
  /** Whether a new email address of the account revokes it. */
  endsWithAddress?: boolean
  /** Whether it ends when an identity is unlinked from its account: a sign-in that the identity may have begun. */
  endsWithIdentity?: boolean
  /** Whether it stays good when its account is deleted, until the account is erased. */
  survivesDeletion?: boolean
  /** Whether it is replaced, and mailed anew, when its account gets a former address back. */
  followsAddress?: boolean
}

const endings = {
  password: kind => kind.endsWithPassword === true,
  address: kind => kind.endsWithAddress === true,
  identity: kind => kind.endsWithIdentity === true,
  account: kind => kind.survivesDeletion !== true,
} satisfies Record<string, (kind: TokenKind) => boolean>

/** The kinds that end with the password, the address, an identity or the account itself, of all that the features declare. */
export const kindsThatEndWith = (
  tokens: ReadonlyMap<string, TokenKind>,
  what: keyof typeof endings,
): readonly TokenKind[] => [...tokens.values()].filter(endings[what])

/** Declares a kind of token. The feature's value lists it, for code that handles all tokens. */
export const tokenKind = <Details extends TSchema>(kind: TokenKind<Details>): TokenKind<Details> => Object.freeze(kind)

export interface NewToken<Details extends TSchema> {
  user_id?: string | undefined
  email?: string | undefined
  details: Static<Details>
  /** Shorter or longer than usual. Seconds. */
  seconds?: number | undefined
  /** Whether it is sent by email to `email`, or to the user; the same statement enqueues the job. */
  mailed?: boolean
}

/** The row of a new token, as SQL for a statement that does more. */
export const insertToken = <Details extends TSchema>(
  kind: TokenKind<Details>,
  { user_id, email, details, seconds }: Omit<NewToken<Details>, 'mailed'>,
  mailed = false,
): RawBuilder<{ id: string }> =>
  sql<{ id: string }>`insert into one_time_tokens (purpose, user_id, email, details, expires_at, sender)
    values (${kind.purpose}, ${user_id ?? null}::uuid, ${email?.toLowerCase() ?? null}::text, ${JSON.stringify(details)}::jsonb,
      now() + make_interval(secs => ${seconds ?? kind.seconds}), ${mailed ? sql`mail_sender()` : sql`null`}) returning id`

/** Five emails of a purpose to an address within an hour, for each signed-in sender and for each organization. */
const mailQuota = { one_time_tokens_mail_quota: { code: 'rate-limited', retryAfter: 3600 } } as const

/** Creates a one-time token. @returns its id, from which sealToken makes the token @throws Problem rate-limited */
export function issueToken<Details extends TSchema>(
  kind: TokenKind<Details>,
  { mailed, ...token }: NewToken<Details>,
): Statement<'system', string> {
  const row = insertToken(kind, token, mailed)
  const made = mailed
    ? sql<{ id: string }>`with made as (${row})
          select id, enqueue_job('mail', jsonb_build_object('token_id', id)) as job_id from made`
    : row
  return statement(raw(query, made), ([token]) => (token as { id: string }).id, mailQuota)
}

/** The key that signs one-time tokens, derived from SECRET_KEY. */
export const tokenKeyOf = (secretKey: string): Buffer => deriveKey(secretKey, 'one-time tokens')

/** The token that is sent to the client. */
export const sealToken = (key: Buffer, { purpose }: { purpose: string }, id: string): string => signId(key, purpose, id)

/** The id of a token that we made for this purpose. @throws Problem invalid-token */
export function openToken(key: Buffer, { purpose }: { purpose: string }, token: string): string {
  const id = openId(key, purpose, token)
  if (id === undefined) throw new Problem('invalid-token')
  return id
}

const columns = ['id', 'purpose', 'user_id', 'email', 'details', 'created_at', 'expires_at'] as const

/** A token that can be used, with its details. */
export interface OpenToken<Details> {
  id: string
  user_id: string | null
  email: string | null
  created_at: string
  expires_at: string
  details: Details
}

/** @throws Error if the row's details are not as declared, which is our own fault */
function readToken<Details extends TSchema>(
  { purpose, details }: TokenKind<Details>,
  row: Omit<OpenToken<unknown>, 'details'> & { details: unknown },
): OpenToken<Static<Details>> {
  if (!matches(details, row.details)) throw new Error(`a ${purpose} token has details that are not as declared`)
  return row as OpenToken<Static<Details>>
}

/** The token, if it can be used; does not use it. */
const findToken = <Details extends TSchema>(kind: TokenKind<Details>, id: string) =>
  statement(
    query
      .selectFrom('one_time_tokens')
      .select(columns)
      .where('id', '=', id)
      .where('purpose', '=', kind.purpose)
      .where('used_at', 'is', null)
      .where('expires_at', '>', sql<string>`now()`),
    ([row]) => (row === undefined ? undefined : readToken(kind, row)),
  )

const run = <Result>(system: SystemRunner, one: Statement<'system', Result>): Promise<Result> =>
  // system: the user is not known yet, and the request must not learn whose address it is or whether an email is sent
  system.run(one)

/** The details of a token that may be used up or expired, until it is swept; it cannot be used. */
export async function recallToken<Details extends TSchema>(
  system: SystemRunner,
  key: Buffer,
  kind: TokenKind<Details>,
  token: string,
): Promise<Static<Details> | undefined> {
  const id = openId(key, kind.purpose, token)
  if (id === undefined) return undefined
  const former = statement(
    query.selectFrom('one_time_tokens').select(columns).where('id', '=', id).where('purpose', '=', kind.purpose),
    ([row]) => (row === undefined ? undefined : readToken(kind, row).details),
  )
  return run(system, former)
}

/** The token that a client presents, if it can be used; does not use it. @throws Problem invalid-token */
export async function presentedToken<Details extends TSchema>(
  system: SystemRunner,
  key: Buffer,
  kind: TokenKind<Details>,
  token: string,
): Promise<OpenToken<Static<Details>>> {
  const found = await run(system, findToken(kind, openToken(key, kind, token)))
  if (found === undefined) throw new Problem('invalid-token')
  return found
}

/** Why a token cannot be used; `unknown`: we did not make it for this purpose. */
export type Unusable = 'unknown' | 'used' | 'expired'

/**
 * Why a token that was refused cannot be used. Only for a person who holds the link: a program is told nothing but that
 * it cannot be used. `used` is also a token that was revoked or replaced.
 */
export async function whyUnusable(
  system: SystemRunner,
  key: Buffer,
  { purpose }: { purpose: string },
  token: string,
): Promise<Unusable> {
  const id = openId(key, purpose, token)
  if (id === undefined) return 'unknown'
  const isUsed = statement(
    query.selectFrom('one_time_tokens').select('used_at').where('id', '=', id).where('purpose', '=', purpose),
    ([row]) => row !== undefined && row.used_at !== null,
  )
  // Expired tokens are swept after a while.
  return (await run(system, isUsed)) ? 'used' : 'expired'
}

/** Creates a token in its own round trip. @returns its id */
export const startToken = <Details extends TSchema>(
  system: SystemRunner,
  kind: TokenKind<Details>,
  token: NewToken<Details>,
): Promise<string> => run(system, issueToken(kind, token))

/** Creates a token to be sent by email; the job that sends it looks up whether the address has an account. */
export const mailToken = <Details extends TSchema>(
  system: SystemRunner,
  kind: TokenKind<Details>,
  token: Omit<NewToken<Details>, 'mailed'>,
): Promise<string> => startToken(system, kind, { ...token, mailed: true })

/** Uses the token; of two concurrent attempts, one succeeds. @throws Problem invalid-token if it is used or expired */
export const spendToken = <Details extends TSchema>(kind: TokenKind<Details>, id: string) =>
  statement(
    query
      .updateTable('one_time_tokens')
      .set({ used_at: sql<string>`now()` })
      .where('id', '=', id)
      .where('purpose', '=', kind.purpose)
      .where('used_at', 'is', null)
      .where('expires_at', '>', sql<string>`now()`)
      .returning(columns),
    ([row]) => {
      if (row === undefined) throw new Problem('invalid-token')
      return readToken(kind, row)
    },
  )

/** Uses the token in its own round trip. @throws Problem invalid-token if it is used or expired */
export const endToken = (system: SystemRunner, kind: TokenKind, id: string): Promise<unknown> =>
  run(system, spendToken(kind, id))

/** Uses the token, as SQL for a statement that does more: returns no row if it is used or expired. */
export const spendingToken = ({ purpose }: { purpose: string }, id: string): RawBuilder<{ id: string }> =>
  sql<{ id: string }>`update one_time_tokens set used_at = now()
    where id = ${id} and purpose = ${purpose} and used_at is null and expires_at > now() returning id`

/** Revokes the unspent tokens of a user that have these purposes. */
export const revokeTokens = (user_id: string, kinds: readonly { purpose: string }[]) =>
  execute(
    query
      .updateTable('one_time_tokens')
      .set({ used_at: sql<string>`now()` })
      .where('user_id', '=', user_id)
      .where('purpose', '=', sql<string>`any (${kinds.map(({ purpose }) => purpose)})`)
      .where('used_at', 'is', null),
  )

/** Replaces the unspent tokens of a user that follow the address, whose links have gone to another mailbox: a mail takes each new one. */
export const reissueTokens = (tokens: ReadonlyMap<string, TokenKind>, user_id: string) => {
  const purposes = [...tokens.values()].filter(kind => kind.followsAddress === true).map(({ purpose }) => purpose)
  return execute(
    raw(
      query,
      sql`with former as (update one_time_tokens set used_at = now()
          where user_id = ${user_id} and purpose = any (${purposes}) and used_at is null and expires_at > now() returning *),
        made as (insert into one_time_tokens (purpose, user_id, email, details, created_at, expires_at, sender)
          select purpose, user_id, email, details - 'mailed_at', created_at, expires_at, mail_sender() from former returning id)
        select enqueue_job('mail', jsonb_build_object('token_id', id)) from made`,
    ),
  )
}

/** Revokes the unused tokens that were sent to an address for these purposes. */
export const revokeMailedTokens = (email: string, kinds: readonly { purpose: string }[]) =>
  execute(
    query
      .updateTable('one_time_tokens')
      .set({ used_at: sql<string>`now()` })
      .where('email', '=', email)
      .where('purpose', '=', sql<string>`any (${kinds.map(({ purpose }) => purpose)})`)
      .where('used_at', 'is', null),
  )

/** Stores the result of a token with it, such as the session that it started. */
export const noteOnToken = (id: string, note: Readonly<Record<string, string>>) =>
  find(
    raw(
      query,
      sql`update one_time_tokens set details = details || ${JSON.stringify(note)}::jsonb where id = ${id} returning id`,
    ),
  )
