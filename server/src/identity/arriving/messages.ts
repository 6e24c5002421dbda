import { Type } from 'typebox'
import type { Static } from 'typebox'
import { HeldRole } from '../../directory/organizations/held-role.ts'
import { Email, Id, Name, Nullable } from '../../platform/schemas.ts'

/** What an invitation offers, for a page that asks whether to accept it. */
export const InvitationPreview = Type.Object(
  {
    organization_name: Name,
    inviter_name: Nullable(Name),
    email: Email,
    creates_account: Nullable(
      Type.Boolean({
        description:
          'Whether the address has no account yet, so that accepting needs a password. Null for a link that was handed over: its holder learns nothing about the address.',
      }),
    ),
  },
  { title: 'InvitationPreview' },
)
export type InvitationPreview = Static<typeof InvitationPreview>

/** The membership that began. */
export const AcceptedInvitation = Type.Object(
  { organization_id: Id, user_id: Id, role: HeldRole.role, role_id: HeldRole.role_id },
  { title: 'AcceptedInvitation' },
)
export type AcceptedInvitation = Static<typeof AcceptedInvitation>
