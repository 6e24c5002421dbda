import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Role } from '../../platform/gate/permissions.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Email, Id, Name, Nullable, Strict, timestamps, Username } from '../../platform/schemas.ts'
import { affect, get, raw, statement, tables } from '../../platform/database/statement.ts'
import { joinOrganization, requirePlace, Role_ } from '../organizations/organizations.ts'

const query = tables('tenant', 'memberships', 'users', 'gate')

export const Member = Type.Object(
  {
    user_id: Id,
    email: Email,
    username: Nullable(Username),
    full_name: Nullable(Name),
    role: Role_,
    title: Nullable(Name),
    company: Nullable(Name),
    ...timestamps,
  },
  { title: 'Member' },
)
export type Member = Static<typeof Member>
type MemberRow = Member & { version: number }

const placeFields = { title: Type.Optional(Nullable(Name)), company: Type.Optional(Nullable(Name)) }
export const NewMember = Strict(
  { user_id: Type.Optional(Id), email: Type.Optional(Email), role: Role_, ...placeFields },
  { title: 'NewMember', description: 'Either `user_id` or `email` says who.' },
)
export type NewMember = Static<typeof NewMember>
export const MemberChanges = Strict(
  { role: Type.Optional(Role_), ...placeFields },
  { title: 'MemberChanges', minProperties: 1 },
)
export type MemberChanges = Static<typeof MemberChanges>
export const MemberReplacement = Strict(
  { role: Role_, ...placeFields },
  { title: 'MemberReplacement', description: 'What is left out is reset.' },
)

const membershipColumns = [
  'memberships.user_id',
  'memberships.role',
  'memberships.title',
  'memberships.company',
  'memberships.created_at',
  'memberships.updated_at',
] as const

const memberRows = (organization_id: string) =>
  query
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select(membershipColumns)
    .select(['users.email', 'users.username', 'users.full_name'])
    // Both rows only ever count up, so the sum moves with either.
    .select(sql<number>`memberships.version + users.version`.as('version'))
    .where('memberships.organization_id', '=', organization_id)
    .where('memberships.deleted_at', 'is', null)

const memberPages = pagesOf(({ organization_id, role }: { organization_id: string; role: Role | undefined }) => {
  const members = memberRows(organization_id)
  return role === undefined ? members : members.where('memberships.role', '=', role)
})

export const listMembers = (organization_id: string, { role }: { role?: Role }, page: Page) =>
  memberPages({ organization_id, role }, orderOf('created_at', 'memberships', 'user_id'), page)

export const getMember = (organization_id: string, user_id: string) =>
  get(memberRows(organization_id).where('memberships.user_id', '=', user_id))

/**
 * Adds a user by address or id, also a former member. Only an owner with a recent sign-in makes an owner.
 * @throws Problem already-member, owner-required, personal-organization, step-up-required; invalid-fields when there is no such account
 */
export async function addMember(
  transaction: Transaction<'tenant'>,
  organization_id: string,
  { role, title, company, email, user_id: given_id }: NewMember,
  isFresh: boolean,
): Promise<MemberRow> {
  await transaction.run(requirePlace(organization_id, role, isFresh))
  const { user_id } = await transaction.run(
    get(
      raw(
        query,
        sql<{
          user_id: string | null
        }>`select find_confirmed_user(${email?.toLowerCase() ?? null}::text, ${given_id ?? null}::uuid) as user_id`,
      ),
    ),
  )
  if (user_id === null)
    throw invalidField(
      email === undefined ? '/user_id' : '/email',
      'names no account with a confirmed address; invite it instead',
    )
  const place = { role, title: title ?? null, company: company ?? null }
  const added = await transaction.run(joinOrganization(organization_id, user_id, place))
  if (added === undefined) throw new Problem('already-member')
  return transaction.run(getMember(organization_id, user_id))
}

/**
 * Locks a member for a change and refuses what the caller may not do: only an owner changes who is an owner. The caller's
 * own membership is locked too, so that an owner who has just lost the role makes no other owner.
 * @throws Problem not-found, entity-tag-stale, owner-required, step-up-required
 */
async function lockMember(
  transaction: Transaction<'tenant'>,
  organization_id: string,
  user_id: string,
  { condition, fresh, role }: ChangeRules,
): Promise<void> {
  const member = await transaction.run(
    get(
      query
        .with('locked', members =>
          members
            .selectFrom('memberships')
            .select(['user_id', 'role', 'version', 'deleted_at'])
            .where('organization_id', '=', organization_id)
            .where(eb => eb('user_id', 'in', [eb.val(user_id), sql<string>`(select user_id from gate)`]))
            // The order that every lock of memberships keeps, so that no two wait for each other.
            .orderBy('user_id')
            .forNoKeyUpdate(),
        )
        .selectFrom('locked as member')
        .innerJoin('users', 'users.id', 'member.user_id')
        .innerJoin('locked as own', join => join.onRef('own.user_id', '=', sql`(select user_id from gate)`))
        .select(['member.role', 'own.role as actor_role'])
        .select(sql<number>`member.version + users.version`.as('version'))
        .where('member.user_id', '=', user_id)
        .where('member.deleted_at', 'is', null),
    ),
  )
  if (condition !== undefined && !condition.includes(member.version)) throw new Problem('entity-tag-stale')
  const concernsOwners = role !== member.role && (member.role === 'owner' || role === 'owner')
  if (concernsOwners && member.actor_role !== 'owner') throw new Problem('owner-required')
  if (concernsOwners && !fresh) throw new Problem('step-up-required')
}

export interface ChangeRules {
  condition: Condition
  /** Whether the caller has proved who they are recently: needed to change who owns the organization. */
  fresh: boolean
  /** The role that the member is to have; undefined: none any more. */
  role: string | undefined
}

const ownerRules = { memberships_keep_an_owner: 'last-owner', memberships_owner_by_owner: 'owner-required' } as const

/** Changes a member's role or place. @throws Problem last-owner, and what lockMember throws */
export async function changeMember(
  transaction: Transaction<'tenant'>,
  organization_id: string,
  user_id: string,
  changes: MemberChanges,
  rules: Omit<ChangeRules, 'role'>,
): Promise<MemberRow> {
  const current = await transaction.run(get(memberRows(organization_id).where('memberships.user_id', '=', user_id)))
  await lockMember(transaction, organization_id, user_id, { ...rules, role: changes.role ?? current.role })
  const changed = await transaction.run(
    get(
      query
        .updateTable('memberships')
        .set(changes.role === undefined ? changes : { ...changes, role_id: null })
        .where('organization_id', '=', organization_id)
        .where('user_id', '=', user_id)
        .returning(['role', 'title', 'company', 'updated_at']),
      ownerRules,
    ),
  )
  // Not read again: whoever lowers their own role has just closed their gate.
  return { ...current, ...changed, version: current.version + 1 }
}

const ended = (organization_id: string, user_id: string) =>
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

/** Ends a membership; the row stays for history. @throws Problem last-owner, and what lockMember throws */
export async function removeMember(
  transaction: Transaction<'tenant'>,
  organization_id: string,
  user_id: string,
  rules: Omit<ChangeRules, 'role'>,
): Promise<void> {
  await lockMember(transaction, organization_id, user_id, { ...rules, role: undefined })
  await transaction.run(ended(organization_id, user_id))
}

/** Ends one's own membership. @throws Problem last-owner */
export const leaveOrganization = (organization_id: string, user_id: string) => ended(organization_id, user_id)

/** Hands the organization to another member; the caller stays as an administrator. One statement: it closes its own gate. */
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
