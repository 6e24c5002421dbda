import { describeRole, permissionsOf, rulesOfRoles } from './model-of-roles.ts'
import type { Permissions } from './model-of-roles.ts'
import { permissionsOfSupport, rulesOfSupport } from './model-of-support.ts'
import { describeEntitlements, isEntitled, mayAdd } from './model-of-licenses.ts'
import type { Question } from './question.ts'
import type { Membership, World } from './world.ts'

// Who may do what, written independently from the documents (docs/guides/isolation.md, docs/reference/permissions.md):
// pure functions of a world and a question that share nothing with the SQL. oracle.ts compares the two.

/** An answer to each part of a question, as text: the visible ids, or the number of rows that a statement changes. */
export type Answers = Record<string, string>
/** The permissions that allow writes to a table, if not `<table>:write` alone. */
const writers: Readonly<Record<string, readonly string[]>> = {
  organizations: ['organization:write', 'organization:delete', 'admin:organizations:write'],
  memberships: ['members:write', 'organization:leave', 'organization:transfer', 'invitations:write'],
  support_grants: ['support:write', 'admin:support:write'],
  invitations: ['invitations:write', 'admin:users:write'],
}
const viewer = { role: 'viewer', role_id: null } as const
const isCurrent = (row?: { disabled: boolean; deleted: boolean }): boolean => row?.disabled === false && !row.deleted
const isOwner = (row: Membership): boolean => row.role === 'owner' && isCurrent(row)
const liveOwnerOf = (w: World) => (m: Membership) => isOwner(m) && isCurrent(w.users.find(u => u.id === m.user_id))
/** What was neither accepted nor revoked; only then does the offered role count. */
const isStanding = ({ state }: World['invitations'][number]): boolean => state === 'open' || state === 'expired'
const sorted = (ids: string[]): string => ids.sort().join(' ')
const idsOf = (rows: { id: string }[]): string => sorted(rows.map(({ id }) => id))
const count = (rows: unknown[]): string => String(rows.length)
const all = (parts: string[], answer: string): Answers => Object.fromEntries(parts.map(part => [part, answer]))

/** The state of the caller: live, a current member, with the required second factor, and with the permission. */
export function standingOf(world: World, permissions: Permissions, question: Question) {
  const { session_id, organization_id, permission, support_id } = question
  const session = world.sessions.find(({ id }) => id === session_id)
  const user = world.users.find(({ id }) => id === session?.user_id)
  const isSupport = support_id !== ''
  const isLive = session !== undefined && !session.revoked && !session.expired && isCurrent(user)
  const live = isLive && !isSupport // no account is reached through support access
  const organization = world.organizations.find(({ id, deleted }) => id === organization_id && !deleted)
  const members = world.memberships.filter(row => row.organization_id === organization?.id)
  const membership = isSupport ? undefined : members.find(row => row.user_id === user?.id && isCurrent(row))
  const given = isSupport ? permissionsOfSupport(world, permissions, question, user) : []
  const supported = isLive && organization !== undefined && !given.includes('closed')
  const lacksFactor = organization?.second_factor_required === true && session?.second_factor === false
  const least = permissions[permission]
  const isOperator = permission.startsWith('admin:')
  const own = membership === undefined ? [] : permissionsOf(world, permissions, organization_id, membership)
  const entitled = isEntitled(world, question)
  const held = isSupport ? given.includes(permission) : isOperator ? user?.superuser === true : own.includes(permission)
  const may = isLive && organization !== undefined && least !== undefined && held && entitled
  const hasOther = members.filter(row => row.user_id !== user?.id).some(liveOwnerOf(world))
  const waysOut = hasOther ? /^organization:leave$/ : /^organization:(leave|transfer|delete)$/
  const isSuspended = organization?.suspended === true && !isOperator
  const open =
    may && (!lacksFactor || waysOut.test(permission)) && (!isSuspended || permission === 'organization:leave')
  const role = isOperator ? 'superuser' : membership?.role
  const reads = may && !lacksFactor && !isSuspended
  const caller = { session, user, live, membership, role, own, isOperator, isSupport, supported }
  return { ...caller, lacksFactor, isSuspended, entitled, open, reads }
}

/** The invitations that a user can accept without a link: the inviter still has every permission of the role. */
const acceptableBy = (
  world: World,
  permissions: Permissions,
  user: World['users'][number] | undefined,
): World['invitations'] =>
  world.invitations.filter(row => {
    const { organization_id, to, state, invited_by } = row
    const inviter = world.memberships.find(one => one.organization_id === organization_id && one.user_id === invited_by)
    const stays = isCurrent(inviter) && isCurrent(world.users.find(({ id }) => id === invited_by))
    const exists = world.organizations.some(one => one.id === organization_id && !one.deleted && !one.suspended)
    const own = inviter === undefined ? [] : permissionsOf(world, permissions, organization_id, inviter)
    const offered = ['invitations:write', ...permissionsOf(world, permissions, organization_id, row)]
    const mayGive = invited_by === null || (stays && offered.every(word => own.includes(word))) // null: an operator
    return user?.verified === true && to === user.id && state === 'open' && exists && mayGive
  })

/** An invitation as `own_invitations` shows it: a guest is a viewer. */
const describeOffer = ({ id, role, role_id }: World['invitations'][number], isGuest: boolean): string =>
  isGuest ? `${id}:viewer` : role_id === null ? `${id}:${role}` : `${id}:custom:${role_id}`

/** What is visible: the ids of the rows of each table, and the results of the views and functions of the gate. */
export function read(world: World, permissions: Permissions, question: Question): Answers {
  const standing = standingOf(world, permissions, question)
  const { session, user, live, membership, lacksFactor, isSuspended, open, reads, role } = standing
  const { isOperator, isSupport, supported, entitled } = standing
  const { permission, organization_id } = question
  const here = <Row extends { organization_id: string }>(rows: Row[]) =>
    rows.filter(row => reads && row.organization_id === organization_id)
  const people = <Row extends { organization_id: string }>(rows: Row[]) => (isSupport ? [] : here(rows))
  const own = <Row extends { user_id: string }>(rows: Row[]) => rows.filter(row => live && row.user_id === user?.id)
  const isLost = membership === undefined && !isOperator
  const isToldOfFactor = lacksFactor && (membership !== undefined || user?.superuser === true)
  const unentitled = membership !== undefined && !entitled ? 'entitlement-missing' : 'permission-missing'
  const missing = isSupport ? 'support-access-limited' : unentitled
  const unsuspended = isToldOfFactor ? 'second-factor-required' : missing
  const refusal = membership !== undefined && isSuspended && !isSupport ? 'organization-suspended' : unsuspended
  const isEnded = isSupport ? !supported : !live
  const ended = isSupport ? 'support-access-ended' : 'session-ended'
  const places = own(world.memberships).filter(
    row => isCurrent(row) && world.organizations.some(({ id, deleted }) => id === row.organization_id && !deleted),
  )
  const isSuspendedAt = (place: string): boolean => world.organizations.some(row => row.id === place && row.suspended)
  const shownPlace = ({ organization_id: place, ...row }: Membership): string =>
    `${place}:${describeRole(row, permissionsOf(world, permissions, place, row))}:${isSuspendedAt(place)}:${describeEntitlements(world, place)}`
  const shown = open && permission === 'organization:transfer' ? world.memberships : own(world.memberships)
  const members = reads
    ? people(world.memberships)
    : shown.filter(row => open && row.organization_id === organization_id)
  const colleagues = people(world.memberships).map(({ user_id }) => user_id)
  const fixtures = own(world.fixtures)
  const owners = sorted(fixtures.map(({ user_id }) => user_id))
  return {
    gate: open
      ? [session?.id, user?.id, organization_id, role, !permission.endsWith(':read')]
          .filter(part => part !== undefined)
          .join(' ')
      : '',
    verdict: isEnded ? ended : isLost && !isSupport ? 'membership-ended' : open ? 'open' : refusal,
    self: live ? `${session?.id} ${user?.id} ${session?.second_factor} ${user?.superuser} ${user?.verified}` : '',
    own_invitations: sorted(
      live ? acceptableBy(world, permissions, user).map(row => describeOffer(row, user?.guest === true)) : [],
    ),
    own_organizations: sorted(places.map(shownPlace)),
    organizations: open ? organization_id : '',
    memberships: sorted(members.map(({ user_id }) => user_id)),
    roles: idsOf(people(world.roles)),
    custom_role_permissions: sorted(
      people(world.roles).flatMap(row => row.permissions.map(word => `${row.id}:${word}`)),
    ),
    invitations: idsOf(people(world.invitations)),
    support_grants: idsOf(people(world.supports)),
    support_places: live && user?.superuser ? idsOf([...world.supports]) : '',
    projects: idsOf(here(world.projects)),
    audit_log: permission === 'audit:read' || isOperator ? idsOf(here(world.history)) : '',
    users: idsOf(world.users.filter(({ id }) => (live && id === user?.id) || colleagues.includes(id))),
    sessions: idsOf(own(world.sessions)),
    devices: idsOf(own(world.devices)),
    ...all(['identities', 'passkeys'], idsOf(fixtures)),
    ...all(['totp_factors', 'recovery_codes', 'idempotency_keys'], owners),
    retired_names: live ? '1' : '0',
  }
}

/**
 * The effect of a change: the number of rows that it reaches, `0` if it is refused, `rule` or `exists` if a constraint says so.
 * `later` is the world after another user's change, which happens before the commit of the `… late` parts.
 */
export function write(world: World, permissions: Permissions, question: Question, later: World): Answers {
  const standing = standingOf(world, permissions, question)
  const { session, user, live, open, role, membership, isOperator, isSupport, own: held } = standing
  const { permission, organization_id, place, person, member, fresh, flaw, role_id } = question
  const writes = (table: string): boolean => open && (writers[table] ?? [`${table}:write`]).includes(permission)
  const within = <Row extends { organization_id: string }>(table: string, rows: Row[]) =>
    rows.filter(row => writes(table) && row.organization_id === organization_id)
  const one = (may: boolean): string => (may ? '1' : '0')
  const has = (rows: { id: string }[], wanted: string): string => one(rows.some(({ id }) => id === wanted))
  // What this same transaction has changed counts as open, as it is in `kept`.
  const isOpenLater = (kept: Partial<World>): boolean =>
    standingOf({ ...later, ...kept }, permissions, question)[permission === '' ? 'live' : 'open']
  // The account's own rows: with a live session and, if a permission is named, one that the user has.
  const operates = isOperator && organization_id === '' && user?.superuser === true && permission in permissions
  const account = live && (permission === '' || open || operates)
  const caller = {
    own: held,
    role_id: membership?.role_id,
    account: isSupport ? open : account,
    writes: writes('roles'),
  }
  const { covers, mayChange, restored, answers } = rulesOfRoles(world, permissions, question, caller)
  const offering = { ...caller, own: isOperator ? Object.keys(permissions) : held } // operators offer any role
  const { mayOffer, covers: mayMake } = rulesOfRoles(world, permissions, question, offering)
  // Memberships have their own rules, which are checked before the policies. Undefined: no rule is violated.
  const ruleOn = (before: Membership, after: Membership): string | undefined => {
    const isOwn = after.user_id === user?.id
    const changed = Object.keys(after).filter(key => Object(before)[key] !== Object(after)[key])
    const only = (...keys: string[]): boolean => changed.every(key => keys.includes(key))
    const allowed: Record<string, boolean> = {
      'members:write': true,
      'organization:leave': after.deleted && isOwn && only('deleted') && changed.length === 1,
      'organization:transfer': only('role', 'role_id') && !after.role_id && after.role === (isOwn ? 'admin' : 'owner'),
    }
    if (allowed[permission] !== true) return '0'
    const isAboutOwners = [before.role, after.role].includes('owner') && !only('title', 'role_id')
    const mayDecide = open && after.organization_id === organization_id && role === 'owner'
    // An ended membership stays ended, unless an administrator removed it; if the account ended it, it is ended again.
    const isGone = world.users.some(({ id, deleted }) => id === after.user_id && deleted)
    const isKept = after.deleted ? isGone && !before.removed : before.removed && !isGone
    const isRaised = (before.deleted && changed.includes('deleted') && !isKept) || (isAboutOwners && !mayDecide)
    const isOwnEnd = isOwn && !before.disabled && after.disabled // no member disables the own membership
    // A guest is a viewer; memberships that have ended are not checked.
    const isGuest = world.users.some(({ id, guest }) => id === after.user_id && guest)
    const isPromoted = isGuest && !after.deleted && (after.role !== 'viewer' || after.role_id !== null)
    const isUncovered = permission === 'members:write' && !only('title') && !(covers(before) && covers(after))
    return isRaised || isOwnEnd || isPromoted || isUncovered || !mayChange(before, after) ? 'rule' : undefined
  }
  type Changes = (row: Membership) => Partial<Membership>
  const change = (changes: Changes, isMeant: (row: Membership) => boolean = () => true): string => {
    const members = within('memberships', world.memberships)
    const after = members.map(row => (isMeant(row) ? restored({ ...row, ...changes(row) }, row) : row))
    const broken = members.map((row, n) => (isMeant(row) ? ruleOn(row, after[n]!) : undefined)).find(Boolean)
    const losesOwner = members.some((row, n) => isOwner(row) && !isOwner(after[n]!))
    return broken ?? (losesOwner && !after.some(liveOwnerOf(world)) ? 'rule' : count(members.filter(isMeant)))
  }
  const isMember = (row: Membership): boolean => row.organization_id === place && row.user_id === member
  const isMine = (row: Membership): boolean => row.organization_id === place && row.user_id === user?.id
  const set = (changes: Partial<Membership>): string => change(() => changes, isMember)
  const leave = change(() => ({ deleted: true }), isMine)
  const title = change(() => ({ title: 'x' }))
  const titled = permission === 'members:write' ? Number(title) : 0
  const passOn: Changes = row => ({ role: row.user_id === user?.id ? 'admin' : 'owner', role_id: null })
  // A live session is enough to create a team, if all of its rows are new; the user becomes its owner.
  const mayCreate = live && permission === '' && question.kind === 'team' && !/organization|suspended/.test(flaw)
  const isCreated = mayCreate && organization_id === fresh
  const isGuest = user?.guest === true // who creates none
  const own = <Row extends { user_id: string }>(rows: Row[]) => rows.filter(row => account && row.user_id === user?.id)
  const sessions = own(world.sessions).filter(({ revoked }) => !revoked)
  const devices = own(world.devices).filter(({ revoked }) => !revoked)
  const isInPlace = place === organization_id
  const projects = within('projects', world.projects)
  const invitations = within('invitations', world.invitations)
  const organization = writes('organizations') && permission === 'organization:write'
  const isClosable = isInPlace && writes('organizations') && permission === 'organization:delete'
  const suspends = isInPlace && writes('organizations') && permission === 'admin:organizations:write'
  const isSuspendedPlace = world.organizations.some(({ id, suspended }) => id === place && suspended)
  const offer = invitations.find(({ id }) => id === question.invitation)
  const rename = answers['rename a role']
  const late = projects.length + Number(organization) + Number(rename) + (permission === '' ? devices.length : titled)
  const left = { memberships: world.memberships, roles: world.roles }
  const signedOut = { sessions: world.sessions.map(row => ({ ...row, second_factor: true })) }
  const closed = { organizations: world.organizations.map(row => ({ ...row, second_factor_required: false })) }
  return {
    ...answers,
    ...rulesOfSupport(world, question, { user, writes: writes('support_grants') }),
    'insert a project':
      !isInPlace || !writes('projects')
        ? '0'
        : mayAdd(world, question.place)
          ? `1 by ${isSupport ? question.support_id : user?.id}`
          : 'rule',
    ...all(['update projects', 'delete projects'], count(projects)),
    ...all(['update a project', 'lock a project', 'delete a project'], has(projects, question.project)),
    'insert an invitation': !isInPlace || !writes('invitations') ? '0' : mayOffer(question) ? '1' : 'rule',
    'update invitations': invitations.some(isStanding) && !mayMake(viewer) ? 'rule' : count(invitations),
    'extend an invitation': offer === undefined ? '0' : !isStanding(offer) || mayOffer(offer) ? '1' : 'rule',
    'revoke an invitation': has(invitations, question.invitation),
    'title members': title,
    'give a role': set({ role: question.role, role_id }),
    'disable a member': set({ disabled: true }),
    'end a membership': set({ deleted: true }),
    'end a membership again': set({ deleted: {} as never }), // with another timestamp
    'restore a member': set({ disabled: false, deleted: false }),
    'end the own membership': leave,
    'pass the organization on':
      permission === 'members:write' ? '0' : change(passOn, row => isMember(row) || isMine(row)),
    'rename organizations': one(organization),
    'demand a second factor':
      isInPlace && organization ? (role === 'owner' && session?.second_factor ? '1' : 'rule') : '0',
    'suspend or reactivate': one(suspends),
    'give a reason': one(suspends && isSuspendedPlace),
    'close the organization': one(isClosable),
    'insert an organization': isCreated && isGuest ? 'rule' : one(isCreated),
    'insert an organization again': isInPlace && (mayCreate || writes('organizations')) ? 'exists' : '0',
    'create a team':
      isCreated && isGuest ? 'rule' : one(isCreated && person === user?.id && question.role === 'owner' && flaw === ''),
    'update users': one(account),
    'update a user': one(account && person === user?.id),
    'revoke sessions': operates ? '0' : count(sessions), // an operator does not revoke the own session
    'revoke a session': operates && question.session === session?.id ? '0' : has(sessions, question.session),
    ...all(['bring a session back', 'choose an organization'], one(account && question.session === session?.id)),
    'revoke devices': count(devices),
    'revoke a device': has(devices, question.device),
    'rename passkeys': count(own(world.fixtures)),
    'insert a key': one(live && person === user?.id),
    'delete keys': count(world.fixtures.filter(row => live && row.user_id === user?.id)),
    'write late': rename === 'rule' ? 'rule' : late > 0 && isOpenLater({}) ? String(late) : '0',
    'leave late': permission === 'organization:leave' && (leave !== '1' || isOpenLater(left)) ? leave : '0',
    'sign out late': one(account && isOpenLater(signedOut)),
    'close late': one(isClosable && isOpenLater(closed)),
  }
}
