import { sql } from 'kysely'
import type { SystemRunner } from '../../platform/database/database.ts'
import { get, raw, statement, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { passwordGuess, reserveGuess, settleRefused, verifyGuess } from '../lockout/attempts.ts'
import type { GuessedAccount } from '../lockout/attempts.ts'
import { completeSignIn } from './sign-in.ts'
import type { SignInOutcome, SignInRules } from './sign-in.ts'

const query = tables('system', 'users')
const own = tables('tenant', 'users', 'sessions', 'self', 'own_organizations')

/** A first factor was wrong, or belongs to no live account. */
export const loginFailed = eventKind('login-failed')

export interface Credentials {
  email?: string | undefined
  username?: string | undefined
  password: string
  organization_id?: string | undefined
  device_id?: string | undefined
}

/**
 * Signs in by password: identify → guess → verify, and then the steps of every sign-in.
 * @throws Problem invalid-credentials, rate-limited, busy, and what signIn throws
 */
export async function logIn(
  visitor: SystemRunner,
  services: Pick<Services, 'passwords' | 'lockout' | 'signInRules' | 'declared'>,
  { email, username = '', password, organization_id, device_id }: Credentials,
): Promise<SignInOutcome> {
  const { passwords } = services
  const who = email === undefined ? { username } : { email }
  const guess = await reserveGuess(visitor, services, { ...passwordGuess, who, failed: loginFailed, device_id })
  const account = await verifyGuess(visitor, guess, found => passwords.verify(found?.secret, password))
  if (account === undefined) throw new Problem('invalid-credentials')
  const { user_id } = account
  try {
    const password_hash = await renewHash(visitor, services, account, password)
    const methods = ['password']
    const proof = { user_id, password_hash, methods, isTwoFactor: false, organization_id, device_id, guess }
    return await completeSignIn(visitor, services, proof)
  } catch (error) {
    await settleRefused(visitor, guess, error, true)
    throw error
  }
}

/** Replaces a hash that another system made, or that has other parameters. Returns the current hash of the account. */
async function renewHash(
  visitor: SystemRunner,
  { passwords }: Pick<Services, 'passwords'>,
  { user_id, secret }: GuessedAccount<string>,
  password: string,
): Promise<string> {
  const former = secret ?? ''
  const renewed = await passwords.renew(former, password)
  if (renewed === undefined) return former
  // system: the tenant login cannot read hashes
  const { current, is_replaced } = await visitor.with({ user_id }).run(replaceHash(user_id, former, renewed))
  if (is_replaced) return renewed
  // A concurrent sign-in was faster, or the password was just changed.
  if (await passwords.verify(current, password)) return current ?? ''
  throw new Problem('invalid-credentials')
}

/** Replaces the hash if it is still the former one. `current`: the hash that was found after concurrent changes. */
const replaceHash = (user_id: string, former: string, renewed: string) =>
  get(
    raw(
      query,
      sql<{ current: string | null; is_replaced: boolean }>`
      with seen as materialized (select id, password_hash from users where id = ${user_id} for no key update),
      replaced as (update users set password_hash = ${renewed} from seen
        where users.id = seen.id and seen.password_hash = ${former} returning users.id)
      select seen.password_hash as current, exists (select from replaced) as is_replaced from seen`,
    ),
  )

/**
 * Switches the session to another of the user's organizations; the next sign-in goes there, too.
 * @throws Problem invalid-fields, email-unverified
 */
export const switchOrganization = ({ unverifiedAccess }: SignInRules, id: string) =>
  statement(
    own
      .with('chosen', chosen => chosen.selectFrom('own_organizations').selectAll().where('id', '=', id))
      .with('remembered', remembered =>
        remembered
          .updateTable('users')
          .from('chosen')
          .set({ last_organization_id: id })
          .whereRef('users.id', '=', 'chosen.user_id')
          .returning(['users.id', 'users.email_verified']),
      )
      // The account before the session, as in every transaction that changes both.
      .with('moved', moved =>
        moved
          .updateTable('sessions')
          .from(['remembered', 'self'])
          .set({ organization_id: id })
          .whereRef('sessions.id', '=', 'self.session_id')
          .whereRef('sessions.user_id', '=', 'remembered.id')
          .returning('sessions.id'),
      )
      .selectFrom(['chosen', 'remembered', 'moved'])
      .selectAll('chosen')
      .select('remembered.email_verified'),
    ([organization]) => {
      if (organization === undefined) throw invalidField('/organization_id', 'is not an organization of yours')
      if (unverifiedAccess === 'own' && !organization.email_verified) throw new Problem('email-unverified')
      return organization
    },
  )
