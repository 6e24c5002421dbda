import { sql } from 'kysely'
import type { Static } from 'typebox'
import { recordEvent } from '../../directory/history/history.ts'
import { revokeSessions } from '../../directory/sessions/sessions.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { execute, find, many, raw, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { kindsThatEndWith, presentedToken, revokeTokens, sealToken } from '../../platform/tokens/one-time-tokens.ts'
import type { OpenToken } from '../../platform/tokens/one-time-tokens.ts'
import { redeemLink, runForLink } from '../accounts/links.ts'
import { findStanding, isChange, undoToken } from '../changes/changes.ts'
import type { ChangeKind, KeptRow, Standing } from '../changes/changes.ts'
import { revokeDevices } from '../devices/devices.ts'
import { deleteRecoveryCodesOf } from '../factors/recovery-codes.ts'
import { fulfil } from '../factors/requirements.ts'
import { settleRight } from '../lockout/attempts.ts'
import type { AuthenticationOptions } from '../passkeys/messages.ts'
import { listCredentials } from '../passkeys/passkeys.ts'
import { challengePasskey } from '../passkeys/passkey-sign-in.ts'
import { withFactor } from '../proofs/factor.ts'
import type { FactorAnswer, VerifiedFactor } from '../proofs/factor.ts'
import { resetPasswordToken } from '../recovery/recovery.ts'
import type { UndoableChange } from './messages.ts'

const query = tables('system', 'users', 'one_time_tokens')

/** The user is notified of the undo as well, because a stranger may be reading the mailbox. */
export const changeUndone = eventKind('change-undone', { mailed: true })
/** A wrong second factor for undoing a change. */
export const undoFailed = eventKind('undo-failed')

type Details = Static<typeof undoToken.details>

/** A change that can be undone, and the second factors that can authorize it. */
interface Offer {
  id: string
  user_id: string
  kind: ChangeKind
  changed_at: string
  expires_at: string
  protectors: readonly string[]
  standing: Standing
}

/** Whether a second factor is required. */
export const isProtected = ({ standing: { ids, kept } }: { standing: Pick<Standing, 'ids' | 'kept'> }): boolean =>
  ids.length + kept.length > 0

/** Whether a passkey can authorize undoing the change. */
export async function acceptsPasskey(visitor: SystemRunner, { user_id, standing }: Offer): Promise<boolean> {
  if (standing.kept.some(({ table }) => table === 'passkeys')) return true
  return standing.ids.length > 0 && (await runForLink(visitor, listCredentials(user_id, standing.ids))).length > 0
}

/** The changes that tokens of one user undo, in one round trip. @throws Problem invalid-token */
async function offersOf(
  visitor: SystemRunner,
  { declared }: Pick<Services, 'declared'>,
  tokens: readonly OpenToken<Details>[],
): Promise<Offer[]> {
  const user_id = tokens[0]?.user_id
  if (user_id === undefined) return []
  if (user_id === null) throw new Problem('invalid-token')
  const asked = tokens.flatMap(({ details }) => details.protectors)
  const { ids, kept } = await runForLink(visitor, findStanding(declared, user_id, asked))
  return tokens.map(({ id, created_at: changed_at, expires_at, details: { change, protectors } }) => {
    const kind = declared.events.get(change)
    if (!isChange(kind)) throw new Problem('invalid-token')
    const counts = (factor: string): boolean => protectors.includes(factor)
    const standing = { ids: ids.filter(counts), kept: kept.filter(factor => counts(factor.id)), changed_at }
    return { id, user_id, kind, changed_at, expires_at, protectors, standing }
  })
}

/** The change that a token undoes. @throws Problem invalid-token */
export async function offerOf(
  visitor: SystemRunner,
  services: Pick<Services, 'declared'>,
  token: OpenToken<Details>,
): Promise<Offer> {
  const [offer] = await offersOf(visitor, services, [token])
  if (offer === undefined) throw new Problem('invalid-token')
  return offer
}

/** The change that a link undoes; reading it does not spend the token. @throws Problem invalid-token */
const findOffer = async (
  visitor: SystemRunner,
  services: Pick<Services, 'declared' | 'keys'>,
  token: string,
): Promise<Offer> => offerOf(visitor, services, await presentedToken(visitor, services.keys.oneTime, undoToken, token))

/** The change that the link undoes, as the API describes it. @throws Problem invalid-token */
export const describeChange = async (
  visitor: SystemRunner,
  services: Pick<Services, 'declared' | 'keys'>,
  token: string,
): Promise<UndoableChange> => describe(services, await findOffer(visitor, services, token))

const describe = ({ keys }: Pick<Services, 'keys'>, offer: Offer): UndoableChange => ({
  token: sealToken(keys.oneTime, undoToken, offer.id),
  change: offer.kind.type,
  changed_at: offer.changed_at,
  expires_at: offer.expires_at,
  asks_second_factor: isProtected(offer),
})

/**
 * A challenge for the passkeys that can authorize undoing a change. @throws Problem invalid-token, passkeys-unavailable
 */
export async function challengeUndo(
  visitor: SystemRunner,
  services: Pick<Services, 'declared' | 'keys' | 'relyingParty'>,
  token: string,
): Promise<AuthenticationOptions> {
  const { user_id, standing } = await findOffer(visitor, services, token)
  return challengePasskey(visitor, services, { user_id, among: standing })
}

/**
 * Undoes exactly the change of the link, once, and revokes all sessions and devices; creates no session and restores no
 * password. It works for a deleted account too, until that is erased. If the account had another second factor before the
 * change, it is required.
 * @throws Problem invalid-token, invalid-code, invalid-passkey, email-taken, totp-enrolled; invalid-fields where the factor is
 * missing; rate-limited, busy
 */
export async function undoChange(
  visitor: SystemRunner,
  services: Pick<Services, 'declared' | 'factorVerifiers' | 'keys'>,
  token: string,
  proof: FactorAnswer | undefined,
): Promise<void> {
  const offer = await findOffer(visitor, services, token)
  const { id, user_id, kind, changed_at, protectors, standing } = offer
  const known = visitor.with({ user_id })
  const work = (verified?: VerifiedFactor) =>
    redeemLink(
      known,
      undoToken,
      { id, user_id },
      async (transaction, { details }) => {
        await takeBack(transaction, services, { kind, user_id, changed_at, details, id })
        if (verified?.guess !== undefined) await transaction.run(settleRight(verified.guess))
      },
      {
        first: async transaction => {
          if (verified === undefined) {
            const now = await transaction.run(findStanding(services.declared, user_id, protectors))
            if (isProtected({ standing: now })) throw missingFactor()
          } else await transaction.run(fulfil(verified.requirement))
        },
      },
    )
  if (!isProtected(offer)) return work()
  if (proof === undefined) throw missingFactor()
  const claim = { user_id, session_id: null, answer: proof, failed: undoFailed, among: standing }
  return withFactor(known, services, claim, work)
}

const missingFactor = (): Problem =>
  invalidField(
    '/proof',
    'must be a second factor that the account had before the change: give one of code, recovery_code, passkey',
  )

interface Undone {
  id: string
  user_id: string
  kind: ChangeKind
  changed_at: string
  details: Details
}

async function takeBack(
  transaction: Transaction<'system'>,
  services: Pick<Services, 'declared'>,
  { id, user_id, kind, changed_at, details: trace }: Undone,
): Promise<void> {
  const user = await transaction.run(
    find(query.selectFrom('users').select('id').where('id', '=', user_id).where('erased_at', 'is', null)),
  )
  if (user === undefined) throw new Problem('invalid-token')
  await transaction.run(revokeSessions(user_id, 'change-undone'))
  await transaction.run(revokeDevices(user_id, null))
  // The tokens that revoked sessions have issued; a reset is not among them, because the mailbox requests it.
  const ending = kindsThatEndWith(services.declared.tokens, 'password').filter(other => other !== resetPasswordToken)
  await transaction.run(revokeTokens(user_id, ending))
  await kind.change.undo(transaction, { user_id, trace, changed_at }, services)
  for (const [table, rows] of Object.entries(trace.kept ?? {})) await transaction.run(restoreRows(table, rows))
  await transaction.run(deleteRecoveryCodesOf(user_id, changed_at))
  await transaction.run(forgetAdded(user_id, trace.added, changed_at))
  await transaction.run(forgetTrace(id))
  await transaction.run(recordEvent(changeUndone, user_id, null, { change: kind.type }))
}

/**
 * Restores kept rows unchanged. A row that conflicts with a new one, such as an identity linked elsewhere, is skipped.
 */
function restoreRows(table: string, rows: readonly KeptRow[]) {
  const columns = sql.join(
    Object.keys(rows[0] ?? {})
      .sort()
      .map(name => sql.ref(name)),
  )
  return execute(
    raw(
      query,
      sql`insert into ${sql.table(table)} (${columns}) select ${columns}
        from jsonb_populate_recordset(null::${sql.table(table)}, ${JSON.stringify(rows)}::jsonb) on conflict do nothing`,
    ),
  )
}

/**
 * If the added row was removed meanwhile, no other link may restore it: the link of the removal is spent, and no link keeps
 * recovery codes that were made together with the change.
 */
const forgetAdded = (user_id: string, added: string | undefined, changed_at: string) =>
  execute(
    raw(
      query,
      sql`update one_time_tokens t set used_at = case when found.is_removal then now() end,
        details = t.details - 'kept' || case when found.is_removal then '{}' else found.rest end
        from (select id, jsonb_path_exists(details, '$.kept.*[*].id ? (@ == $added)', jsonb_build_object('added', ${added ?? null}::text)) as is_removal,
          coalesce((select jsonb_build_object('kept', jsonb_object_agg(others.key, others.rows)) from (
            select places.key, jsonb_agg(kept.value) as rows
            from jsonb_each(details -> 'kept') places cross join jsonb_array_elements(places.value) kept
            where (kept.value ->> 'created_at')::timestamptz is distinct from ${changed_at}::timestamptz group by places.key) others
            having count(*) > 0), '{}') as rest
          from one_time_tokens
          where user_id = ${user_id} and purpose = ${undoToken.purpose} and used_at is null and details ? 'kept') found
        where t.id = found.id`,
    ),
  )

/** Deletes the kept copies of what was restored: the rows and the address. */
const forgetTrace = (id: string) =>
  execute(raw(query, sql`update one_time_tokens set details = details - 'kept' - 'former' where id = ${id}`))

/** The recent changes that a mailbox may undo: those whose notice was sent to this address. The newest comes first. */
export async function listChanges(
  visitor: SystemRunner,
  services: Pick<Services, 'declared' | 'keys'>,
  email: string,
): Promise<UndoableChange[]> {
  const tokens = await runForLink(
    visitor,
    many(
      raw(
        query,
        sql<
          OpenToken<Details>
        >`select t.id, t.user_id, t.email, t.details, t.created_at, t.expires_at from one_time_tokens t
          join live_users u on u.id = t.user_id and u.email = t.email
          where t.email = ${email} and t.purpose = ${undoToken.purpose} and t.used_at is null and t.expires_at > now()
          order by t.created_at desc, t.id desc limit 100`,
      ),
    ),
  )
  return (await offersOf(visitor, services, tokens)).map(offer => describe(services, offer))
}

/** The changes that the holder of a reset link may undo; reading them spends no token. @throws Problem invalid-token */
export async function listChangesByReset(
  visitor: SystemRunner,
  services: Pick<Services, 'declared' | 'keys'>,
  token: string,
): Promise<UndoableChange[]> {
  const { email, user_id } = await presentedToken(visitor, services.keys.oneTime, resetPasswordToken, token)
  return email === null || user_id === null ? [] : listChanges(visitor, services, email)
}
