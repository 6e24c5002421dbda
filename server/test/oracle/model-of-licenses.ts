import type { Question } from './question.ts'
import type { World } from './world.ts'

// What organizations are entitled to, written from docs/guides/licenses.md: the part of the model about licenses.

/** The entitlements of an organization; one that allows no changes any more is good for reading. */
function entitlementsOf(world: World, organization_id: string): { code: string; writes: boolean }[] {
  const current = world.allowances.filter(
    row =>
      row.organization_id === organization_id &&
      (row.state === 'live' || (row.state === 'expired' && row.on_expiry !== 'restrict')),
  )
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
