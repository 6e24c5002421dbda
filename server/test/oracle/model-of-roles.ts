import type { Question } from './question.ts'
import type { Membership, World } from './world.ts'

// The part of the model about roles: what a role permits, and who may change roles and pass them on.

export type Permissions = Readonly<Record<string, string>>
export type Held = Pick<Membership, 'role' | 'role_id'>
export const ladder: readonly string[] = ['viewer', 'member', 'admin', 'owner']

/** The permissions of a built-in role, or of a custom one of the organization: those of an administrator, at most. */
export function permissionsOf(
  { roles }: World,
  permissions: Permissions,
  organization_id: string,
  held: Held,
): string[] {
  const own = roles.find(row => row.organization_id === organization_id && row.id === held.role_id)
  const reach = ladder.slice(0, ladder.indexOf(held.role_id === null ? held.role : 'admin') + 1)
  const known = Object.keys(permissions).filter(word => reach.includes(permissions[word]!))
  return known.filter(word => held.role_id === null || own?.permissions.includes(word) === true).sort()
}

/** A role as `own_organizations` shows it. */
export const describeRole = ({ role, role_id }: Held, held: readonly string[]): string =>
  `${role_id === null ? role : `custom:${role_id}`}:${held.join()}`

interface Caller {
  /** The permissions of the caller's role, and the custom role itself. */
  own: readonly string[]
  role_id: string | null | undefined
  /** Whether the caller can see anything at all, and whether as a member who may write roles. */
  account: boolean
  writes: boolean
}

/** No one gives, takes, offers or changes a role with a permission that they do not hold. */
export function rulesOfRoles(world: World, permissions: Permissions, question: Question, caller: Caller) {
  const { organization_id, place, permission, custom, word } = question
  const { own, account, writes } = caller
  const isHere = (row: { organization_id: string }): boolean => row.organization_id === organization_id
  const covers = (held: Held): boolean =>
    permissionsOf(world, permissions, organization_id, held).every(one => own.includes(one))
  const isLive = (id: string | null): boolean => world.roles.some(row => isHere(row) && row.id === id && !row.deleted)
  /** A restored member whose role was deleted is a viewer. */
  const restored = (after: Membership, before: Membership): Membership =>
    before.deleted &&
    !after.deleted &&
    after.role_id !== null &&
    before.role_id === after.role_id &&
    !isLive(after.role_id)
      ? { ...after, role: 'viewer', role_id: null }
      : after
  /** A membership has either a built-in role or a custom one, and gets only one that is not deleted. */
  const mayChange = (before: Held, { role, role_id }: Held): boolean =>
    role_id === null || (role === 'member' && (role_id === before.role_id || isLive(role_id)))
  const mayOffer = (held: Held): boolean =>
    covers(held) && (held.role_id === null || (held.role === 'member' && isLive(held.role_id)))

  const role = world.roles.find(row => writes && isHere(row) && row.id === custom)
  const rename = role === undefined || role.deleted ? '0' : covers({ role: 'member', role_id: custom }) ? '1' : 'rule'
  const holders = [
    ...world.memberships.filter(row => !row.deleted),
    ...world.invitations.filter(row => row.state === 'open'),
  ]
  const isHeld = holders.some(row => isHere(row) && row.role_id === custom)
  const base = ['organization:read', 'organization:leave']
  const isForRoles = ladder.slice(0, 3).includes(permissions[word] ?? '')
  const added = role === undefined ? 'rule' : role.permissions.includes(word) ? 'exists' : '1'
  const isPlace = writes && place === organization_id
  const mayTake = own.includes(word) && !(caller.role_id === custom && word === permission)
  const answers = {
    'insert a role': !isPlace ? '0' : base.every(one => own.includes(one)) ? '1' : 'rule',
    'rename a role': rename,
    'delete a role': rename === '1' && isHeld ? 'rule' : rename,
    // The rule is checked before the policy.
    'give a permission': !account || !isForRoles ? '0' : !own.includes(word) ? 'rule' : isPlace ? added : '0',
    'take a permission':
      role?.permissions.includes(word) !== true || base.includes(word) ? '0' : mayTake ? '1' : 'rule',
  }
  return { covers, mayChange, restored, mayOffer, answers }
}
