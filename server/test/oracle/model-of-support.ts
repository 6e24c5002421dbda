import { ladder } from './model-of-roles.ts'
import type { Permissions } from './model-of-roles.ts'
import type { Question } from './question.ts'
import type { World } from './world.ts'

// The part of the model about support access (docs/guides/support-access.md): who may act through one, and who may ask for
// it, grant it and end it.

type User = World['users'][number]

/** What a support access that is open to this user permits. */
export function permissionsOfSupport(
  world: World,
  permissions: Permissions,
  question: Question,
  user?: User,
): string[] {
  const { supports, supported } = world
  const { support_id, organization_id } = question
  const access = supports.find(row => row.id === support_id && row.organization_id === organization_id)
  if (access?.state !== 'open' || access.operator_id !== user?.id || !user.superuser) return ['closed']
  const reach = ladder.slice(0, ladder.indexOf(access.role) + 1)
  return supported.filter(word => reach.includes(permissions[word] ?? ''))
}

/** Support access is decided once, and not by the operator who asked; in an emergency, by a second operator. */
export function rulesOfSupport(world: World, question: Question, caller: { user?: User | undefined; writes: boolean }) {
  const { organization_id, place, person, permission, support } = question
  const { user, writes } = caller
  const access = world.supports.find(row => writes && row.id === support && row.organization_id === organization_id)
  const isOperator = permission === 'admin:support:write'
  const isSecond = user?.senior === true && user.made_by !== access?.operator_id
  const mayGrant = access?.operator_id !== user?.id && (!isOperator || isSecond)
  const decide = (states: readonly string[], may: boolean): string =>
    access === undefined ? '0' : may && states.includes(access.state) ? '1' : 'rule'
  return {
    'ask for support access': writes && isOperator && place === organization_id && person === user?.id ? '1' : '0',
    'grant support access': decide(['requested'], mayGrant),
    'end support access': decide(['requested', 'scheduled', 'open'], true),
  }
}
