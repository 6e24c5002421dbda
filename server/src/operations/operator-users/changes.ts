import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { recordEvents } from '../../directory/history/history.ts'
import { seatRules } from '../../directory/organizations/organizations.ts'
import { superuserRules } from '../../directory/users/users.ts'
import { requireCurrent } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { execute, get, tables } from '../../platform/database/statement.ts'
import type { PlainEvent } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import { Name, Nullable, Strict } from '../../platform/schemas.ts'
import { contestRules } from '../support/support.ts'
import { closeGates, hasOtherSuperuser, holdIfSuperusers, revokeSessionsOf } from './actions.ts'
import { accountDisabled, accountEnabled, superuserGranted, superuserRevoked } from './mails.ts'

const query = tables('system', 'users')

const names = {
  given_name: Type.Optional(Nullable(Name)),
  family_name: Type.Optional(Nullable(Name)),
  full_name: Type.Optional(Nullable(Name)),
}
const nameFields = ['given_name', 'family_name', 'full_name'] as const
const Disabled = Type.Boolean({ description: 'A disabled account cannot sign in, and its sessions are revoked.' })
const Superuser = Type.Boolean({ description: 'The platform role of operators. A change needs a recent sign-in.' })
const Guest = Type.Boolean({ description: 'Only for an account that is a viewer in every organization.' })

export const UserChanges = Strict(
  { disabled: Type.Optional(Disabled), superuser: Type.Optional(Superuser), guest: Type.Optional(Guest), ...names },
  { title: 'UserChanges', minProperties: 1 },
)
export const UserReplacement = Strict(
  { disabled: Disabled, superuser: Superuser, guest: Guest, ...names },
  { title: 'UserReplacement', description: 'Omitted names are reset.' },
)
type UserChanges = Static<typeof UserChanges>

/** What was changed, for the operators' log: of names only which, because an entry is never erased. */
export interface ChangedUser {
  [state: string]: unknown
  disabled?: boolean
  superuser?: boolean
  guest?: boolean
  names?: readonly string[]
}

interface Rules {
  condition: Condition
  /** The operator. */
  own_id: string
  /** Whether the operator has a recent sign-in, which a change of the platform role requires. */
  hasRecentSignIn: boolean
}

/**
 * Changes an account as an operator may: its names, whether it is disabled or a guest, and the platform role. Operators do
 * not disable themselves or revoke their own role. The user is notified by email. @returns what was changed
 * @throws Problem not-found, entity-tag-stale, guest-holds-roles, last-superuser, own-account, seats-exhausted (for one who is no longer a guest), step-up-required,
 * support-access-uncontested
 */
export async function changeUser(
  transaction: Transaction<'system'>,
  id: string,
  { disabled, superuser, guest, ...given }: UserChanges,
  { condition, own_id, hasRecentSignIn }: Rules,
): Promise<ChangedUser> {
  if (disabled === true || superuser === false) await transaction.run(holdIfSuperusers([id]))
  const user = await transaction.run(lockUser(id))
  requireCurrent(condition, user.version)
  const disables = disabled !== undefined && disabled !== user.disabled
  const promotes = superuser !== undefined && superuser !== user.superuser
  const loses = (disables && disabled) || (promotes && !superuser)
  if (loses && id === own_id) throw new Problem('own-account')
  if (promotes && !hasRecentSignIn) throw new Problem('step-up-required')
  if (loses && user.superuser && !(await transaction.run(hasOtherSuperuser([id])))) throw new Problem('last-superuser')
  if (disables || promotes) await closeGates(transaction, [id])
  const columns = {
    ...given,
    ...(disables && { disabled_at: disabled ? sql<string>`now()` : null }),
    ...(promotes && { superuser }),
    ...(guest !== undefined && { guest }),
  }
  if (Object.keys(columns).length > 0)
    await transaction.run(execute(query.updateTable('users').set(columns).where('id', '=', id), refusals))
  if (loses)
    await transaction.run(revokeSessionsOf([id], disables && disabled ? 'account-disabled' : 'superuser-revoked'))
  const events: readonly (PlainEvent | false)[] = [
    disables && (disabled ? accountDisabled : accountEnabled),
    promotes && (superuser ? superuserGranted : superuserRevoked),
  ]
  for (const event of events) if (event !== false) await transaction.run(recordEvents(event, [id]))
  const names = nameFields.filter(name => given[name] !== undefined && given[name] !== user[name])
  return {
    ...(disables && { disabled }),
    ...(promotes && { superuser }),
    ...(guest !== undefined && guest !== user.guest && { guest }),
    ...(names.length > 0 && { names }),
  }
}

const refusals = {
  ...superuserRules,
  ...seatRules,
  ...contestRules,
  users_guests_are_viewers: 'guest-holds-roles',
} as const

/** @throws Problem not-found (when read) */
const lockUser = (id: string) =>
  get(
    query
      .selectFrom('users')
      .select(['superuser', 'guest', 'version', ...nameFields])
      .select(sql<boolean>`disabled_at is not null`.as('disabled'))
      .where('id', '=', id)
      .where('erased_at', 'is', null)
      .forNoKeyUpdate(),
  )
