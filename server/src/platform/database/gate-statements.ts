import { sql } from 'kysely'
import type { Operation, Scope } from './scope.ts'
import { execute, find, raw, tables } from './statement.ts'
import type { LoginName, Statement } from './statement.ts'
import type { SettingValues } from '../connections/trip-query.ts'

/** The statements that ask the gate. */

const query = tables('either', 'gate', 'self', 'operator', 'gate_state')
/** Why a gate is closed: always one row. */
export const gateState = find(
  query
    .selectFrom('gate_state')
    .select(['live', 'member', 'second_factor_missing', 'entitlement_missing', 'permitted', 'operator', 'supported'])
    .select('suspended_at'),
)
const openGate = find(query.selectFrom('gate').select('session_id'))
const openSelf = find(query.selectFrom('self').select('session_id'))
const openOperator = find(query.selectFrom('operator').select('session_id'))

/** Whether the scope's permission allows an operator to change something. */
export const recordsOperation = ({ operation, permission }: Scope): boolean =>
  operation !== undefined && operation.isLookUp !== true && permission?.endsWith(':read') !== true

/** The first statement of a transaction: it returns a row if the gate of the scope is open. */
export function opening({ permission, operation, organization_id }: Scope): Statement<LoginName, unknown> {
  if (permission === undefined) return openSelf
  return operation !== undefined && (operation.isLookUp === true || organization_id === undefined)
    ? openOperator
    : openGate
}

/**
 * The last statement of an operator's transaction: it records the operation, and fails if the operator has lost the
 * permission meanwhile. @param result what the transaction returns, which the details may be about
 */
export function recording({ operation }: Scope, result: unknown): Statement<LoginName, unknown> {
  const { name, entity_type = null, entity_id = null, details } = operation as Operation
  const id = typeof entity_id === 'function' ? entity_id(result as never) : entity_id
  const told = typeof details === 'function' ? details(result as never) : details
  return execute(
    raw(
      query,
      sql`select log_operation(${name}, ${entity_type}, ${id}, ${told === undefined ? null : JSON.stringify(told)})`,
    ),
  )
}

/** The settings that the gate reads. */
export const settingsOf = (scope: Scope): SettingValues => [
  scope.session_id ?? '',
  scope.organization_id ?? '',
  scope.permission ?? '',
  JSON.stringify(scope.origin),
  scope.support_id ?? '',
  scope.requires ?? '',
]
