import { sql } from 'kysely'
import type { Transaction } from '../../platform/database/database.ts'
import { execute, find, get, many, raw, tables } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import type { Addressee, Draft, MailedToken } from '../../platform/mail/mails.ts'
import { findAddressee, findAddresseeByEmail } from './addressees.ts'

const query = tables('system', 'one_time_tokens')

/**
 * Emails per hour of one purpose to one address (or, without an address, to one user): by one sender, and by all
 * senders.
 */
const MAX_OF_SENDER = 5
const MAX_OF_ALL = 20

export interface Links {
  /** Signs one-time tokens, and keys the digests of the addresses of erased accounts. */
  key: Buffer
  /** The page that uses a token of this purpose. */
  of(purpose: string, id: string): string
  /** The page that requests a password reset. */
  reset: string
}

/** The means to compose the email of a token, in one transaction. */
interface Tools {
  transaction: Transaction<'system'>
  declared: Pick<Declarations, 'tokenMails'>
  links: Links
}

type Token = MailedToken & { purpose: string; sender: string | null }

const spendable = query
  .selectFrom('one_time_tokens')
  .select(['id', 'purpose', 'user_id', 'email', 'created_at', 'expires_at', 'sender'])
  .select(eb => eb.ref('details').$castTo<MailedToken['details']>().as('details'))
  .where('used_at', 'is', null)
  .where('expires_at', '>', sql<string>`now()`)

/**
 * Composes the email of a token from the current state: the owner of the address, and whether the email is still
 * needed. Records the owner if only the address was known, and the time of sending. Undefined: no email is to be sent.
 */
export async function draftOfToken(tools: Tools, id: string): Promise<Draft | undefined> {
  const token = await tools.transaction.run(find(spendable.where('id', '=', id).forNoKeyUpdate()))
  if (token === undefined) return undefined
  const draft = await decide(tools, token.purpose, token, await findOwner(tools, token))
  if (draft === undefined || !(await claim(tools, token, draft.owner_id ?? token.user_id))) return undefined
  const wished = token.details['locale']
  return { locale: typeof wished === 'string' ? wished : undefined, ...draft }
}

async function findOwner({ transaction }: Tools, { user_id, email }: Token): Promise<Addressee | undefined> {
  if (user_id !== null) return transaction.run(findAddressee(user_id))
  return email === null ? undefined : transaction.run(findAddresseeByEmail(email))
}

/** The feature that declares the purpose decides. */
async function decide(
  tools: Tools,
  purpose: string,
  token: MailedToken,
  user: Addressee | undefined,
): Promise<Draft | undefined> {
  const { transaction, declared, links } = tools
  return declared.tokenMails[purpose]?.({
    token,
    user,
    link: links.of(purpose, token.id),
    values: { when: new Date(token.created_at), expires: new Date(token.expires_at) },
    key: links.key,
    resetLink: links.reset,
    run: statement => transaction.run(statement),
    findUserByEmail: email => transaction.run(findAddresseeByEmail(email)),
    listTokens: (email, other) =>
      transaction.run(
        many(spendable.where('email', '=', email).where('purpose', '=', other).orderBy('id', 'desc').limit(2)),
      ),
    decideFor: (other, itsPurpose) => decide(tools, itsPurpose, other, user),
  })
}

/**
 * Counts this email in the quotas for its purpose and address. Over the quota of the sender, an email is skipped if the sender
 * already has a working link; over the quota of all senders, if anyone has one: so no one waits for an email without a link.
 * Locks the count after the row of the token, as whatever replaces a link does.
 */
async function claim(
  { transaction }: Tools,
  { id, purpose, email, user_id, sender }: Token,
  owner_id: string | null,
): Promise<boolean> {
  const addressee = email ?? user_id ?? id
  // One at a time, so that each sees the emails before it.
  await transaction.run(execute(raw(query, sql`select lock_mails(${purpose}, ${addressee})`)))
  const isOwn = sql<boolean>`sender is not distinct from ${sender}::text`
  const isOfThisHour = sql<boolean>`(details ->> 'mailed_at')::timestamptz > now() - interval '1 hour'`
  const isOut = sql<boolean>`used_at is null and expires_at > now()`
  const { sent, sent_by_sender, is_own_out, is_any_out } = await transaction.run(
    get(
      query
        .selectFrom('one_time_tokens')
        .select([
          sql<number>`(count(*) filter (where ${isOfThisHour}))::int`.as('sent'),
          sql<number>`(count(*) filter (where ${isOfThisHour} and ${isOwn}))::int`.as('sent_by_sender'),
          sql<boolean>`coalesce(bool_or(${isOwn} and ${isOut}), false)`.as('is_own_out'),
          sql<boolean>`coalesce(bool_or(${isOut}), false)`.as('is_any_out'),
        ])
        .where('purpose', '=', purpose)
        .where('id', '<>', id)
        .where(sql<boolean>`details ? 'mailed_at'`)
        .where(eb => (email === null ? eb('user_id', '=', user_id) : eb('email', '=', email))),
    ),
  )
  if ((is_own_out && sent_by_sender >= MAX_OF_SENDER) || (is_any_out && sent >= MAX_OF_ALL)) return false
  await transaction.run(
    execute(
      raw(
        query,
        sql`update one_time_tokens set user_id = ${owner_id}::uuid, details = jsonb_build_object('mailed_at', now()) || details
          where id = ${id}`,
      ),
    ),
  )
  return true
}
