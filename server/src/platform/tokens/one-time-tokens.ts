import { sql } from 'kysely'
import { Problem } from '../problems.ts'
import { deriveKey, openId, sealId } from '../crypto/sealing.ts'
import { find, get, query, raw, statement } from '../database/statement.ts'
import type { Statement } from '../database/statement.ts'

/** What a token is good for, and how long; seconds. A token of one purpose is none of another. */
export const tokenLives = {
  'verify-email': 86400,
  'sign-up': 86400,
  'reset-password': 1800,
  'change-email': 86400,
  unlock: 86400,
  'restore-account': 90 * 86400,
  invitation: 7 * 86400,
  mfa: 300,
  'passkey-registration': 300,
  'passkey-authentication': 300,
  social: 600,
  'social-code': 60,
} as const

export type TokenPurpose = keyof typeof tokenLives

export interface NewToken {
  purpose: TokenPurpose
  user_id?: string | undefined
  email?: string | undefined
  /** What it stands for. Never shown. */
  details?: Readonly<Record<string, unknown>> | undefined
  /** Shorter or longer than usual. Seconds. */
  seconds?: number | undefined
  /** Whether a mail takes it to `email`, or to the person: the job is enqueued by the same statement. */
  mailed?: boolean
}

/** Makes a one-time token (system login). @returns its id, which sealToken turns into what travels */
export function issueToken({ purpose, user_id, email, details = {}, seconds, mailed }: NewToken): Statement<string> {
  const row = sql<{ id: string }>`insert into one_time_tokens (purpose, user_id, email, details, expires_at)
    values (${purpose}, ${user_id ?? null}::uuid, ${email?.toLowerCase() ?? null}::text, ${JSON.stringify(details)}::jsonb,
      now() + make_interval(secs => ${seconds ?? tokenLives[purpose]})) returning id`
  const made = raw<{ id: string }>(
    mailed
      ? sql<{ id: string }>`with made as (${row})
          select id, enqueue_job('mail', jsonb_build_object('token_id', id)) as job_id from made`
      : row,
  )
  return statement(made, ([token]) => (token as { id: string }).id)
}

/** What seals one-time tokens, derived from SECRET_KEY. */
export const tokenKeyOf = (secretKey: string): Buffer => deriveKey(secretKey, 'one-time tokens')

/** The token that travels. */
export const sealToken = (key: Buffer, purpose: TokenPurpose, id: string): string => sealId(key, purpose, id)

/** The id of a token that we made for this purpose. @throws Problem invalid-token */
export function openToken(key: Buffer, purpose: TokenPurpose, token: string): string {
  const id = openId(key, purpose, token)
  if (id === undefined) throw new Problem('invalid-token')
  return id
}

const columns = ['id', 'purpose', 'user_id', 'email', 'details', 'created_at', 'expires_at'] as const

/** The token, while it can be spent (system login); looking changes nothing. */
export const findToken = (purpose: TokenPurpose, id: string) =>
  find(
    query
      .selectFrom('one_time_tokens')
      .select(columns)
      .where('id', '=', id)
      .where('purpose', '=', purpose)
      .where('used_at', 'is', null)
      .where('expires_at', '>', sql<string>`now()`),
  )

/** Spends the token (system login): of two at once, one succeeds. @throws Problem invalid-token when it is used or has expired */
export const spendToken = (purpose: TokenPurpose, id: string) =>
  statement(
    query
      .updateTable('one_time_tokens')
      .set({ used_at: sql<string>`now()` })
      .where('id', '=', id)
      .where('purpose', '=', purpose)
      .where('used_at', 'is', null)
      .where('expires_at', '>', sql<string>`now()`)
      .returning(columns),
    ([row]) => {
      if (row === undefined) throw new Problem('invalid-token')
      return row
    },
  )

/** Ends all unspent tokens of a person for these purposes (system login), as when their reason has gone. */
export const revokeTokens = (user_id: string, purposes: readonly TokenPurpose[]) =>
  get(
    raw<{ revoked: number }>(sql`with revoked as (update one_time_tokens set used_at = now()
      where user_id = ${user_id} and purpose = any (${[...purposes]}) and used_at is null returning 1)
      select count(*)::int as revoked from revoked`),
  )
