import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { chooseOrganization } from '../../directory/organizations/organizations.ts'
import type { OrganizationRow } from '../../directory/organizations/organizations.ts'
import { createSession } from '../../directory/sessions/sessions.ts'
import { userColumns } from '../../directory/users/users.ts'
import type { User } from '../../directory/users/users.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { affect, find, raw, statement, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import type { Role } from '../../platform/gate/permissions.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Id, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { issueToken, tokenKind } from '../../platform/tokens/one-time-tokens.ts'
import { findDevice, rememberDevice } from '../devices/devices.ts'
import { listSecondFactors, lockAccount } from '../factors/factors.ts'
import type { SecondFactor } from '../factors/factors.ts'

const query = tables('system', 'users', 'live_users')

/** A user signed in: what tokens are made from. */
export interface SignedIn {
  outcome: 'signed-in'
  user: User
  organization: (OrganizationRow & { role: Role }) | undefined
  session: { id: string; generation: number; auth_time: number }
  /** The device that it was, now known; a refresh tells nothing new of it. */
  device_id?: string
}

/** The first factor was right, and the account has a second one: the token of kind `mfaToken` finishes the sign-in. */
export interface SecondFactorNeeded {
  outcome: 'second-factor-needed'
  token_id: string
  methods: SecondFactor[]
}

/** A sign-in that waits for its second factor: what was verified so far, and where it goes. */
export const mfaToken = tokenKind({
  purpose: 'mfa',
  seconds: 300,
  details: Strict({
    methods: Type.Array(Type.String()),
    organization_id: Type.Optional(Id),
    device_id: Type.Optional(Id),
  }),
  endsWithPassword: true,
})

/** A verified sign-in method, whichever it was. */
export interface Proof {
  user_id: string
  /** `password`, a second factor, or the name of a provider; as the session keeps it. */
  methods: readonly string[]
  /** Whether it took two factors: a passkey, or a code after the password. */
  isTwoFactor: boolean
  /** The hash that the password matched: it may have changed since. */
  password_hash?: string | undefined
  /** Runs once the account is locked, and throws where what was verified has been removed since, such as a passkey. */
  recheck?: Statement<'system', unknown> | undefined
  organization_id?: string | undefined
  /** A device of the user that was seen before. */
  device_id?: string | undefined
  /** For how long the device skips the second factor from now on; seconds. */
  trustSeconds?: number | undefined
}

/** What an operator has decided about signing in. */
export interface SignInRules {
  /** How long a session lasts without a refresh. */
  idleSeconds: number
  /** Whether an account waits for its e-mail address to be verified. */
  emailVerification: 'optional' | 'required'
  /** What an account with an unverified address reaches under `optional`: everything, or what is its own. */
  unverifiedAccess: 'full' | 'own'
}

/**
 * Every sign-in ends here, in the transaction that has checked the proof: account → second factor → organization → device
 * → session. What it returns instead of a session must be committed.
 * @throws Problem invalid-credentials, email-unverified, what `recheck` throws; invalid-fields when the organization asked for is not the user's
 */
export async function signIn(
  transaction: Transaction<'system'>,
  { signInRules: rules, declared }: Pick<Services, 'signInRules' | 'declared'>,
  proof: Proof,
): Promise<SignedIn | SecondFactorNeeded> {
  const { last_organization_id, ...user } = await admitAccount(transaction, rules, proof)
  const device = await transaction.run(findDevice(user.id, proof.device_id))
  const factors = await transaction.run(listSecondFactors(declared, user.id))
  const verified = verifiedFactors(proof, factors, device)
  if (verified === undefined) {
    const token_id = await transaction.run(pauseSignIn(proof))
    return { outcome: 'second-factor-needed', token_id, methods: factors }
  }
  const organization = await chooseForSession(transaction, rules, user, proof.organization_id, [last_organization_id])
  const device_id = await transaction.run(rememberDevice(user.id, device?.id, proof.trustSeconds, transaction.origin))
  const session = await transaction.run(
    createSession(user.id, organization?.id ?? null, rules.idleSeconds, transaction.origin, { ...verified, device_id }),
  )
  if (organization !== undefined && organization.id !== last_organization_id)
    await transaction.run(rememberOrganization(user.id, organization.id))
  return { outcome: 'signed-in', user, organization, session, device_id }
}

/** The same in a transaction of its own, where nothing else is to be checked or written. @throws what signIn throws */
export const completeSignIn = (
  visitor: SystemRunner,
  services: Pick<Services, 'signInRules' | 'declared'>,
  proof: Proof,
): Promise<SignedIn | SecondFactorNeeded> =>
  // system: the session that a gate would ask for is made here
  visitor.with({ user_id: proof.user_id }).transaction(transaction => signIn(transaction, services, proof))

/** The account, locked, if it can still be signed in to by what was verified. */
async function admitAccount(transaction: Transaction<'system'>, { emailVerification }: SignInRules, proof: Proof) {
  const user = await transaction.run(lockUser(proof))
  if (user === undefined) throw new Problem('invalid-credentials')
  if (proof.recheck !== undefined) await transaction.run(proof.recheck)
  if (emailVerification === 'required' && !user.email_verified) throw new Problem('email-unverified')
  return user
}

/** Locked: the account may have been disabled, or its password changed, while the proof was checked. */
const lockUser = ({ user_id, password_hash }: Proof) => {
  const users = query
    .selectFrom('live_users')
    .select(userColumns)
    .select('last_organization_id')
    .$narrowType<Pick<User, 'locale'>>()
    .where('id', '=', user_id)
    // Not shared: two sign-ins to different organizations would wait for each other to remember theirs.
    .forNoKeyUpdate()
  return find(password_hash === undefined ? users : users.where('password_hash', '=', password_hash))
}

/**
 * By which methods the session begins, and whether they are two factors; undefined where the second one is still to be
 * verified. A trusted device stands for it: something that the user has, made known by a second factor not long ago.
 */
function verifiedFactors(
  { methods, isTwoFactor }: Proof,
  factors: readonly SecondFactor[],
  device: { is_trusted: boolean } | undefined,
): { methods: string[]; isTwoFactor: boolean } | undefined {
  if (isTwoFactor || factors.length === 0) return { methods: [...methods], isTwoFactor }
  return device?.is_trusted === true ? { methods: [...methods, 'trusted_device'], isTwoFactor: true } : undefined
}

/** @returns the id of the token that finishes the sign-in */
function pauseSignIn({ user_id, methods, organization_id, device_id }: Proof) {
  const details: Static<typeof mfaToken.details> = {
    methods: [...methods],
    ...(organization_id !== undefined && { organization_id }),
    ...(device_id !== undefined && { device_id }),
  }
  return issueToken(mfaToken, { user_id, details })
}

/**
 * Where a session goes: the organization asked for, else the preferred one; none at all while an unverified address keeps
 * the account apart. @throws Problem email-unverified; invalid-fields when the one asked for is not the user's
 */
export async function chooseForSession(
  transaction: Transaction<'system'>,
  { unverifiedAccess }: SignInRules,
  user: Pick<User, 'id' | 'email_verified'>,
  asked: string | undefined,
  preferred: readonly (string | null)[],
) {
  if (unverifiedAccess === 'own' && !user.email_verified) {
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
 * To be called in the transaction that has just removed a sign-in method of an account: of two that remove one each, at
 * once, the second finds none left. @throws Problem last-way-in
 */
export async function keepSignInMethod(
  transaction: Transaction<'system'>,
  { declared }: Pick<Services, 'declared'>,
  user_id: string,
): Promise<void> {
  await transaction.run(lockAccount(user_id))
  // A statement of its own: it sees what was committed while the lock was waited for.
  if (!(await transaction.run(hasSignInMethod(declared, user_id)))) throw new Problem('last-way-in')
}

const hasSignInMethod = ({ hasSignInMethod: isHeldBy }: Declarations, user_id: string) =>
  statement(raw(query, sql<{ has: boolean }>`select ${isHeldBy(user_id)} as has`), ([row]) => row?.has === true)
