import { sql } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import { entitlementsOf } from '../../directory/limits/limits.ts'
import { chooseOrganization } from '../../directory/organizations/organizations.ts'
import type { ChosenOrganization } from '../../directory/organizations/organizations.ts'
import { authTime, revokeSession, sessionExpiry } from '../../directory/sessions/sessions.ts'
import { preferredOrganizations, userColumns } from '../../directory/users/users.ts'
import type { User } from '../../directory/users/users.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { execute, raw, statement, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { isProblem, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { openRefreshToken } from './refresh-token.ts'
import type { RefreshToken } from './refresh-token.ts'
import type { SignedIn, SignInRules } from './sign-in.ts'
import { admitTo, countPlaces, foundIn, rememberChoice } from './steps.ts'
import type { Account, ChosenPlace, Nulls, PlaceCounts } from './steps.ts'

const query = tables('system', 'sessions', 'live_users')

export const refreshTokenReused = eventKind('refresh-token-reused', { mailed: true })

/** How long a rotated generation is still accepted, even if its successor was used; in seconds. */
const GRACE_SECONDS = 10

/**
 * Rotates a refresh token. Generation n gives n+1; n again, within ten seconds or before n+1 is first used, gives the
 * same n+1, so two tabs, a retry or a lost response neither sign the user out nor fork the session. Anything older is a
 * replay, which revokes the session. Revocation takes the same row lock.
 * @throws Problem invalid-refresh-token, email-unverified; invalid-fields when the organization asked for is not the
 * user's
 */
export async function refresh(
  visitor: SystemRunner,
  { keys, signInRules }: Pick<Services, 'keys' | 'signInRules'>,
  token: string,
  organization_id: string | undefined,
): Promise<SignedIn> {
  const presented = openRefreshToken(keys.refresh, token)
  if (presented === undefined) throw new Problem('invalid-refresh-token')
  // system: the client has only the refresh token, which may belong to an expired or revoked session
  const refreshed = await visitor.transaction(transaction =>
    rotate(transaction, presented, organization_id, signInRules),
  )
  if (refreshed === undefined) throw new Problem('invalid-refresh-token')
  return refreshed
}

/** Undefined when refused, so that the record of the refusal is committed. */
async function rotate(
  transaction: Transaction<'system'>,
  presented: RefreshToken,
  asked: string | undefined,
  rules: SignInRules,
): Promise<SignedIn | undefined> {
  const found = await transaction.run(lockSession(presented))
  if (found === undefined || presented.generation > found.session.generation) return undefined
  const { user, session } = found
  const age = session.generation - presented.generation
  if (age > 1 && session.handed_on_recently !== true) {
    await transaction.run(revokeSession(session.id, 'refresh-token-reused'))
    await transaction.run(
      recordEvent(refreshTokenReused, user.id, session.id, {
        generation: presented.generation,
        current: session.generation,
      }),
    )
    return undefined
  }
  const { choice, counts } = await transaction.run(choosePlace(found, asked))
  const organization = admitTo(rules, user, asked, choice)
  const isChosen = organization !== undefined && (asked !== undefined || organization.id !== session.organization_id)
  if (age === 0 || isChosen)
    await transaction.finish(handOn(found, isChosen ? organization : undefined, age === 0 ? rules : undefined))
  return {
    outcome: 'signed-in',
    user,
    organization,
    counts,
    session: { id: session.id, generation: presented.generation + 1, auth_time: session.auth_time },
  }
}

/** The organization of the refresh, and the numbers of the user's organizations and invitations. */
const choosePlace = ({ user, hints, session }: LockedSession, asked: string | undefined) =>
  statement(
    raw(
      query,
      sql<
        PlaceCounts & Nulls<ChosenPlace>
      >`select ${countPlaces(user.id)}, organization.*, ${entitlementsOf(sql`organization.id`)} as entitlements
        from (select) as one
        left join lateral (${chooseOrganization(user.id, asked, preferredOrganizations(hints), session.organization_id)}) as organization on true`,
    ),
    ([row]) => {
      const { organization_count, invitation_count, ...organization } = row as NonNullable<typeof row>
      return { choice: foundIn(organization), counts: { organization_count, invitation_count } }
    },
  )

interface LockedSession extends Pick<Account, 'user' | 'hints'> {
  session: {
    id: string
    organization_id: string | null
    generation: number
    auth_time: number
    handed_on_recently: boolean | null
  }
}

/** The live session and its account, locked against revocation and other refreshes until the transaction ends. */
const lockSession = ({ session_id, generation }: RefreshToken) =>
  statement(
    query
      // The account before the session, as in every transaction that changes both.
      .with('person', users =>
        users
          .selectFrom('live_users')
          .select([...userColumns, 'last_organization_id', 'unopened_organization_ids'])
          .$narrowType<Pick<User, 'locale'>>()
          .where('id', '=', owner => owner.selectFrom('sessions').select('user_id').where('id', '=', session_id))
          .forNoKeyUpdate(),
      )
      .selectFrom('sessions')
      .innerJoin('person', 'person.id', 'sessions.user_id')
      .selectAll('person')
      .select(['sessions.id as session_id', 'sessions.organization_id', 'sessions.generation'])
      .select(authTime)
      // rotated_at holds the times of the latest rotations: the last is that of the generation before the current one.
      .select(
        sql<
          boolean | null
        >`sessions.rotated_at[cardinality(sessions.rotated_at) - (sessions.generation - ${generation}::int) + 1]
          > clock_timestamp() - make_interval(secs => ${GRACE_SECONDS})`.as('handed_on_recently'),
      )
      .where('sessions.id', '=', session_id)
      .where('sessions.revoked_at', 'is', null)
      .where('sessions.expires_at', '>', sql<string>`now()`)
      .forUpdate('sessions'),
    ([row]): LockedSession | undefined => {
      if (row === undefined) return undefined
      const { session_id: id, organization_id, generation, auth_time, handed_on_recently, ...account } = row
      const { last_organization_id, unopened_organization_ids, ...user } = account
      const session = { id, organization_id, generation, auth_time, handed_on_recently }
      return { user, hints: { last_organization_id, unopened_organization_ids }, session }
    },
  )

/** Rotates the session to its next generation, unless that is already done, and stores the chosen organization. */
function handOn(
  { user, hints, session: { id, organization_id } }: LockedSession,
  chosen: ChosenOrganization | undefined,
  rules: SignInRules | undefined,
) {
  // Only the rotation times that can still matter.
  const next = sql`generation = generation + 1, last_seen_at = now(),
    rotated_at = array(select moment from unnest(rotated_at) moment where moment > clock_timestamp() - interval '1 minute') || clock_timestamp(),
    expires_at = ${sessionExpiry(rules?.idleSeconds ?? 0, sql<string>`created_at`)},`
  return execute(
    raw(
      query,
      sql`with handed as (update sessions set ${rules === undefined ? sql`` : next} organization_id = ${chosen?.id ?? organization_id}
        where id = ${id} returning id)${rememberChoice(user.id, hints, chosen)}
        select id from handed`,
    ),
  )
}

/** Revokes the session of a refresh token, if it is still live. @throws Problem invalid-refresh-token */
export async function logOutByToken(
  visitor: SystemRunner,
  { keys }: Pick<Services, 'keys'>,
  token: string,
): Promise<void> {
  const presented = openRefreshToken(keys.refresh, token)
  if (presented === undefined) throw new Problem('invalid-refresh-token')
  // system: the access token has expired, and the refresh token names the session
  await visitor.run(revokeSession(presented.session_id, 'logout')).catch(ignoreMissing)
}

function ignoreMissing(error: unknown): void {
  if (!isProblem(error, 'not-found')) throw error
}
