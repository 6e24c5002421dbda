import type { Question } from './question.ts'
import type { World } from './world.ts'

// What organizations are entitled to, written from docs/guides/licenses.md: the part of the model about licenses.

const currentOf = (world: World, organization_id: string) =>
  world.allowances.filter(
    row =>
      row.organization_id === organization_id &&
      (row.state === 'live' || (row.state === 'expired' && row.on_expiry !== 'restrict')),
  )

/** Whether the organization may add something: not if all that it has left is good for reading. */
export function mayAdd(world: World, organization_id: string): boolean {
  const current = currentOf(world, organization_id)
  return current.length === 0 || current.some(({ state, on_expiry }) => state === 'live' || on_expiry === 'keep')
}

/** The entitlements of an organization; one that allows no changes any more is good for reading. */
function entitlementsOf(world: World, organization_id: string): { code: string; writes: boolean }[] {
  const current = currentOf(world, organization_id)
  const granted = current.flatMap(({ entitlements, state, on_expiry }) =>
    entitlements.map(code => ({ code, writes: state === 'live' || on_expiry === 'keep' })),
  )
  const byDefault = world.defaults.flatMap(({ entitlements }) => entitlements.map(code => ({ code, writes: true })))
  return current.length > 0 ? granted : byDefault
}

/** Whether the organization has the entitlement that the question requires. */
export const isEntitled = (world: World, { requires, organization_id, permission }: Question): boolean =>
  requires === '' ||
  entitlementsOf(world, organization_id).some(
    ({ code, writes }) => code === requires && (writes || permission.endsWith(':read')),
  )

/** The codes as `own_organizations` shows them. */
export const describeEntitlements = (world: World, organization_id: string): string =>
  [...new Set(entitlementsOf(world, organization_id).map(({ code }) => code))].sort().join()
