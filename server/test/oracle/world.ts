// Random worlds, from a seed. The model reads a world directly; oracle.ts loads it into the tables.

export type Role = 'viewer' | 'member' | 'admin' | 'owner'

export interface Membership {
  organization_id: string
  user_id: string
  role: Role
  /** A custom role of the organization, which then counts instead. */
  role_id: string | null
  title: string
  disabled: boolean
  deleted: boolean
  /** Deleted by an administrator, recently. */
  removed: boolean
}
type OfOrganization = { id: string; organization_id: string }

type Held = Pick<Membership, 'role' | 'role_id'>

export interface World {
  users: {
    id: string
    superuser: boolean
    /** A superuser for more than a week, and by whom. */
    senior: boolean
    made_by: string | null
    guest: boolean
    verified: boolean
    disabled: boolean
    deleted: boolean
  }[]
  organizations: {
    id: string
    kind: 'personal' | 'team'
    second_factor_required: boolean
    suspended: boolean
    deleted: boolean
  }[]
  memberships: Membership[]
  roles: (OfOrganization & { permissions: string[]; deleted: boolean })[]
  sessions: { id: string; user_id: string; revoked: boolean; expired: boolean; second_factor: boolean }[]
  projects: OfOrganization[]
  /** `stale`: asked for more than a week ago. */
  supports: (OfOrganization & {
    operator_id: string
    role: 'viewer' | 'member'
    state: 'requested' | 'stale' | 'scheduled' | 'open' | 'expired' | 'ended' | 'denied'
  })[]
  /** The permissions that support access has at most. */
  supported: readonly string[]
  /** `to` is the user whose address is invited, or an id without a user. */
  invitations: (OfOrganization &
    Held & {
      /** Null: an operator. */
      invited_by: string | null
      to: string
      state: 'open' | 'expired' | 'revoked' | 'accepted'
    })[]
  history: OfOrganization[]
  allowances: (OfOrganization & {
    entitlements: string[]
    state: 'live' | 'future' | 'expired'
    on_expiry: 'restrict' | 'read-only' | 'keep'
  })[]
  /** At most one: what organizations without an allowance are entitled to. */
  defaults: { entitlements: string[] }[]
  devices: { id: string; user_id: string; revoked: boolean }[]
  /** Some users have one row in each other table of a user's own rows. */
  fixtures: { id: string; user_id: string }[]
}

/** Numbers between 0 and 1 that depend only on the seed (mulberry32). */
export function createRandom(seed: number) {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)]!
  return {
    below,
    pick,
    chance: (share: number): boolean => next() < share,
    some: <Item>(items: readonly Item[], share: number): Item[] => items.filter(() => next() < share),
    times: <Item>(count: number, make: (n: number) => Item): Item[] => Array.from({ length: count }, (_, n) => make(n)),
    id: (): string =>
      Array.from({ length: 8 }, () => below(65_536).toString(16).padStart(4, '0'))
        .join('')
        .replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-7$3-8$4-$5'),
  }
}
export type Random = ReturnType<typeof createRandom>

export const roles = ['viewer', 'member', 'admin', 'owner'] as const

/** The first one is in custom roles, where no constraint prevents it. */
export const unknownPermissions = [
  'everything:write',
  'projects',
  'projects:read ',
  'admin:everything:read',
  'admin:%',
  '%',
]

export const entitlements = ['alpha', 'beta']

/** The states of memberships: most have not ended. */
const endings = [
  ...Array.from({ length: 18 }, () => ({ deleted: false, removed: false })),
  { deleted: true, removed: false },
  { deleted: true, removed: true },
]

/** Mostly valid, and in every state that closes a gate. */
export function createWorld(
  { id, below, chance, pick, some, times }: Random,
  permissions: readonly string[],
  supported: readonly string[],
): World {
  const ids = times(9, id)
  const users = ids.map(id => ({
    id,
    superuser: chance(0.25),
    senior: chance(0.7),
    made_by: chance(0.6) ? pick(ids) : null,
    guest: chance(0.15),
    verified: chance(0.7),
    disabled: chance(0.05),
    deleted: chance(0.05),
  }))
  const organizations = times(5, () => ({
    id: id(),
    kind: pick(['team', 'team', 'personal'] as const),
    second_factor_required: chance(0.3),
    suspended: chance(0.15),
    deleted: chance(0.1),
  }))
  // Ids are unique only within an organization: two organizations may have a role with the same id.
  const roleIds = times(6, id)
  const ownRoles = organizations.flatMap(organization =>
    some(roleIds, 0.3).map(id => ({
      id,
      organization_id: organization.id,
      permissions: some([...permissions, unknownPermissions[0]!], pick([0.1, 0.4, 0.8])),
      deleted: chance(0.15),
    })),
  )
  const rolesIn = (organization_id: string, isEnded: boolean) =>
    ownRoles.filter(row => row.organization_id === organization_id && (isEnded || !row.deleted))
  const memberships = organizations.flatMap(organization => {
    const members = some(users, 0.6)
    return (members.length > 0 ? members : [pick(users)]).map((user): Membership => {
      const role = user.guest ? 'viewer' : pick([...roles, 'member'] as const)
      const ending = pick(endings)
      const own = rolesIn(organization.id, ending.deleted)
      return {
        organization_id: organization.id,
        user_id: user.id,
        role,
        role_id: role === 'member' && own.length > 0 && chance(0.8) ? pick(own).id : null,
        title: '',
        disabled: chance(0.07),
        ...ending,
      }
    })
  })
  /** Only what an invitation offers that can no longer be accepted may be a deleted role. */
  const offer = (organization_id: string, isEnded: boolean): Held => {
    const own = rolesIn(organization_id, isEnded)
    return own.length > 0 && chance(0.6)
      ? { role: 'member', role_id: pick(own).id }
      : { role: pick(roles), role_id: null }
  }
  const inOrganizations = (most: number) =>
    organizations.flatMap(({ id: organization_id }) => times(below(most + 1), () => ({ id: id(), organization_id })))
  return {
    users,
    organizations,
    memberships,
    roles: ownRoles,
    sessions: users.flatMap(user =>
      times(1 + below(3), () => ({
        id: id(),
        user_id: user.id,
        revoked: chance(0.07),
        expired: chance(0.07),
        second_factor: chance(0.6),
      })),
    ),
    projects: inOrganizations(4),
    supports: organizations.flatMap(({ id: organization_id }) =>
      some(users, 0.4).map(({ id: operator_id }) => ({
        id: id(),
        organization_id,
        operator_id,
        role: pick(['viewer', 'member'] as const),
        state: pick([
          'open',
          'open',
          'open',
          'requested',
          'requested',
          'stale',
          'scheduled',
          'expired',
          'ended',
          'denied',
        ] as const),
      })),
    ),
    supported,
    // At most one to each address in an organization.
    invitations: organizations.flatMap(({ id: organization_id }) =>
      [...some(users, 0.6).map(user => user.id), ...times(below(3), id)].map(to => {
        const state = pick(['open', 'open', 'open', 'expired', 'revoked', 'accepted'] as const)
        const member = pick(memberships.filter(row => row.organization_id === organization_id)).user_id
        const invited_by = chance(0.15) ? null : member
        return { id: id(), organization_id, to, invited_by, state, ...offer(organization_id, state !== 'open') }
      }),
    ),
    history: inOrganizations(3),
    allowances: organizations.flatMap(({ id: organization_id }) =>
      times(below(3), () => ({
        id: id(),
        organization_id,
        entitlements: some(entitlements, 0.5),
        state: pick(['live', 'live', 'future', 'expired'] as const),
        on_expiry: pick(['restrict', 'read-only', 'keep'] as const),
      })),
    ),
    defaults: times(below(2), () => ({ entitlements: some(entitlements, 0.5) })),
    devices: users.flatMap(user => times(below(3), () => ({ id: id(), user_id: user.id, revoked: chance(0.3) }))),
    fixtures: some(users, 0.6).map(user => ({ id: id(), user_id: user.id })),
  }
}
