import type { Runner } from '../database/database.ts'
import type { Permission, RoleName } from './permissions.ts'

/** The maximum age of a recent sign-in. Seconds. */
export const STEP_UP_SECONDS = 600

/** A user with a session. */
export interface SessionPrincipal {
  readonly kind: 'session'
  readonly session_id: string
  readonly user_id: string
  /** When the user last signed in or stepped up. Unix seconds. */
  readonly auth_time: number
}

/** The support access of an operator, who also needs a valid session. */
export interface SupportPrincipal {
  readonly kind: 'support'
  readonly support_id: string
  readonly operator_id: string
  readonly session_id: string
}

/**
 * What an actor's access is based on: the row that the gate looks up. API keys, OAuth grants and agents will be other
 * kinds, with scopes that narrow the role.
 */
type Principal = SessionPrincipal | SupportPrincipal

/**
 * The authenticated caller. Each statement that runs through an actor passes the gate with the one permission that the
 * route declared. HTTP routes, tools, jobs and the command line all act through one.
 */
export interface Actor extends Runner<'tenant'> {
  readonly principal: Principal
  /** Under support access, the id of that access. */
  readonly user_id: string
  readonly session_id: string
  /** The organization that the access token names; routes with a permission always have one. */
  readonly organization_id: string
  readonly role: RoleName | undefined
  readonly email: string
  readonly auth_time: number
  /** The user's own rows; only a valid session is required. `within` selects one of the user's organizations. */
  readonly account: Account
}

export interface Account extends Runner<'tenant'> {
  /** With `permission`, asks the organization's gate (for the data export); without, the organization is being made. */
  within(organization_id: string, permission?: Permission): Runner<'tenant'>
}

/** Whether the sign-in is recent. */
export const isFresh = ({ auth_time }: { auth_time: number }): boolean =>
  Date.now() / 1000 - auth_time < STEP_UP_SECONDS
