import { sql } from 'kysely'
import type { Scope } from './scope.ts'
import { find, tables } from './statement.ts'
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

/** Whether the scope's permission allows an operator to change something. */
export const recordsOperation = ({ operation, permission }: Scope): boolean =>
  operation !== undefined && operation.isLookUp !== true && permission?.endsWith(':read') !== true

/** The first statement of a transaction: it returns a row if the gate of the scope is open. */
export function opening({ permission, operation, organization_id }: Scope): Statement<LoginName, unknown> {
  if (permission === undefined) return openSelf
  if (operation === undefined) return openGate
  if (operation.isLookUp === true) return find(query.selectFrom('operator').select('session_id'))
  const { name, entity_type = null, entity_id = null, details } = operation
  const begun = sql<boolean>`begin_operation(${name}, ${entity_type}, ${entity_id}, ${details === undefined ? null : JSON.stringify(details)})`
  return organization_id === undefined
    ? find(query.selectFrom('operator').select('session_id').where(begun))
    : find(query.selectFrom('gate').select('session_id').where(begun))
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
