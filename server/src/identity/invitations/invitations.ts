import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { joinOrganization, requirePlace, Role_, writeWithin } from '../../directory/organizations/organizations.ts'
import { announceOrganization } from '../../directory/users/users.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { affect, execute, find, get, many, tables } from '../../platform/database/statement.ts'
import { permissionsOf } from '../../platform/gate/permissions.ts'
import type { PermissionTable, Role } from '../../platform/gate/permissions.ts'
import type { Place } from '../../platform/http/resource.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Email, Id, Strict, Time } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { presentedToken, spendToken, tokenKind } from '../../platform/tokens/one-time-tokens.ts'
import type { OpenToken } from '../../platform/tokens/one-time-tokens.ts'
import { createAccount } from '../accounts/accounts.ts'
import { checkPassword } from '../passwords/password-policy.ts'

export const Invitation = Type.Object(
  { id: Id, email: Email, role: Role_, invited_by: Id, expires_at: Time, created_at: Time },
  { title: 'Invitation' },
)
type Invitation = Static<typeof Invitation>

export const NewInvitation = Strict({ email: Email, role: Role_ }, { title: 'NewInvitation' })
type NewInvitation = Static<typeof NewInvitation>

/** Made and mailed by the trigger in invitations.sql, for one version of the invitation. */
export const invitationToken = tokenKind({
  purpose: 'invitation',
  seconds: 7 * 86400,
  details: Strict({
    organization_id: Id,
    invitation_id: Id,
    version: Type.Integer(),
    mailed_at: Type.Optional(Time),
  }),
})

const query = tables('tenant', 'invitations', 'self')
const system = tables('system', 'invitations', 'memberships', 'organizations', 'users', 'live_users')

const columns = ['id', 'email', 'role', 'invited_by', 'expires_at', 'created_at'] as const

const invitationPages = pagesOf(({ organization_id }: { organization_id: string }) =>
  query
    .selectFrom('invitations')
    .select(columns)
    .where('organization_id', '=', organization_id)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null),
)

/** The open invitations, the newest first; an expired one is open until it is revoked or made again. */
export const listInvitations = (organization_id: string, page: Page) =>
  invitationPages({ organization_id }, orderOf('-created_at', 'invitations'), page)

/**
 * Invites an address by mail. Nothing is looked up, so a known and an unknown one are the same; an open invitation of the
 * address is replaced, and its link with it.
 * @throws Problem email-unverified, owner-required, personal-organization, step-up-required
 */
export async function createInvitation(
  transaction: Transaction<'tenant'>,
  { organization_id, user_id }: Place,
  { email, role }: NewInvitation,
  isFresh: boolean,
): Promise<Invitation> {
  await transaction.run(requirePlace(organization_id, role, isFresh))
  // Else anyone who signs up could write to strangers, as often as they like to sign up.
  const { email_verified } = await transaction.run(get(query.selectFrom('self').select('email_verified')))
  if (!email_verified) throw new Problem('email-unverified')
  const expires_at = sql<string>`now() + make_interval(secs => ${invitationToken.seconds})`
  return transaction.run(
    get(
      query
        .insertInto('invitations')
        .values({ organization_id, email: email.toLowerCase(), role, invited_by: user_id, expires_at })
        .onConflict(conflict =>
          conflict
            .columns(['organization_id', 'email'])
            .where('accepted_at', 'is', null)
            .where('revoked_at', 'is', null)
            .doUpdateSet({ role, invited_by: user_id, expires_at }),
        )
        .returning(columns),
    ),
  )
}

/** Revokes an invitation, and its link with it. @throws Problem not-found */
export const revokeInvitation = (organization_id: string, id: string) =>
  affect(
    query
      .updateTable('invitations')
      .set({ revoked_at: sql<string>`now()` })
      .where('organization_id', '=', organization_id)
      .where('id', '=', id)
      .where('accepted_at', 'is', null)
      .where('revoked_at', 'is', null)
      .returning('id'),
  )

interface Acceptance {
  token: string
  /** Of the signed-in user, if there is one. */
  user_id?: string | undefined
  /** Make the account of an address that has none. */
  password?: string | undefined
  full_name?: string | undefined
}

/**
 * Joins the organization that the link in the mail leads to. The link verifies the address, not the user: it lets in the
 * account of that address only and, without a session, only one whose address was verified before.
 * @throws Problem invalid-token, invitation-for-another, email-unverified, already-member, weak-password; invalid-fields
 * when there is no account and none is to be made
 */
export async function acceptInvitation(
  visitor: SystemRunner,
  services: Pick<Services, 'keys' | 'declared' | 'passwords' | 'passwordPolicy'>,
  { token: sealed, user_id, password, full_name }: Acceptance,
): Promise<{ organization_id: string; user_id: string; role: Role }> {
  const { keys, declared } = services
  const { id: token_id, email, details } = await presentedToken(visitor, keys.oneTime, invitationToken, sealed)
  if (email === null) throw new Problem('invalid-token')
  const open = await findOpen(visitor, details, email, user_id)
  if (open === undefined || !mayStillInvite(declared.permissions, open)) throw new Problem('invalid-token')
  const { account_id, email_verified } = open
  if (user_id !== undefined && account_id === null) throw new Problem('invitation-for-another')
  if (user_id === undefined && email_verified === false) throw new Problem('email-unverified')
  if (account_id === null && password === undefined)
    throw invalidField('/password', 'is required: the address has no account yet')
  // Two transactions: an account that is made and then does not join is an account; the link still works for it.
  const joining_id = account_id ?? (await createInvitedAccount(visitor, services, { email, full_name }, password ?? ''))
  const { organization_id } = details
  // system: who joins has no role there before, and the token is out of the tenant login's sight
  return visitor
    .with({ user_id: joining_id, organization_id })
    .transaction(transaction => join(transaction, declared.permissions, { ...details, token_id }, joining_id))
}

/** Whether the address of an invitation has an account that can be used; for a reader who holds the link. */
export const hasAccount = async (visitor: SystemRunner, { email, details }: OpenToken<Details>): Promise<boolean> => {
  const open = email === null ? undefined : await findOpen(visitor, details, email, undefined)
  return open !== undefined && open.account_id !== null
}

/** Makes the account of an invited address, verified by the link. @throws Problem weak-password, invalid-token */
async function createInvitedAccount(
  visitor: SystemRunner,
  { keys, passwords, passwordPolicy }: Pick<Services, 'keys' | 'passwords' | 'passwordPolicy'>,
  { email, full_name }: { email: string; full_name: string | undefined },
  password: string,
): Promise<string> {
  await checkPassword(password, passwordPolicy, [email, full_name])
  const account = { email, full_name, password_hash: await passwords.hash(password), email_verified: true }
  try {
    return await createAccount(visitor, { keys }, account, async (_transaction, { user }) => user.id)
  } catch (error) {
    // Its account is disabled or deleted, or was made at this very moment.
    if (!(error instanceof Problem) || error.code !== 'email-taken') throw error
    throw new Problem('invalid-token', { cause: error })
  }
}

type Details = Static<typeof invitationToken.details>

/**
 * What is still open of it, looked up before an account is made for nothing, with the account of the address; under a
 * session only when that is the session's user.
 */
const findOpen = (
  visitor: SystemRunner,
  { organization_id, invitation_id, version }: Details,
  email: string,
  user_id: string | undefined,
) => {
  const open = find(
    system
      .selectFrom('invitations')
      .innerJoin('memberships as inviter', join =>
        join
          .onRef('inviter.organization_id', '=', 'invitations.organization_id')
          .onRef('inviter.user_id', '=', 'invitations.invited_by'),
      )
      .leftJoin('live_users as account', join => {
        const ofAddress = join.on('account.email', '=', email)
        return user_id === undefined ? ofAddress : ofAddress.on('account.id', '=', user_id)
      })
      .select(['invitations.role', 'inviter.role as inviter_role'])
      .select(['account.id as account_id', 'account.email_verified'])
      .where('invitations.organization_id', '=', organization_id)
      .where('invitations.id', '=', invitation_id)
      .where('invitations.version', '=', version)
      .where('invitations.accepted_at', 'is', null)
      .where('invitations.revoked_at', 'is', null)
      .where('inviter.disabled_at', 'is', null)
      .where('inviter.deleted_at', 'is', null),
  )
  // system: the link is opened by an address that belongs to no organization yet, and may have no account
  return visitor.run(open)
}

/** Else a member who is about to lose a role would keep it under another address. */
const mayStillInvite = (
  permissions: PermissionTable,
  { role, inviter_role }: { role: Role; inviter_role: Role },
): boolean =>
  permissionsOf(permissions, inviter_role).includes('invitations:write') &&
  (role !== 'owner' || inviter_role === 'owner')

async function join(
  transaction: Transaction<'system'>,
  permissions: PermissionTable,
  { token_id, organization_id, invitation_id, version }: Details & { token_id: string },
  user_id: string,
) {
  await transaction.run(spendToken(invitationToken, token_id))
  const invitation = await transaction.run(
    find(
      system
        .updateTable('invitations')
        .from(['organizations', 'memberships as inviter'])
        .set({ accepted_at: sql<string>`now()` })
        .whereRef('organizations.id', '=', 'invitations.organization_id')
        .where('organizations.deleted_at', 'is', null)
        .whereRef('inviter.organization_id', '=', 'invitations.organization_id')
        .whereRef('inviter.user_id', '=', 'invitations.invited_by')
        .where('inviter.disabled_at', 'is', null)
        .where('inviter.deleted_at', 'is', null)
        .where('invitations.organization_id', '=', organization_id)
        .where('invitations.id', '=', invitation_id)
        .where('invitations.version', '=', version)
        .where('invitations.accepted_at', 'is', null)
        .where('invitations.revoked_at', 'is', null)
        .returning(['invitations.role', 'inviter.role as inviter_role']),
    ),
  )
  if (invitation === undefined || !mayStillInvite(permissions, invitation)) throw new Problem('invalid-token')
  const { role } = invitation
  const joined = await transaction.run(joinOrganization(organization_id, user_id, { role, title: null, company: null }))
  if (joined === undefined) throw new Problem('already-member')
  await transaction.run(
    execute(
      system
        .updateTable('users')
        .set({ email_verified_at: sql<string>`now()` })
        .where('id', '=', user_id)
        .where('email_verified_at', 'is', null),
    ),
  )
  await transaction.run(announceOrganization(user_id, organization_id))
  return { organization_id, user_id, role }
}

/** Removes every invitation of an erased address. */
export async function deleteInvitations(transaction: Transaction<'system'>, email: string): Promise<void> {
  const organizations = system.selectFrom('invitations').select('organization_id').distinct().where('email', '=', email)
  for (const { organization_id } of await transaction.run(many(organizations))) {
    await transaction.run(writeWithin(organization_id))
    await transaction.run(
      execute(
        system.deleteFrom('invitations').where('organization_id', '=', organization_id).where('email', '=', email),
      ),
    )
  }
}
