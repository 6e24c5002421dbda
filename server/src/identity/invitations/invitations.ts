import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { requirePlace, Role_, writeWithin } from '../../directory/organizations/organizations.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { affect, execute, get, many, raw, tables } from '../../platform/database/statement.ts'
import type { Place } from '../../platform/http/resource.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Email, Id, Name, Nullable, Strict, Time } from '../../platform/schemas.ts'
import { tokenKind } from '../../platform/tokens/one-time-tokens.ts'

export const Invitation = Type.Object(
  {
    id: Id,
    email: Email,
    role: Role_,
    guest: Type.Boolean({ description: 'Whether a new account becomes a guest; an existing one stays as it is.' }),
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
  { email: Email, role: Role_, guest: Type.Optional(Type.Boolean()), ...places },
  {
    title: 'NewInvitation',
    description:
      '`title` and `company` are the initial values of the membership. With `guest`, which requires the role viewer, an address without an account gets a guest account.',
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

const query = tables('tenant', 'invitations', 'memberships', 'users', 'self')
const system = tables('system', 'invitations', 'memberships', 'account_addresses', 'idempotency_keys')

const columns = ['id', 'email', 'role', 'guest', 'title', 'company', 'invited_by', 'expires_at', 'created_at'] as const

const invitationPages = pagesOf(({ organization_id }: { organization_id: string }) =>
  query
    .selectFrom('invitations')
    .select(columns)
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
 * @throws Problem already-member, email-unverified, owner-required, personal-organization, step-up-required,
 * too-many-invitations; invalid-fields when a guest is to be more than a viewer
 */
export async function createInvitation(
  transaction: Transaction<'tenant'>,
  { organization_id, user_id }: Place,
  { email: given_email, role, guest = false, title = null, company = null }: NewInvitation,
  isFresh: boolean,
): Promise<Invitation> {
  await transaction.run(requirePlace(organization_id, role, isFresh))
  if (guest && role !== 'viewer') throw invalidField('/role', 'must be viewer for a guest')
  const email = given_email.toLowerCase()
  const { email_verified, is_member } = await transaction.run(readInvitee(organization_id, email))
  // Otherwise anyone could email strangers, with a new sign-up for each email.
  if (!email_verified) throw new Problem('email-unverified')
  if (is_member) throw new Problem('already-member')
  const invitation = {
    role,
    guest,
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
        .returning(columns),
      { invitations_mail_quota: tooMany, one_time_tokens_mail_quota: tooMany },
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
          and k.user_id in (select user_id from memberships where organization_id = ${organization_id} and (role in ('owner', 'admin') or role_id is not null))`,
    ),
  )

/** The number of invitations that a user can accept without their links, as SQL. */
export const countInvitations = (user_id: string): RawBuilder<number> =>
  sql<number>`(select count(*)::int from live_invitations where user_id = ${user_id})`
