import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Role } from '../../platform/gate/permissions.ts'
import { requireCurrent } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Name, Nullable, OneOf, Strict } from '../../platform/schemas.ts'
import { affect, get, raw, statement, tables } from '../../platform/database/statement.ts'
import { GivenRole, heldRole, readGivenRole, roleRules } from '../organizations/held-role.ts'
import { guestRules, seatRules } from '../organizations/organizations.ts'
import { getMember, isRestorable, statusOf } from './member-list.ts'
import type { MemberRow } from './member-list.ts'

const query = tables('tenant', 'memberships', 'users', 'roles', 'gate')

const placeFields = {
  title: Type.Optional(Nullable(Name)),
  company: Type.Optional(Nullable(Name)),
  status: Type.Optional(
    OneOf(['active', 'disabled'], {
      description:
        'A disabled member has no access to the organization; the account and other organizations are not affected.',
    }),
  ),
}
export const MemberChanges = Strict({ ...GivenRole, ...placeFields }, { title: 'MemberChanges', minProperties: 1 })
export type MemberChanges = Static<typeof MemberChanges>
export const MemberReplacement = Strict(
  { ...GivenRole, ...placeFields },
  {
    title: 'MemberReplacement',
    description: 'A role is required; `status` keeps its value if it is omitted; the other fields are reset.',
  },
)

/**
 * Locks a member for a change, together with the caller's own membership: an owner who has just lost the role cannot
 * make another member an owner. @throws Problem not-found
 */
const lockMember = (organization_id: string, user_id: string) =>
  get(
    query
      .with('locked', members =>
        members
          .selectFrom('memberships')
          .select(['user_id', 'role', 'version', 'disabled_at', 'deleted_at', 'removed_at'])
          .where('organization_id', '=', organization_id)
          .where(eb => eb('user_id', 'in', [eb.val(user_id), sql<string>`(select user_id from gate)`]))
          // Every lock of memberships uses this order, to prevent deadlocks.
          .orderBy('user_id')
          .forNoKeyUpdate(),
      )
      .selectFrom('locked as memberships')
      .innerJoin('users', 'users.id', 'memberships.user_id')
      .innerJoin('locked as own', join => join.onRef('own.user_id', '=', sql`(select user_id from gate)`))
      .select(['memberships.role', 'own.role as actor_role'])
      .select([
        sql<number>`memberships.version + users.version`.as('version'),
        statusOf.as('status'),
        isRestorable.as('is_restorable'),
      ])
      .where('memberships.user_id', '=', user_id),
  )

interface LockedMember {
  role: Role
  actor_role: Role
}

/** Only a recently signed-in owner may grant or revoke the role owner. @throws Problem owner-required, step-up-required */
function requireOwner(
  { actor_role }: LockedMember,
  hasRecentSignIn: boolean,
  roles: readonly (Role | undefined)[],
): void {
  if (roles[0] === roles[1] || !roles.includes('owner')) return
  if (actor_role !== 'owner') throw new Problem('owner-required')
  if (!hasRecentSignIn) throw new Problem('step-up-required')
}

export interface ChangeRules {
  condition: Condition
  /** Whether the caller has a recent sign-in, which a change of ownership requires. */
  hasRecentSignIn: boolean
}

const ownerRules = {
  ...guestRules,
  ...seatRules,
  memberships_disabled_by_another: 'own-membership',
  memberships_keep_an_owner: 'last-owner',
  memberships_owner_by_owner: 'owner-required',
  memberships_restorable: 'member-not-restorable',
  ...roleRules,
} as const

/**
 * Changes a member's role, title or company, or disables or enables the member.
 * @throws Problem not-found, guest-limited, member-account-deleted, entity-tag-stale, last-owner, own-membership,
 * owner-required, role-exceeds-own, seats-exhausted, step-up-required; invalid-fields when there is no such role, or `role` and `role_id` differ
 */
export async function changeMember(
  transaction: Transaction<'tenant'>,
  organization_id: string,
  user_id: string,
  changes: MemberChanges,
  { condition, hasRecentSignIn }: ChangeRules,
): Promise<MemberRow> {
  const { role, role_id, status: wanted, ...fields } = changes
  const given = readGivenRole({ role, role_id })
  const current = await transaction.run(getMember(organization_id, user_id))
  const member = await transaction.run(lockMember(organization_id, user_id))
  if (member.status === 'account-deleted') throw new Problem('member-account-deleted')
  if (member.status === 'removed' || member.status === 'left') throw new Problem('not-found')
  requireCurrent(condition, member.version)
  const status = wanted ?? member.status
  requireOwner(member, hasRecentSignIn, [member.role, given?.role ?? member.role])
  if (status !== member.status) requireOwner(member, hasRecentSignIn, [member.role, undefined])
  const changed = await transaction.run(
    get(
      query
        .updateTable('memberships')
        .set({
          ...fields,
          ...given,
          ...(status === member.status ? {} : { disabled_at: status === 'disabled' ? sql<string>`now()` : null }),
        })
        .where('organization_id', '=', organization_id)
        .where('user_id', '=', user_id)
        .returning(['title', 'company', 'updated_at'])
        .returning(heldRole('memberships')),
      ownerRules,
    ),
  )
  // Not read again: callers who lower their own role can no longer pass the gate.
  return { ...current, ...changed, status, version: current.version + 1 }
}

/**
 * Removes a member, even if the account is deleted and could be restored with the membership; the row stays.
 * @throws Problem not-found, entity-tag-stale, last-owner, owner-required, role-exceeds-own, step-up-required
 */
export async function removeMember(
  transaction: Transaction<'tenant'>,
  organization_id: string,
  user_id: string,
  { condition, hasRecentSignIn }: ChangeRules,
): Promise<void> {
  const member = await transaction.run(lockMember(organization_id, user_id))
  if (member.status === 'removed' || member.status === 'left') throw new Problem('not-found')
  requireCurrent(condition, member.version)
  requireOwner(member, hasRecentSignIn, [member.role, undefined])
  await transaction.run(
    affect(
      query
        .updateTable('memberships')
        .set({ deleted_at: sql<string>`now()` })
        .where('organization_id', '=', organization_id)
        .where('user_id', '=', user_id)
        .returning('user_id'),
      ownerRules,
    ),
  )
}

/**
 * Restores a membership that an administrator ended in the last 30 days, and notifies the user by email.
 * If the member had a custom role that was deleted since, the role is then `viewer`.
 * @throws Problem not-found, already-member, guest-limited, member-not-restorable, owner-required, role-exceeds-own,
 * seats-exhausted, step-up-required
 */
export async function restoreMember(
  transaction: Transaction<'tenant'>,
  organization_id: string,
  user_id: string,
  hasRecentSignIn: boolean,
): Promise<MemberRow> {
  const member = await transaction.run(lockMember(organization_id, user_id))
  if (member.status === 'active' || member.status === 'disabled') throw new Problem('already-member')
  if (!member.is_restorable) throw new Problem('member-not-restorable')
  requireOwner(member, hasRecentSignIn, [undefined, member.role])
  await transaction.run(
    affect(
      query
        .updateTable('memberships')
        .set({ deleted_at: null })
        .where('organization_id', '=', organization_id)
        .where('user_id', '=', user_id)
        .returning('user_id'),
      ownerRules,
    ),
  )
  return transaction.run(getMember(organization_id, user_id))
}

/** Ends the current user's membership. @throws Problem last-owner */
export const leaveOrganization = (organization_id: string, user_id: string) =>
  affect(
    query
      .updateTable('memberships')
      .set({ deleted_at: sql<string>`now()` })
      .where('organization_id', '=', organization_id)
      .where('user_id', '=', user_id)
      .where('deleted_at', 'is', null)
      .returning('user_id'),
    ownerRules,
  )

/** Makes another member the owner, and the caller an administrator, in one statement. @throws Problem guest-limited, last-owner */
export const transferOrganization = (organization_id: string, from: string, to: string) =>
  statement(
    raw(
      query,
      sql<{ user_id: string }>`
      update memberships set role = case when user_id = ${to} then 'owner' else 'admin' end, role_id = null
      from (select hold_users(hold_accounts(array(select user_id from memberships where organization_id = ${organization_id} and user_id in (${from}, ${to})
        order by user_id for no key update)))) as held
      where organization_id = ${organization_id} and deleted_at is null and disabled_at is null and user_id in (${from}, ${to})
        and ${from}::uuid <> ${to}::uuid
        and exists (select from memberships m where m.organization_id = ${organization_id} and m.user_id = ${to} and m.deleted_at is null and m.disabled_at is null)
      returning user_id`,
    ),
    rows => {
      if (rows.length < 2) throw invalidField('/user_id', 'must be another member of this organization')
    },
    ownerRules,
  )
