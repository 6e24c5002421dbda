import type { Runner } from '../database/database.ts'
import type { Permission, Role } from './permissions.ts'

/** How old a sign-in may be where a recent one is demanded. Seconds. */
export const STEP_UP_SECONDS = 600

/** A person on a signed-in device. */
export interface SessionPrincipal {
  readonly kind: 'session'
  readonly session_id: string
  readonly user_id: string
  /** When the person last signed in or stepped up. Unix seconds. */
  readonly auth_time: number
}

/**
 * What stands behind an actor: the row that the gate looks up. A session is the only kind today; API keys, grants of an
 * OAuth client and agents will be others, with scopes that narrow the role.
 */
type Principal = SessionPrincipal

/**
 * Who asks, and the way to the rows: whatever runs through an actor passes the gate with the one permission that the
 * route declared. HTTP routes, tools, jobs and the command line all act through one.
 */
export interface Actor extends Runner<'tenant'> {
  readonly principal: Principal
  readonly user_id: string
  readonly session_id: string
  /** The organization that the access token names; routes with a permission always have one. */
  readonly organization_id: string
  readonly role: Role | undefined
  readonly email: string
  readonly auth_time: number
  /** The person's own rows, behind a live session alone. `within` names an organization of theirs. */
  readonly account: Account
}

export interface Account extends Runner<'tenant'> {
  /** `permission` asks that organization's gate, as the export of a user's data does; without one it is being created. */
  within(organization_id: string, permission?: Permission): Runner<'tenant'>
}

/** Whether the sign-in is recent enough for what demands one. */
export const isFresh = ({ auth_time }: { auth_time: number }): boolean =>
  Date.now() / 1000 - auth_time < STEP_UP_SECONDS
