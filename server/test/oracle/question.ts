import { entitlements, roles, unknownPermissions } from './world.ts'
import type { Membership, Random, Role, World } from './world.ts'

// Random questions about a world, from a seed, and what another user changes while they are asked.

/** The settings of a transaction, and the rows that its statements are about. */
export interface Question {
  session_id: string
  organization_id: string
  permission: string
  /** The support access through which the caller acts, or empty. */
  support_id: string
  /** An entitlement that the route requires, or none. */
  requires: string
  /** The user of the session, as the attacker knows it. */
  me: string
  /** The organization of a new row, and the one that an existing row is moved to. */
  place: string
  elsewhere: string
  /** A user who is looked up, added or changed, and one who has a membership in `place`. */
  person: string
  member: string
  /** The new values of a membership or invitation. */
  role: Role
  role_id: string | null
  /** A custom role that is changed, and a permission that it gets or loses. */
  custom: string
  word: string
  /** The kind of a new organization, and what is wrong with it. */
  kind: 'personal' | 'team'
  flaw: '' | 'organization' | 'suspended' | 'membership'
  project: string
  support: string
  invitation: string
  device: string
  session: string
  /** An id that no row has. */
  fresh: string
  /** What another user changes before the commit, and whose. */
  change: string
  change_session: string
  change_user: string
  change_organization: string
}

/** Mostly asked by a user who may do something, about rows that the user can reach. */
export function createQuestion(random: Random, world: World, permissions: readonly string[]): Question {
  const { id, chance, pick } = random
  const pickId = (rows: { id: string }[]): string => (rows.length > 0 ? pick(rows).id : id())
  const through = world.supports.length > 0 && chance(0.2) ? pick(world.supports) : undefined
  const ofOperator = world.sessions.filter(({ user_id }) => user_id === through?.operator_id)
  const holder = pick(ofOperator.length > 0 && chance(0.95) ? ofOperator : world.sessions)
  const fresh = id()
  const mine = world.memberships.filter(({ user_id }) => user_id === holder.user_id)
  const home = mine.length > 0 && chance(0.8) ? pick(mine).organization_id : pick(world.organizations).id
  const founds = chance(0.08)
  const organization_id =
    through !== undefined && chance(0.9)
      ? through.organization_id
      : founds && chance(0.7)
        ? fresh
        : chance(0.04)
          ? ''
          : chance(0.04)
            ? id()
            : home
  const place = world.organizations.some(row => row.id === organization_id && chance(0.85))
    ? organization_id
    : pick(world.organizations).id
  const ofPlace = (row: { organization_id: string }): boolean => row.organization_id === place
  const own = (row: { user_id: string }): boolean => row.user_id === holder.user_id
  const near = <Row>(rows: Row[], isNear: (row: Row) => boolean): Row[] =>
    chance(0.4) && rows.some(isNear) ? rows.filter(isNear) : rows
  const ownRoles = world.roles.filter(ofPlace)
  const own_id = mine.find(row => row.organization_id === organization_id)?.role_id
  const held = world.roles.find(row => row.organization_id === organization_id && row.id === own_id)
  const role_id = ownRoles.length > 0 && chance(0.4) ? pick(near(ownRoles, row => row.id === own_id)).id : null
  const isOwn = chance(0.7)
  return {
    session_id: chance(0.03) ? '' : chance(0.03) ? id() : holder.id,
    organization_id,
    permission:
      through !== undefined && chance(0.8)
        ? pick(world.supported)
        : founds || chance(0.06)
          ? ''
          : chance(0.05)
            ? pick(unknownPermissions)
            : pick(chance(0.4) && held?.permissions[0] ? held.permissions : permissions),
    support_id: through === undefined ? '' : chance(0.95) ? through.id : id(),
    requires: chance(0.8) ? '' : pick([...entitlements, 'gamma']),
    me: holder.user_id,
    place,
    elsewhere: pick(world.organizations.filter(row => row.id !== place)).id,
    person: chance(founds ? 0.7 : 0.15)
      ? holder.user_id
      : pick(near(world.users, row => row.disabled || row.deleted)).id,
    member: pick(near(world.memberships.filter(ofPlace), row => own(row) || row.deleted)).user_id,
    role: founds && chance(0.7) ? 'owner' : role_id !== null && chance(0.8) ? 'member' : pick(roles),
    role_id,
    custom: pickId(near(ownRoles, row => row.id === held?.id || row.permissions.length < 4)),
    word: pick(near([...permissions, ...unknownPermissions], word => held?.permissions.includes(word) === true)),
    kind: chance(0.8) ? 'team' : 'personal',
    flaw: chance(0.7) ? '' : pick(['organization', 'suspended', 'membership'] as const),
    project: pickId(near(world.projects, ofPlace)),
    support: pickId(near(world.supports, ofPlace)),
    invitation: pickId(near(world.invitations, ofPlace)),
    device: pickId(near(world.devices, own)),
    session: pickId(near(world.sessions, own)),
    fresh,
    change: pick(Object.keys(changes)),
    change_session: isOwn ? holder.id : pick(world.sessions).id,
    change_user: isOwn ? holder.user_id : pick(world.users).id,
    change_organization: isOwn && organization_id !== '' ? organization_id : pick(world.organizations).id,
  }
}

interface Meanwhile {
  table: 'sessions' | 'users' | 'memberships' | 'roles' | 'organizations' | 'supports' | 'allowances'
  to: object
  /** The same in SQL, with the question's fields in `q`. */
  sql: string
}
const ofSession = 'where id = q.change_session'
const ofUser = 'where id = q.change_user'
const ofMembership = 'where user_id = q.change_user and organization_id = q.change_organization'
const ofOrganization = 'where id = q.change_organization'

/** What another user changes while a statement waits for its commit. */
export const changes: Readonly<Record<string, Meanwhile>> = {
  nothing: { table: 'users', to: {}, sql: `perform q.change` },
  'ends the session': {
    table: 'sessions',
    to: { revoked: true },
    sql: `update sessions set revoked_at = now() ${ofSession}`,
  },
  'lets the session expire': {
    table: 'sessions',
    to: { expired: true },
    sql: `update sessions set expires_at = now() - interval '1 second' ${ofSession}`,
  },
  'takes the second factor': {
    table: 'sessions',
    to: { second_factor: false },
    sql: `update sessions set second_factor_at = null ${ofSession}`,
  },
  'disables the user': {
    table: 'users',
    to: { disabled: true },
    sql: `update users set disabled_at = now() ${ofUser}`,
  },
  'deletes the user': { table: 'users', to: { deleted: true }, sql: `update users set deleted_at = now() ${ofUser}` },
  'takes the superuser': {
    table: 'users',
    to: { superuser: false },
    sql: `update users set superuser = false ${ofUser}`,
  },
  'disables the membership': {
    table: 'memberships',
    to: { disabled: true },
    sql: `update memberships set disabled_at = now() ${ofMembership}`,
  },
  'ends the membership': {
    table: 'memberships',
    to: { deleted: true },
    sql: `update memberships set deleted_at = now() ${ofMembership}`,
  },
  'lowers the role': {
    table: 'memberships',
    to: { role: 'viewer', role_id: null },
    sql: `update memberships set role = 'viewer', role_id = null ${ofMembership}`,
  },
  'takes the permission from the roles': {
    table: 'roles',
    to: {},
    sql: 'delete from custom_role_permissions where organization_id = q.change_organization and permission = q.permission',
  },
  'ends the support access': {
    table: 'supports',
    to: { state: 'ended' },
    sql: 'update support_grants set ended_at = now() where id::text = q.support_id',
  },
  'lets the support access expire': {
    table: 'supports',
    to: { state: 'expired' },
    sql: `update support_grants set opens_at = now() - interval '2 hours', expires_at = now() - interval '1 second' where id::text = q.support_id and opens_at is not null`,
  },
  'takes the allowances': {
    table: 'allowances',
    to: {},
    sql: 'delete from allowances where organization_id = q.change_organization',
  },
  'closes the organization': {
    table: 'organizations',
    to: { deleted: true },
    sql: `update organizations set deleted_at = now() ${ofOrganization}`,
  },
  'suspends the organization': {
    table: 'organizations',
    to: { suspended: true },
    sql: `update organizations set suspended_at = now(), suspended_reason = 'x' ${ofOrganization}`,
  },
  'demands a second factor': {
    table: 'organizations',
    to: { second_factor_required: true },
    sql: `update organizations set second_factor_required = true ${ofOrganization}`,
  },
}

/** The world after that change. */
export function changeWorld(world: World, question: Question): World {
  const { change, change_session, change_user, change_organization, permission, support_id } = question
  const { table, to } = changes[change]!
  const isMeant: Record<
    Exclude<Meanwhile['table'], 'roles' | 'allowances'>,
    (row: { id: string } & Membership) => boolean
  > = {
    sessions: ({ id }) => id === change_session,
    users: ({ id }) => id === change_user,
    memberships: row => row.user_id === change_user && row.organization_id === change_organization,
    organizations: ({ id }) => id === change_organization,
    supports: ({ id }) => id === support_id,
  }
  if (table === 'roles') {
    const isTaken = (row: World['roles'][number], word: string): boolean =>
      row.organization_id === change_organization && word === permission
    const left = world.roles.map(row => ({ ...row, permissions: row.permissions.filter(word => !isTaken(row, word)) }))
    return { ...world, roles: left }
  }
  if (table === 'allowances')
    return { ...world, allowances: world.allowances.filter(row => row.organization_id !== change_organization) }
  const rows = world[table] as unknown as ({ id: string } & Membership)[]
  return { ...world, [table]: rows.map(row => (isMeant[table](row) ? { ...row, ...to } : row)) }
}
