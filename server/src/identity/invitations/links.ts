import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import { roleRules } from '../../directory/organizations/held-role.ts'
import { statement, tables } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import { Id, Strict, Time } from '../../platform/schemas.ts'
import { tokenKind } from '../../platform/tokens/one-time-tokens.ts'

const query = tables('tenant', 'invitations', 'invitation_links')

/** The trigger in links.sql creates it, with the id of the row in `invitation_links`. It verifies no address. */
export const invitationLinkToken = tokenKind({
  purpose: 'invitation-link',
  seconds: 7 * 86400,
  details: Strict({ organization_id: Id, invitation_id: Id, version: Type.Integer(), made_by: Id }),
})

export const InvitationLink = Type.Object(
  {
    link: Type.String({ format: 'uri', maxLength: 2000, description: 'Shown only once.' }),
    expires_at: Time,
  },
  { title: 'InvitationLink' },
)

/**
 * Creates a link to an open invitation, to be handed over by the administrator; the former one becomes invalid. An
 * entry in the audit log names the administrator. Nothing depends on whether the address has an account.
 * @returns the id of its token, and when it expires @throws Problem not-found, invitation-ended, owner-required, role-exceeds-own
 */
export const createInvitationLink = (organization_id: string, invitation_id: string) =>
  statement(
    query
      .insertInto('invitation_links')
      .columns(['organization_id', 'invitation_id'])
      .expression(eb =>
        eb
          .selectFrom('invitations')
          .select(['organization_id', 'id'])
          .where('organization_id', '=', organization_id)
          .where('id', '=', invitation_id)
          .where('accepted_at', 'is', null)
          .where('revoked_at', 'is', null)
          // The invitation is not accepted or replaced before the link exists.
          .forShare(),
      )
      .returning(['id', 'expires_at']),
    ([made]) => {
      if (made === undefined) throw new Problem('not-found')
      return made
    },
    { invitation_links_open: 'invitation-ended', invitation_links_owner_by_owner: 'owner-required', ...roleRules },
  )

/** Whether a user may invite to the role of the row `invitations` now, as SQL. Both roles count as they are now. */
const mayInvite = (user_id: string | RawBuilder<unknown>) =>
  sql<boolean>`exists (select from live_inviters inviter
    where inviter.organization_id = invitations.organization_id and inviter.user_id = ${user_id}
      and permissions_of(invitations.organization_id, invitations.role, invitations.role_id)
        <@ permissions_of(inviter.organization_id, inviter.role, inviter.role_id))`

/**
 * Whether the user who made a link may still invite; true without a link. Otherwise an administrator could keep a link,
 * and return with it after a removal.
 */
export const mayHandOver = (made_by: string | undefined) =>
  made_by === undefined ? sql<boolean>`true` : mayInvite(made_by)

/**
 * Whether the inviter may still invite; an operator may. Otherwise a member about to lose a role could keep it by inviting
 * another address.
 */
export const mayStillInvite = sql<boolean>`(invitations.invited_by is null or ${mayInvite(sql.ref('invitations.invited_by'))})`
