import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Role, RoleName } from '../../platform/gate/permissions.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Email, Id, Name, Nullable, OneOf, Strict, timestamps, Username } from '../../platform/schemas.ts'
import { affect, get, raw, statement, tables } from '../../platform/database/statement.ts'
import { GivenRole, HeldRole, heldRole, readGivenRole, roleRules } from '../organizations/held-role.ts'

const query = tables('tenant', 'memberships', 'users', 'roles', 'gate', 'own_organizations')

export const MemberStatus = OneOf(['active', 'disabled', 'account-deleted', 'removed'], {
  description:
    '`account-deleted`: restoring the account also restores the membership, unless the member is removed before. ' +
    '`removed`: removed by an administrator in the last 30 days; the membership can be restored.',
})

export const Member = Type.Object(
  {
    user_id: Id,
    email: Email,
    username: Nullable(Username),
    full_name: Nullable(Name),
    ...HeldRole,
    title: Nullable(Name),
    company: Nullable(Name),
    status: MemberStatus,
    ...timestamps,
  },
  { title: 'Member' },
)
export type Member = Static<typeof Member>
type MemberRow = Member & { version: number }

const placeFields = { title: Type.Optional(Nullable(Name)), company: Type.Optional(Nullable(Name)) }
export const MemberChanges = Strict({ ...GivenRole, ...placeFields }, { title: 'MemberChanges', minProperties: 1 })
export type MemberChanges = Static<typeof MemberChanges>
export const MemberReplacement = Strict(
  { ...GivenRole, ...placeFields },
  { title: 'MemberReplacement', description: 'Omitted fields are reset; a role is required.' },
)

const membershipColumns = [
  'memberships.user_id',
  'memberships.title',
  'memberships.company',
  'memberships.created_at',
  'memberships.updated_at',
] as const

/** The status of a membership. The deletion of the account ended it if both have the same `deleted_at`. */
const statusOf = sql<'active' | 'disabled' | 'account-deleted' | 'removed' | 'left'>`case
  when memberships.deleted_at is null then case when memberships.disabled_at is null then 'active' else 'disabled' end
  when memberships.removed_at is not null then 'removed'
  when memberships.deleted_at = users.deleted_at and users.erased_at is null then 'account-deleted' else 'left' end`

const isRestorable = sql<boolean>`coalesce(memberships.removed_at > now() - interval '30 days' and users.deleted_at is null, false)`

/** Who may change members also sees the memberships that can still be restored. */
const isManager = sql<boolean>`(select 'members:write' = any (permissions) from own_organizations where id = (select organization_id from gate))`

const memberRows = (organization_id: string) =>
  query
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select(membershipColumns)
    .select(heldRole('memberships'))
    .select(['users.email', 'users.username', 'users.full_name'])
    .select(statusOf.$castTo<Member['status']>().as('status'))
    // Both versions only increase, so the sum changes with either.
    .select(sql<number>`memberships.version + users.version`.as('version'))
    .where('memberships.organization_id', '=', organization_id)

/** Current members and, for callers who may change members, members whose account is deleted. */
const listedMembers = (organization_id: string) =>
  memberRows(organization_id).where(
    sql<boolean>`(memberships.deleted_at is null or ${statusOf} = 'account-deleted' and ${isManager})`,
  )

/** Memberships in one status. A membership with the status `removed` is not current. */
const membersInStatus = (organization_id: string, status: string) =>
  memberRows(organization_id).where(
    sql<boolean>`${statusOf} = ${status} and (memberships.deleted_at is null or ${isManager} and (memberships.removed_at is null or ${isRestorable}))`,
  )

interface MemberFilters {
  role?: RoleName
  role_id?: string
  status?: Member['status']
}

type FilterValues = Record<'role' | 'role_id' | 'status', string | undefined>

const memberPages = pagesOf(
  ({ organization_id, role, role_id, status }: { organization_id: string } & FilterValues) => {
    const members = status === undefined ? listedMembers(organization_id) : membersInStatus(organization_id, status)
    const having = role_id === undefined ? members : members.where('memberships.role_id', '=', role_id)
    return role === undefined
      ? having
      : having.where(
          sql<boolean>`${role} = case when memberships.role_id is null then memberships.role else 'custom' end`,
        )
  },
)

/** The members. Who may change members also sees deleted accounts and, with `status`, restorable members. */
export const listMembers = (organization_id: string, { role, role_id, status }: MemberFilters, page: Page) =>
  memberPages({ organization_id, role, role_id, status }, orderOf('created_at', 'memberships', 'user_id'), page)

/** @throws Problem not-found */
export const getMember = (organization_id: string, user_id: string) =>
  get(listedMembers(organization_id).where('memberships.user_id', '=', user_id))

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
function requireOwner({ actor_role }: LockedMember, fresh: boolean, roles: readonly (Role | undefined)[]): void {
  if (roles[0] === roles[1] || !roles.includes('owner')) return
  if (actor_role !== 'owner') throw new Problem('owner-required')
  if (!fresh) throw new Problem('step-up-required')
}

export interface ChangeRules {
  condition: Condition
  /** Whether the caller has a recent sign-in, which a change of ownership requires. */
  fresh: boolean
}

const ownerRules = {
  memberships_keep_an_owner: 'last-owner',
  memberships_owner_by_owner: 'owner-required',
  memberships_restorable: 'member-not-restorable',
  ...roleRules,
} as const

const isStale = (condition: Condition, version: number): boolean =>
  condition !== undefined && !condition.includes(version)

/**
 * Changes a member's role, title or company.
 * @throws Problem not-found, member-account-deleted, entity-tag-stale, last-owner, owner-required, role-exceeds-own,
 * step-up-required; invalid-fields when there is no such role, or `role` and `role_id` differ
 */
export async function changeMember(
  transaction: Transaction<'tenant'>,
  organization_id: string,
  user_id: string,
  changes: MemberChanges,
  { condition, fresh }: ChangeRules,
): Promise<MemberRow> {
  const { role, role_id, ...place } = changes
  const given = readGivenRole({ role, role_id })
  const current = await transaction.run(getMember(organization_id, user_id))
  const member = await transaction.run(lockMember(organization_id, user_id))
  if (member.status === 'account-deleted') throw new Problem('member-account-deleted')
  if (member.status === 'removed' || member.status === 'left') throw new Problem('not-found')
  if (isStale(condition, member.version)) throw new Problem('entity-tag-stale')
  requireOwner(member, fresh, [member.role, given?.role ?? member.role])
  const changed = await transaction.run(
    get(
      query
        .updateTable('memberships')
        .set({ ...place, ...given })
        .where('organization_id', '=', organization_id)
        .where('user_id', '=', user_id)
        .returning(['title', 'company', 'updated_at'])
        .returning(heldRole('memberships')),
      ownerRules,
    ),
  )
  // Not read again: callers who lower their own role can no longer pass the gate.
  return { ...current, ...changed, version: current.version + 1 }
}

/**
 * Removes a member, even if the account is deleted and could be restored with the membership; the row stays.
 * @throws Problem not-found, entity-tag-stale, last-owner, owner-required, role-exceeds-own, step-up-required
 */
export async function removeMember(
  transaction: Transaction<'tenant'>,
  organization_id: string,
  user_id: string,
  { condition, fresh }: ChangeRules,
): Promise<void> {
  const member = await transaction.run(lockMember(organization_id, user_id))
  if (member.status === 'removed' || member.status === 'left') throw new Problem('not-found')
  if (isStale(condition, member.version)) throw new Problem('entity-tag-stale')
  requireOwner(member, fresh, [member.role, undefined])
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
 * @throws Problem not-found, already-member, member-not-restorable, owner-required, role-exceeds-own, step-up-required
 */
export async function restoreMember(
  transaction: Transaction<'tenant'>,
  organization_id: string,
  user_id: string,
  fresh: boolean,
): Promise<MemberRow> {
  const member = await transaction.run(lockMember(organization_id, user_id))
  if (member.status === 'active' || member.status === 'disabled') throw new Problem('already-member')
  if (!member.is_restorable) throw new Problem('member-not-restorable')
  requireOwner(member, fresh, [undefined, member.role])
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

/** Makes another member the owner, and the caller an administrator, in one statement: it revokes its own permission. */
export const transferOrganization = (organization_id: string, from: string, to: string) =>
  statement(
    raw(
      query,
      sql<{ user_id: string }>`
      update memberships set role = case when user_id = ${to} then 'owner' else 'admin' end, role_id = null
      from (select hold_users(array(select user_id from memberships where organization_id = ${organization_id} and user_id in (${from}, ${to})
        order by user_id for no key update))) as held
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
