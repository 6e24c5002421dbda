import { Problem } from '../problems.ts'
import type { Scope } from './scope.ts'

/** The row of the view `gate_state`. */
export interface GateState {
  live: boolean
  member: boolean
  second_factor_missing: boolean
  entitlement_missing: boolean
  permitted: boolean
  operator: boolean
  supported: boolean
  suspended_at: string | null
}

/** Why the gate of this scope is closed; undefined if it is open. */
export function refusalOf(scope: Scope, state: GateState | undefined): Problem | undefined {
  if (scope.support_id !== undefined) {
    if (state?.supported !== true) return new Problem('support-access-ended')
    if (state.permitted) return undefined
    if (state.suspended_at !== null) return suspended(state)
    return new Problem(state.second_factor_missing ? 'second-factor-required' : 'support-access-limited')
  }
  if (state?.live !== true) return new Problem('session-ended')
  if (scope.permission === undefined) return undefined
  if (!state.member && scope.operation === undefined) return new Problem('membership-ended')
  if (state.permitted) return undefined
  if (state.suspended_at !== null) return suspended(state)
  // Who is no operator learns nothing about the organization that the operation names.
  if (scope.operation !== undefined && !state.operator) return new Problem('permission-missing')
  if (state.second_factor_missing) return new Problem('second-factor-required')
  if (state.entitlement_missing) return entitlementMissing(scope)
  if (!state.operator) return new Problem('permission-missing')
  // For an operator, only an organization that does not exist is closed.
  return scope.organization_id === undefined ? undefined : new Problem('not-found')
}

const suspended = ({ suspended_at }: GateState): Problem =>
  new Problem('organization-suspended', { extension: { suspended_at } })

/** The organization does not have what the route requires. */
const entitlementMissing = ({ requires }: Scope): Problem =>
  new Problem('entitlement-missing', { extension: { entitlement: requires } })
