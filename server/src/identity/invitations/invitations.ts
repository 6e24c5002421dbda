import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { GivenRole, HeldRole, heldRole } from '../../directory/organizations/held-role.ts'
import { writeWithin } from '../../directory/organizations/organizations.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { execute, get, many, raw, statement, tables } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import { Email, Id, Name, Nullable, OneOf, Strict, Time } from '../../platform/schemas.ts'
import { tokenKind } from '../../platform/tokens/one-time-tokens.ts'

const InvitationStatus = OneOf(['open', 'expired', 'accepted', 'revoked'], {
  description: '`expired`: it was not accepted in time. It can be sent again.',
})

export const Invitation = Type.Object(
  {
    id: Id,
    email: Email,
    ...HeldRole,
    guest: Type.Boolean({ description: 'Whether a new account becomes a guest; an existing one stays as it is.' }),
    title: Nullable(Name),
    company: Nullable(Name),
    status: InvitationStatus,
    invited_by: Nullable(Type.String({ ...Id, description: 'Null: an operator of the service.' })),
    mail: OneOf(['sent', 'waiting', 'none'], {
      description:
        'The latest email: handed over for sending, or waiting until `mail_at` because the organization sends at most 200 an hour; or there is none.',
    }),
    mail_at: Nullable(Time),
    expires_at: Time,
    accepted_at: Nullable(Time),
    revoked_at: Nullable(Time),
    created_at: Time,
  },
  { title: 'Invitation' },
)
export type Invitation = Static<typeof Invitation>

/** The filters and orders of the list. */
export const invitationFilters = {
  status: Type.Optional(InvitationStatus),
  email: Type.Optional(Type.String({ ...Email, description: 'The whole address; upper and lower case are the same.' })),
  sort: OneOf(['created_at', '-created_at', 'email', '-email', 'expires_at', '-expires_at'], {
    default: '-created_at',
  }),
}

const places = { title: Type.Optional(Nullable(Name)), company: Type.Optional(Nullable(Name)) }
export const NewInvitation = Strict(
  { email: Email, ...GivenRole, guest: Type.Optional(Type.Boolean()), ...places },
  {
    title: 'NewInvitation',
    description:
      '`role`, or `role_id` of a custom role, is required. `title` and `company` are the initial values of the membership. With `guest`, which requires the role viewer, an address without an account gets a guest account.',
    examples: [{ email: 'jane@example.com', role: 'member', title: 'Engineer' }],
  },
)
export type NewInvitation = Static<typeof NewInvitation>

/** The trigger in invitations.sql creates and emails it, for one version of the invitation and for the same seven days. */
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

const query = tables('tenant', 'invitations', 'roles')
const system = tables('system', 'invitations', 'memberships', 'account_addresses', 'idempotency_keys')

const fields = [
  'id',
  'email',
  'guest',
  'title',
  'company',
  'invited_by',
  'mail_at',
  'expires_at',
  'accepted_at',
  'revoked_at',
  'created_at',
] as const

/** Whether an invitation can be accepted. */
export const isOpen = sql<boolean>`accepted_at is null and revoked_at is null and expires_at > now()`
const isExpired = sql<boolean>`(accepted_at is null and revoked_at is null and expires_at <= now())`
export const statusOf = sql<Invitation['status']>`case when accepted_at is not null then 'accepted'
  when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' else 'open' end`
const mailOf = sql<
  Invitation['mail']
>`case when mail_at <= now() then 'sent' when mail_at is null then 'none' else 'waiting' end`

/** The columns of the resource, for the query builder and for SQL. */
export const invitationColumns = [
  ...fields,
  ...heldRole('invitations'),
  statusOf.as('status'),
  mailOf.as('mail'),
] as const
export const columnsOf = (source: string) =>
  sql`${sql.join(fields.map(field => sql.ref(field)))}, ${sql.join(heldRole(source))}, ${statusOf} as status, ${mailOf} as mail`

/** The version for the entity tag: it also changes when the invitation expires and when its email is sent. */
const tagVersion = sql<number>`version * 4 + ${isExpired}::integer * 2 + coalesce(mail_at <= now(), false)::integer`

type Listed = {
  organization_id: string
  email: string | undefined
}

const invitationsOf = ({ organization_id, email }: Listed) => {
  const all = query.selectFrom('invitations').select(invitationColumns).where('organization_id', '=', organization_id)
  return email === undefined ? all : all.where('email', '=', email)
}

const notEnded = (listed: Listed) =>
  invitationsOf(listed).where('accepted_at', 'is', null).where('revoked_at', 'is', null)

const pagesInStatus = {
  open: pagesOf((listed: Listed) => notEnded(listed).where('expires_at', '>', sql<string>`now()`)),
  expired: pagesOf((listed: Listed) => notEnded(listed).where('expires_at', '<=', sql<string>`now()`)),
  accepted: pagesOf((listed: Listed) => invitationsOf(listed).where('accepted_at', 'is not', null)),
  revoked: pagesOf((listed: Listed) => invitationsOf(listed).where('revoked_at', 'is not', null)),
  any: pagesOf(notEnded),
}

/** The invitations in a status, by default the open and the expired ones, the newest first. */
export const listInvitations = (
  organization_id: string,
  { status, email, sort }: { status?: Invitation['status'] | undefined; email?: string | undefined; sort: string },
  page: Page,
) =>
  pagesInStatus[status ?? 'any']({ organization_id, email: email?.toLowerCase() }, orderOf(sort, 'invitations'), page)

/** An invitation in any status. @throws Problem not-found */
export const getInvitation = (organization_id: string, id: string) =>
  get(
    query
      .selectFrom('invitations')
      .select(invitationColumns)
      .select(tagVersion.as('version'))
      .where('organization_id', '=', organization_id)
      .where('id', '=', id),
  )

/**
 * Revokes an invitation and its links; an email that is still waiting is not sent.
 * @throws Problem not-found (also if it is revoked already), invitation-not-open, entity-tag-stale
 */
export const revokeInvitation = (organization_id: string, id: string, condition: Condition) =>
  statement(
    raw(
      query,
      sql<{ is_accepted: boolean; is_revoked: boolean; is_changed: boolean }>`
      with seen as materialized (
        select id, accepted_at is not null as is_accepted, revoked_at is not null as is_revoked, ${tagVersion} as version
        from invitations where organization_id = ${organization_id} and id = ${id} for no key update),
      changed as (
        update invitations i set revoked_at = now() from seen
        where i.organization_id = ${organization_id} and i.id = seen.id and not is_accepted and not is_revoked
          ${condition === undefined ? sql`` : sql`and seen.version = any (${condition}::integer[])`} returning i.id)
      select is_accepted, is_revoked, changed.id is not null as is_changed from seen left join changed on true`,
    ),
    ([row]) => {
      if (row === undefined || row.is_revoked) throw new Problem('not-found')
      if (row.is_changed) return
      throw new Problem(row.is_accepted ? 'invitation-not-open' : 'entity-tag-stale')
    },
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

/** The number of invitations that a user can accept without their links, as SQL. */
export const countInvitations = (user_id: string): RawBuilder<number> =>
  sql<number>`(select count(*)::int from live_invitations where user_id = ${user_id})`
