import type { Runner, Transaction } from '../database/database.ts'
import type { Operation } from '../database/scope.ts'
import type { LoginName, Statement } from '../database/statement.ts'
import type { Permission, RoleName } from './permissions.ts'

/** The maximum age of a recent sign-in. Seconds. */
export const STEP_UP_SECONDS = 600

/** A user with a session. */
interface SessionPrincipal {
  readonly kind: 'session'
  readonly session_id: string
  readonly user_id: string
  /** When the user last signed in or stepped up. Unix seconds. */
  readonly auth_time: number
}

/** The support access of an operator, who also needs a valid session. */
interface SupportPrincipal {
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

/** A superuser's way to the database on one login, behind the `admin:` permission that the route declared. */
interface OperatorRunner<Login extends LoginName> {
  run<Result>(statement: Statement<Login, Result>): Promise<Result>
  transaction<Result>(work: (transaction: Transaction<Login>) => Promise<Result>): Promise<Result>
}

/**
 * The authenticated superuser, on routes with an `admin:` permission: the system login, which reads the rows of all
 * organizations. Operations that may change something are recorded in the operators' log, and in the audit log of the
 * organization that they name, with the commit. So everything that refuses one is decided within the transaction, or by
 * the statement that reads its rows.
 */
export interface Operator extends OperatorRunner<'system'> {
  readonly user_id: string
  readonly session_id: string
  /** Looks up what the operation is about, such as the organization of a row, before it begins; it is not recorded. */
  lookUp<Result>(statement: Statement<'system', Result>): Promise<Result>
  /** Names what the operation concerns; the default is the kind and the id in the route's path. */
  on(target: Omit<Operation, 'name'>): Operator
  /** The system login, which may then write rows of this organization. @throws Problem not-found (when it runs) */
  for(organization_id: string): Operator
  /** The tenant login, behind the gate of this organization. @throws Problem not-found (when it runs) */
  within(organization_id: string): OperatorRunner<'tenant'>
}

/** Whether the sign-in is recent. */
export const hasRecentSignIn = ({ auth_time }: { auth_time: number }): boolean =>
  Date.now() / 1000 - auth_time < STEP_UP_SECONDS
