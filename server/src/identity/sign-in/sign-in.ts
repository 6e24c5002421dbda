import { sql } from 'kysely'
import type { Role } from '../../platform/gate/permissions.ts'
import type { Database, Origin, Transaction } from '../../platform/database/database.ts'
import { issueToken } from '../../platform/tokens/one-time-tokens.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { claimSlug } from '../../platform/slugs.ts'
import { affect, find, get, query, raw, statement } from '../../platform/database/statement.ts'
import { chooseOrganization } from '../../directory/organizations/organizations.ts'
import type { OrganizationRow } from '../../directory/organizations/organizations.ts'
import { createSession } from '../../directory/sessions/sessions.ts'
import { refuseRetiredNames, userColumns } from '../../directory/users/users.ts'
import type { User } from '../../directory/users/users.ts'
import { describeAccount, insertAccount, insertIdentity } from '../accounts/accounts.ts'
import type { NewAccount } from '../accounts/accounts.ts'

// What other features sign in, prove and answer with.
export { withAttempt } from '../lockout/attempts.ts'
export type { Lockout } from '../lockout/attempts.ts'
export type { AuthKeys, Issuer } from './issuer.ts'
export { AccessToken, SignedInAnswer } from './messages.ts'
export type { Passwords } from '../passwords/passwords.ts'
export { stepUp } from './step-up.ts'
export type { NewAccount }

/** Someone signed in: what tokens are minted from. */
export interface SignedIn {
  user: User
  organization: (OrganizationRow & { role: Role }) | undefined
  session: { id: string; generation: number; auth_time: number }
  /** The device that it was, now known; a refresh tells nothing new of it. */
  device_id?: string
}

/** The first factor was right, and the account has a second one: what finishes is the token of purpose `mfa`. */
export interface SecondFactorNeeded {
  token_id: string
  methods: SecondFactor[]
}

export type SecondFactor = 'totp' | 'passkey' | 'recovery_code'

/** What somebody has proved, however they did. */
export interface Proof {
  user_id: string
  /** `password`, a second factor, or the name of a provider; as the session keeps it. */
  methods: readonly string[]
  /** Whether it took two factors: a passkey, or a code after the password. */
  isTwoFactor: boolean
  /** The hash that the password matched: it may have changed since. */
  password_hash?: string | undefined
  /** The passkey that signed: it may have been removed since. */
  passkey_id?: string | undefined
  organization_id?: string | undefined
  /** A device of theirs that was seen before. */
  device_id?: string | undefined
  /** For how long the device skips the second factor from now on; seconds. */
  trustSeconds?: number | undefined
}

/** What an operator has decided about signing in. */
export interface SignInRules {
  /** How long a session lasts without a refresh. */
  idleSeconds: number
  /** Whether an account waits for its e-mail address to be confirmed. */
  emailVerification: 'optional' | 'required'
  /** What an account with an unconfirmed address reaches under `optional`: everything, or what is its own. */
  unverifiedAccess: 'full' | 'own'
}

export interface AccountTools {
  database: Database
  /** Of one-time tokens, and of the digests of names that erased accounts went by. */
  key: Buffer
}

/**
 * Makes a person and their first organization, or nothing; `then` runs in the same transaction. The names of an erased
 * account are taken. @throws Problem email-taken, username-taken, organization-slug-taken, identity-taken
 */
export async function createAccount<Result>(
  { database, key }: AccountTools,
  origin: Origin,
  account: NewAccount,
  then: (transaction: Transaction, made: { user: User }) => Promise<Result>,
): Promise<Result> {
  const { person, organization } = describeAccount(account)
  const scope = { organization_id: organization.id, origin: { ...origin, user_id: person.id } }
  return claimSlug(organization, 'organization-slug-taken', slug =>
    database.system.transaction(scope, async transaction => {
      await transaction.run(refuseRetiredNames(key, person))
      const rows = { person, organization: { ...organization, slug }, role: 'owner' as const }
      const user = await transaction.run(insertAccount(rows))
      if (account.identity !== undefined) await transaction.run(insertIdentity(person, account.identity))
      return then(transaction, { user })
    }),
  )
}

/**
 * Every way in ends here, in the transaction of the system login that has checked the proof: the second factor is demanded,
 * the organization chosen, the device remembered and the session made. What it returns instead of a session must be committed.
 * @throws Problem invalid-credentials, invalid-passkey, email-unverified; invalid-fields when the organization asked for is not theirs
 */
export async function signIn(
  transaction: Transaction,
  rules: SignInRules,
  origin: Origin,
  proof: Proof,
): Promise<SignedIn | SecondFactorNeeded> {
  const user = await transaction.run(lockUser(proof))
  if (user === undefined) throw new Problem('invalid-credentials')
  if (proof.passkey_id !== undefined && !(await transaction.run(holdPasskey(user.id, proof.passkey_id))))
    throw new Problem('invalid-passkey')
  if (rules.emailVerification === 'required' && !user.email_verified) throw new Problem('email-unverified')
  const device = await transaction.run(findDevice(user.id, proof.device_id))
  const factors = await transaction.run(secondFactorsOf(user.id))
  // The device is then something that one has, made known by a second factor not long ago.
  const isByDevice = factors.length > 0 && !proof.isTwoFactor && device?.is_trusted === true
  if (factors.length > 0 && !proof.isTwoFactor && !isByDevice) {
    const { methods, organization_id, device_id } = proof
    const details = { methods, organization_id, device_id }
    const token_id = await transaction.run(issueToken({ purpose: 'mfa', user_id: user.id, details }))
    return { token_id, methods: factors }
  }
  const organization = await choose(transaction, rules, user, proof.organization_id, [user.last_organization_id])
  const device_id = await transaction.run(rememberDevice(user.id, device?.id, proof.trustSeconds, origin))
  const session = await transaction.run(
    createSession(user.id, organization?.id ?? null, rules.idleSeconds, origin, {
      methods: isByDevice ? [...proof.methods, 'trusted_device'] : [...proof.methods],
      isTwoFactor: proof.isTwoFactor || isByDevice,
      device_id,
    }),
  )
  if (organization !== undefined && organization.id !== user.last_organization_id)
    await transaction.run(rememberOrganization(user.id, organization.id))
  return { user, organization, session, device_id }
}

/** Locked: the account may have been disabled, or its password changed, while the proof was checked. */
const lockUser = ({ user_id, password_hash }: Proof) => {
  const users = query
    .selectFrom('users')
    .select(userColumns)
    .select('last_organization_id')
    .where('id', '=', user_id)
    .where('disabled_at', 'is', null)
    .where('deleted_at', 'is', null)
    // Not shared: two sign-ins to different organizations would wait for each other to remember theirs.
    .forNoKeyUpdate()
  return find(password_hash === undefined ? users : users.where('password_hash', '=', password_hash))
}

const holdPasskey = (user_id: string, id: string) =>
  statement(
    query.selectFrom('passkeys').select('id').where('id', '=', id).where('user_id', '=', user_id).forKeyShare(),
    rows => rows.length > 0,
  )

const secondFactorsOf = (user_id: string) =>
  statement(
    query.selectFrom('second_factors').select(['totp', 'passkey', 'recovery_codes']).where('user_id', '=', user_id),
    ([has]): SecondFactor[] => {
      if (has === undefined || (!has.totp && !has.passkey)) return []
      return [
        ...(has.totp ? (['totp'] as const) : []),
        ...(has.passkey ? (['passkey'] as const) : []),
        ...(has.recovery_codes > 0 ? (['recovery_code'] as const) : []),
      ]
    },
  )

const findDevice = (user_id: string, id: string | undefined) =>
  find(
    query
      .selectFrom('devices')
      .select('id')
      .select(sql<boolean>`coalesce(trusted_until > now(), false)`.as('is_trusted'))
      .where('id', '=', id ?? null)
      .where('user_id', '=', user_id)
      .where('revoked_at', 'is', null)
      // Whoever forgets it waits, and then ends this session as well.
      .forNoKeyUpdate(),
  )

/** @returns the device's id */
const rememberDevice = (user_id: string, id: string | undefined, trustSeconds: number | undefined, origin: Origin) => {
  const { ip, user_agent } = origin
  const trust =
    trustSeconds === undefined ? {} : { trusted_until: sql<string>`now() + make_interval(secs => ${trustSeconds})` }
  const row =
    id === undefined
      ? query
          .insertInto('devices')
          .values({ user_id, ip, user_agent, ...trust })
          .returning('id')
      : query
          .updateTable('devices')
          .set({ last_seen_at: sql<string>`now()`, ip, user_agent, ...trust })
          .where('id', '=', id)
          .returning('id')
  return statement<{ id: string }, string>(row, ([device]) => (device as { id: string }).id)
}

/**
 * Where a session goes: the organization asked for, else the preferred one; none at all while an unconfirmed address keeps
 * the account apart. @throws Problem email-unverified; invalid-fields when the one asked for is not theirs
 */
export async function choose(
  transaction: Transaction,
  rules: SignInRules,
  user: Pick<User, 'id' | 'email_verified'>,
  asked: string | undefined,
  preferred: readonly (string | null)[],
) {
  if (rules.unverifiedAccess === 'own' && !user.email_verified) {
    if (asked !== undefined) throw new Problem('email-unverified')
    return undefined
  }
  const organization = await transaction.run(chooseOrganization(user.id, asked, preferred))
  if (organization === undefined && asked !== undefined)
    throw invalidField('/organization_id', 'names no organization of yours')
  return organization
}

const rememberOrganization = (user_id: string, organization_id: string) =>
  affect(
    query.updateTable('users').set({ last_organization_id: organization_id }).where('id', '=', user_id).returning('id'),
  )

/**
 * To be called in the transaction that has just taken a way in from an account (system login): of two that take one each,
 * at once, the second finds nothing left. @throws Problem last-way-in
 */
export async function keepWayIn(transaction: Transaction, user_id: string): Promise<void> {
  await transaction.run(get(query.selectFrom('users').select('id').where('id', '=', user_id).forNoKeyUpdate()))
  // A statement of its own: it sees what was committed while the lock was waited for.
  if (!(await transaction.run(hasWayIn(user_id)))) throw new Problem('last-way-in')
}

const hasWayIn = (user_id: string) =>
  statement(
    raw<{ has: boolean }>(sql`select exists (select from users where id = ${user_id} and password_hash is not null)
      or exists (select from passkeys where user_id = ${user_id})
      or exists (select from identities where user_id = ${user_id}) as has`),
    ([row]) => row?.has === true,
  )
