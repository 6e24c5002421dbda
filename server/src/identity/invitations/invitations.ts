import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { GivenRole, HeldRole, heldRole, requireGivenRole, roleRules } from '../../directory/organizations/held-role.ts'
import { requirePlace, writeWithin } from '../../directory/organizations/organizations.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { affect, execute, get, many, raw, tables } from '../../platform/database/statement.ts'
import type { Place } from '../../platform/http/resource.ts'
import { Problem } from '../../platform/problems.ts'
import { Email, Id, Name, Nullable, Strict, Time } from '../../platform/schemas.ts'
import { tokenKind } from '../../platform/tokens/one-time-tokens.ts'

export const Invitation = Type.Object(
  {
    id: Id,
    email: Email,
    ...HeldRole,
    title: Nullable(Name),
    company: Nullable(Name),
    invited_by: Id,
    expires_at: Time,
    created_at: Time,
  },
  { title: 'Invitation' },
)
type Invitation = Static<typeof Invitation>

const places = { title: Type.Optional(Nullable(Name)), company: Type.Optional(Nullable(Name)) }
export const NewInvitation = Strict(
  { email: Email, ...GivenRole, ...places },
  {
    title: 'NewInvitation',
    description:
      '`role`, or `role_id` of a custom role, is required; `title` and `company` are the initial values of the membership.',
  },
)
type NewInvitation = Static<typeof NewInvitation>

/** The trigger in invitations.sql creates and emails it, for one version of the invitation. */
export const invitationToken = tokenKind({
  purpose: 'invitation',
  seconds: 7 * 86400,
  details: Strict({
    organization_id: Id,
    invitation_id: Id,
    version: Type.Integer(),
    invited_by: Type.Optional(Id),
    mailed_at: Type.Optional(Time),
  }),
})

const query = tables('tenant', 'invitations', 'memberships', 'users', 'roles', 'self')
const system = tables('system', 'invitations', 'memberships', 'account_addresses', 'idempotency_keys')

const columns = ['id', 'email', 'title', 'company', 'invited_by', 'expires_at', 'created_at'] as const

const invitationPages = pagesOf(({ organization_id }: { organization_id: string }) =>
  query
    .selectFrom('invitations')
    .select(columns)
    .select(heldRole('invitations'))
    .where('organization_id', '=', organization_id)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null),
)

/** The open invitations, the newest first; an expired one stays open until it is revoked or replaced. */
export const listInvitations = (organization_id: string, page: Page) =>
  invitationPages({ organization_id }, orderOf('-created_at', 'invitations'), page)

/**
 * Invites an address by email, whether or not it has an account: the statements reveal only whether it belongs to a
 * member of this organization, whom the inviter can see. Replaces an open invitation of the address, and its link.
 * @throws Problem already-member, email-unverified, owner-required, personal-organization, role-exceeds-own,
 * step-up-required, too-many-invitations; invalid-fields when there is no such role, or `role` and `role_id` differ
 */
export async function createInvitation(
  transaction: Transaction<'tenant'>,
  { organization_id, user_id }: Place,
  { email: given_email, role, role_id, title = null, company = null }: NewInvitation,
  isFresh: boolean,
): Promise<Invitation> {
  const given = requireGivenRole({ role, role_id })
  await transaction.run(requirePlace(organization_id, given.role, isFresh))
  const email = given_email.toLowerCase()
  const { email_verified, is_member } = await transaction.run(readInvitee(organization_id, email))
  // Otherwise anyone could email strangers, with a new sign-up for each email.
  if (!email_verified) throw new Problem('email-unverified')
  if (is_member) throw new Problem('already-member')
  const invitation = {
    ...given,
    title,
    company,
    invited_by: user_id,
    expires_at: sql<string>`now() + make_interval(secs => ${invitationToken.seconds})`,
  }
  return transaction.run(
    get(
      query
        .insertInto('invitations')
        .values({ organization_id, email, ...invitation })
        .onConflict(conflict =>
          conflict
            .columns(['organization_id', 'email'])
            .where('accepted_at', 'is', null)
            .where('revoked_at', 'is', null)
            .doUpdateSet(invitation),
        )
        .returning(columns)
        .returning(heldRole('invitations')),
      { invitations_mail_quota: tooMany, one_time_tokens_mail_quota: tooMany, ...roleRules },
    ),
  )
}

const tooMany = { code: 'too-many-invitations', retryAfter: 3600 } as const

/** Whether the inviter's own address is verified, and whether the invited address is that of a member. */
const readInvitee = (organization_id: string, email: string) =>
  get(
    query
      .selectFrom('self')
      .select('email_verified')
      .select(({ exists, selectFrom }) =>
        exists(
          selectFrom('memberships')
            .innerJoin('users', 'users.id', 'memberships.user_id')
            .select('users.id')
            .where('memberships.organization_id', '=', organization_id)
            .where('memberships.deleted_at', 'is', null)
            .where('users.email', '=', email),
        ).as('is_member'),
      ),
  )

/** Revokes an invitation and its link. @throws Problem not-found */
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

/**
 * Invitations to a current or former address of the account, unless they are for another account that has the address
 * now.
 */
const isOfAccount = (account_id: string) =>
  sql<boolean>`exists (select from account_addresses a where a.user_id = ${account_id} and a.email = invitations.email
    and a.email_verified and (a.held_until is null or invitations.updated_at <= a.held_until))`

/** Deletes all invitations to any address of an erased account, and the stored responses to the inviters. */
export async function deleteInvitations(transaction: Transaction<'system'>, account_id: string): Promise<void> {
  const addresses = system.selectFrom('account_addresses').select('email').where('user_id', '=', account_id)
  const places = system
    .selectFrom('invitations')
    .select('organization_id')
    .distinct()
    .where('email', 'in', addresses)
    .where(isOfAccount(account_id))
  for (const { organization_id } of await transaction.run(many(places))) {
    await transaction.run(writeWithin(organization_id))
    await transaction.run(forgetAnswers(organization_id, account_id))
    await transaction.run(
      execute(
        system
          .deleteFrom('invitations')
          .where('organization_id', '=', organization_id)
          .where('email', 'in', addresses)
          .where(isOfAccount(account_id)),
      ),
    )
  }
}

/** Stored responses for an Idempotency-Key contain the address for a day. */
const forgetAnswers = (organization_id: string, account_id: string) =>
  execute(
    raw(
      system,
      sql`delete from idempotency_keys k using account_addresses a
        where a.user_id = ${account_id} and strpos(k.result::text, a.email) > 0
          and k.user_id in (select user_id from memberships where organization_id = ${organization_id})`,
    ),
  )
