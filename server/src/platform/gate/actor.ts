import type { Scope, Transaction } from '../database/database.ts'
import type { Statement } from '../database/statement.ts'
import type { Role } from './permissions.ts'

/**
 * Who asks, and the way to the rows: whatever runs through an actor passes the gate with the one permission that the
 * route declared. HTTP routes, tools, jobs and the command line all act through one.
 */
export interface Actor {
  readonly user_id: string
  readonly session_id: string
  /** The organization that the access token names; routes with a permission always have one. */
  readonly organization_id: string
  readonly role: Role | undefined
  readonly email: string
  /** When the person last proved who they are. Unix seconds. */
  readonly auth_time: number
  /** What the statements of this request run under. */
  readonly scope: Scope
  /** One statement, one round trip. */
  run<Result>(statement: Statement<Result>): Promise<Result>
  /** Several statements, all or nothing. */
  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result>
}
