import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { isFresh } from '../../platform/gate/access.ts'
import type { Actor } from '../../platform/gate/actor.ts'
import { permissionsOf } from '../../platform/gate/permissions.ts'
import type { Role } from '../../platform/gate/permissions.ts'
import { createAccount } from '../sign-in/sign-in.ts'
import type { Database, Origin, Transaction } from '../../platform/database/database.ts'
import { findToken, issueToken, openToken, spendToken, tokenLives } from '../../platform/tokens/one-time-tokens.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Email, Id, Strict, Time } from '../../platform/schemas.ts'
import { affect, find, get, query } from '../../platform/database/statement.ts'
import { holdPlace, joinOrganization, Role_ } from '../../directory/organizations/organizations.ts'

export const Invitation = Type.Object(
  { id: Id, email: Email, role: Role_, invited_by: Id, expires_at: Time, created_at: Time },
  { title: 'Invitation' },
)
export const NewInvitation = Strict({ email: Email, role: Role_ }, { title: 'NewInvitation' })

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
export const createInvitation = (
  { system }: Database,
  actor: Actor,
  { email, role }: Static<typeof NewInvitation>,
): Promise<Static<typeof Invitation>> =>
  system.transaction(actor.scope, async transaction => {
    const { organization_id, user_id } = actor
    await transaction.run(holdPlace(organization_id, role, isFresh(actor)))
    // Else whoever signs up could write to strangers, as often as they like to sign up.
    const inviter = await transaction.run(
      get(query.selectFrom('users').select('email_verified').where('id', '=', user_id)),
    )
    if (!inviter.email_verified) throw new Problem('email-unverified')
    const invitation = await transaction.run(
      get(
        query
          .insertInto('invitations')
          .values({ organization_id, email: email.toLowerCase(), role, invited_by: user_id, expires_at: expiry })
          .onConflict(conflict =>
            conflict
              .columns(['organization_id', 'email'])
              .where('accepted_at', 'is', null)
              .where('revoked_at', 'is', null)
              .doUpdateSet({ role, invited_by: user_id, expires_at: expiry }),
          )
          .returning([...columns, 'version']),
      ),
    )
    // A link is good for the version that it was made for.
    const details = { organization_id, invitation_id: invitation.id, version: invitation.version }
    await transaction.run(issueToken({ purpose: 'invitation', email, details, mailed: true }))
    return invitation
  })

const expiry = sql<string>`now() + make_interval(secs => ${tokenLives.invitation})`

/** Takes an invitation back; its link leads nowhere from then on. @throws Problem not-found */
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

export interface InvitationTools {
  database: Database
  /** Opens one-time tokens. */
  key: Buffer
  /** Hashes a new password that the policy accepts; `personal` is what it must not contain. */
  hashNewPassword: (password: string, personal: readonly (string | undefined)[]) => Promise<string>
}

interface Acceptance {
  token: string
  /** Who is signed in, if anybody is. */
  user_id?: string | undefined
  /** Make the account of an address that has none. */
  password?: string | undefined
  full_name?: string | undefined
}

/**
 * Joins the organization that the link in the mail leads to. The link proves the address, not the person: it lets in the
 * account of that address only, and, while nobody is signed in, only one whose address was proved before.
 * @throws Problem invalid-token, invitation-for-another, email-unverified, already-member; invalid-fields when there is no account and none is to be made
 */
export async function acceptInvitation(
  { database, key, hashNewPassword }: InvitationTools,
  origin: Origin,
  { token: sealed, user_id, password, full_name }: Acceptance,
): Promise<{ organization_id: string; user_id: string; role: Static<typeof Role_> }> {
  const token_id = openToken(key, 'invitation', sealed)
  const token = await database.system.run({ origin }, findToken('invitation', token_id))
  if (token === undefined || token.email === null) throw new Problem('invalid-token')
  const { email } = token
  const { organization_id, invitation_id, version } = token.details as unknown as InvitationDetails
  const open = await database.system.run({ origin }, findOpen({ organization_id, invitation_id, version }))
  if (open === undefined || !mayStillInvite(open)) throw new Problem('invalid-token')
  const account = await database.system.run({ origin }, findInvited(email, user_id))
  if (user_id !== undefined && account === undefined) throw new Problem('invitation-for-another')
  if (user_id === undefined && account?.email_verified === false) throw new Problem('email-unverified')
  if (account === undefined && password === undefined)
    throw invalidField('/password', 'is required: the address has no account yet')
  // Two transactions: an account that is made and then does not join is an account; the link still works for it.
  const makeAccount = async (chosen: string) =>
    createAccount(
      { database, key },
      origin,
      { email, full_name, password_hash: await hashNewPassword(chosen, [email, full_name]), email_verified: true },
      async (_transaction, { user }) => user.id,
    ).catch((error: unknown) => {
      // Its account is closed, or was made at this very moment.
      if (!(error instanceof Problem) || error.code !== 'email-taken') throw error
      throw new Problem('invalid-token', { cause: error })
    })
  const joining_id = account?.id ?? (await makeAccount(password ?? ''))
  return database.system.transaction({ organization_id, origin: { ...origin, user_id: joining_id } }, transaction =>
    join(transaction, { token_id, organization_id, invitation_id, version }, joining_id),
  )
}

/** Whether the address has an account; for whoever holds a link to it. */
export const hasAccount = async (database: Database, origin: Origin, email: string): Promise<boolean> =>
  (await database.system.run({ origin }, findInvited(email, undefined))) !== undefined

interface InvitationDetails {
  organization_id: string
  invitation_id: string
  version: number
}

/** What is still open of it; looked at before an account is made for nothing. */
const findOpen = ({ organization_id, invitation_id, version }: InvitationDetails) =>
  find(
    query
      .selectFrom('invitations')
      .innerJoin('memberships as inviter', join =>
        join
          .onRef('inviter.organization_id', '=', 'invitations.organization_id')
          .onRef('inviter.user_id', '=', 'invitations.invited_by'),
      )
      .select(['invitations.role', 'inviter.role as inviter_role'])
      .where('invitations.organization_id', '=', organization_id)
      .where('invitations.id', '=', invitation_id)
      .where('invitations.version', '=', version)
      .where('invitations.accepted_at', 'is', null)
      .where('invitations.revoked_at', 'is', null)
      .where('inviter.disabled_at', 'is', null)
      .where('inviter.deleted_at', 'is', null),
  )

/** Else somebody who is about to lose a role would keep it under another address. */
const mayStillInvite = ({ role, inviter_role }: { role: Role; inviter_role: Role }): boolean =>
  permissionsOf(inviter_role).includes('invitations:write') && (role !== 'owner' || inviter_role === 'owner')

/** The account of the address; under a session only when it is that person's. */
const findInvited = (email: string, user_id: string | undefined) => {
  const accounts = query
    .selectFrom('users')
    .select(['id', 'email_verified'])
    .where('email', '=', email)
    .where('disabled_at', 'is', null)
    .where('deleted_at', 'is', null)
  return find(user_id === undefined ? accounts : accounts.where('id', '=', user_id))
}

async function join(
  transaction: Transaction,
  { token_id, organization_id, invitation_id, version }: InvitationDetails & { token_id: string },
  user_id: string,
) {
  await transaction.run(spendToken('invitation', token_id))
  const invitation = await transaction.run(
    find(
      query
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
  if (invitation === undefined || !mayStillInvite(invitation)) throw new Problem('invalid-token')
  const { role } = invitation
  const joined = await transaction.run(joinOrganization(organization_id, user_id, { role, title: null, company: null }))
  if (joined === undefined) throw new Problem('already-member')
  await transaction.run(
    find(
      query
        .updateTable('users')
        .set({ email_verified_at: sql<string>`coalesce(email_verified_at, now())` })
        .where('id', '=', user_id)
        .where('email_verified_at', 'is', null)
        .returning('id'),
    ),
  )
  return { organization_id, user_id, role }
}
