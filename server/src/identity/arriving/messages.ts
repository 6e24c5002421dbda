import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Role_ } from '../../directory/organizations/organizations.ts'
import { Id } from '../../platform/schemas.ts'

/** The membership that began. */
export const AcceptedInvitation = Type.Object(
  { organization_id: Id, user_id: Id, role: Role_ },
  { title: 'AcceptedInvitation' },
)
export type AcceptedInvitation = Static<typeof AcceptedInvitation>
