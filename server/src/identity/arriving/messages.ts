import { Type } from 'typebox'
import type { Static } from 'typebox'
import { HeldRole } from '../../directory/organizations/held-role.ts'
import { Id } from '../../platform/schemas.ts'

/** The membership that began. */
export const AcceptedInvitation = Type.Object(
  { organization_id: Id, user_id: Id, role: HeldRole.role, role_id: HeldRole.role_id },
  { title: 'AcceptedInvitation' },
)
export type AcceptedInvitation = Static<typeof AcceptedInvitation>
