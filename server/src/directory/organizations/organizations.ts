import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Role, RoleName } from '../../platform/gate/permissions.ts'
import { updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { Problem } from '../../platform/problems.ts'
import type { ProblemCode } from '../../platform/problems.ts'
import { Id, Name, Nullable, OneOf, Slug, Strict, Time, timestamps } from '../../platform/schemas.ts'
import { execute, find, get, raw, statement, tables } from '../../platform/database/statement.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { HeldRole, roleNameOf } from './held-role.ts'
import type { RoleColumns } from './held-role.ts'

const query = tables('tenant', 'organizations', 'memberships', 'own_organizations', 'gate', 'self')

const SecondFactorRequired = Type.Boolean({
  description:
    'Whether members need a session with a verified second factor. Only an owner with such a session can change it.',
})

export const Organization = Type.Object(
  {
    id: Id,
    kind: OneOf(['personal', 'team']),
    name: Name,
    slug: Slug,
    second_factor_required: SecondFactorRequired,
    suspended_at: Nullable(
      Type.String({
        ...Time,
        description:
          'When an operator suspended the organization: until it is reactivated, its members can do nothing but leave it.',
      }),
    ),
    ...timestamps,
  },
  { title: 'Organization' },
)
export type Organization = Static<typeof Organization>

export const OwnOrganization = Type.Object({ ...Organization.properties, ...HeldRole }, { title: 'OwnOrganization' })

export const NewOrganization = Strict(
  { name: Name, slug: Type.Optional(Slug) },
  { title: 'NewOrganization', examples: [{ name: 'Globex' }] },
)
export type NewOrganization = Static<typeof NewOrganization>
export const OrganizationChanges = Strict(
  {
    name: Type.Optional(Name),
    slug: Type.Optional(Slug),
    second_factor_required: Type.Optional(SecondFactorRequired),
  },
  { title: 'OrganizationChanges', minProperties: 1 },
)
export type OrganizationChanges = Static<typeof OrganizationChanges>
export const OrganizationReplacement = Strict(
  { name: Name, slug: Slug, second_factor_required: Type.Optional(SecondFactorRequired) },
  { title: 'OrganizationReplacement', description: '`second_factor_required` keeps its value if it is omitted.' },
)

const organizationColumns = [
  'id',
  'kind',
  'name',
  'slug',
  'second_factor_required',
  'suspended_at',
  'created_at',
  'updated_at',
  'version',
] as const
export type OrganizationRow = Organization & { version: number }

const heldRoleColumns = ['role', 'role_id', 'role_name'] as const

const slugTaken = { organizations_slug_key: 'organization-slug-taken' } as const

/** How a membership that needs a seat is refused; the feature `limits` counts the seats. */
export const seatRules = { limit_of_seats: { code: 'seats-exhausted', tells: true } } as const

/** What the triggers guard_guest() and guard_founder() refuse. */
export const guestRules = { memberships_of_guests: 'guest-limited', organizations_of_guests: 'guest-limited' } as const

const ownOrganizationPages = pagesOf(() =>
  query.selectFrom('own_organizations').select([...organizationColumns, ...heldRoleColumns]),
)

/** The current user's organizations, the oldest membership first; it needs a live session only. */
export const listOwnOrganizations = (page: Page) =>
  ownOrganizationPages({}, orderOf('joined_at', 'own_organizations'), page)

/**
 * Creates a team with the caller as its owner; it needs a live session only. The transaction runs in the new
 * organization.
 * @throws Problem organization-slug-taken, guest-limited
 */
export async function createOrganization(
  transaction: Transaction<'tenant'>,
  user_id: string,
  organization: { id: string; name: string; slug: string },
): Promise<OrganizationRow & Pick<Static<typeof OwnOrganization>, 'role' | 'role_id' | 'role_name'>> {
  await transaction.run(
    execute(query.insertInto('organizations').values({ ...organization, kind: 'team' }), {
      ...slugTaken,
      ...guestRules,
    }),
  )
  const membership = { organization_id: organization.id, user_id, role: 'owner' as const }
  await transaction.run(execute(query.insertInto('memberships').values(membership)))
  return transaction.run(
    get(
      query
        .selectFrom('own_organizations')
        .select([...organizationColumns, ...heldRoleColumns])
        .where('id', '=', organization.id),
    ),
  )
}

export const getOrganization = (id: string) =>
  get(query.selectFrom('organizations').select(organizationColumns).where('id', '=', id))

/** @throws Problem organization-slug-taken, entity-tag-stale, owner-required, second-factor-required */
export const updateOrganization = (id: string, changes: OrganizationChanges, condition: Condition) =>
  updateRow({ query, table: 'organizations', key: { id }, columns: organizationColumns, condition }, changes, {
    ...slugTaken,
    organizations_second_factor_by_owner: 'owner-required',
    organizations_second_factor_proved: 'second-factor-required',
  })

/** Closes a team at once for all members; its rows are kept. @throws Problem personal-organization, entity-tag-stale */
export const deleteOrganization = (id: string, condition: Condition) =>
  updateRow(
    { query, table: 'organizations', key: { id }, columns: organizationColumns, condition },
    { deleted_at: sql<string>`now()` },
  )

/** The organization that a session works in, with the user's role there. */
export type ChosenOrganization = OrganizationRow & { role: RoleName }

/** The entitlements of one of the current user's organizations; a live session suffices. */
export const listOwnEntitlements = (organization_id: string) =>
  statement(
    query.selectFrom('own_organizations').select('entitlements').where('id', '=', organization_id),
    ([row]): readonly string[] => row?.entitlements ?? [],
  )

/**
 * Chooses the organization of a sign-in or refresh, as SQL of one row: the requested one, else that of the session
 * (`current`), else the first preferred one, else the oldest team, else the personal one; a suspended one only if all
 * others are suspended too, or if it is requested or current. No row if the user is not a member of the requested one.
 */
export const chooseOrganization = (
  user_id: string,
  asked: string | undefined,
  preferred: readonly string[],
  current: string | null = null,
): RawBuilder<ChosenOrganization> =>
  sql<ChosenOrganization>`
    select ${sql.join(organizationColumns.map(column => sql.ref(`o.${column}`)))}, ${roleNameOf('m')} as role
    from memberships m join organizations o on o.id = m.organization_id
    where m.user_id = ${user_id} and m.disabled_at is null and m.deleted_at is null and o.deleted_at is null
      and o.id = coalesce(${asked ?? null}::uuid, o.id)
    order by o.id is distinct from ${current}::uuid, o.suspended_at is not null, array_position(${preferred}::uuid[], o.id) nulls last, o.kind = 'team' desc, m.created_at limit 1`

/** The number of the user's organizations, as SQL. */
export const countOrganizations = (user_id: string): RawBuilder<number> =>
  sql<number>`(select count(*)::int from memberships m join organizations o on o.id = m.organization_id and o.deleted_at is null
    where m.user_id = ${user_id} and m.disabled_at is null and m.deleted_at is null)`

/** The role of a user who adds members to a team; locked until the transaction ends. */
export interface InviterPlace {
  actor_role: Role
}

/**
 * Requires a team. The caller's membership is locked until the transaction ends, so that an owner who has just lost the
 * role cannot add another owner. @throws Problem (read) not-found, personal-organization
 */
export const requirePlace = (organization_id: string) =>
  statement(
    query
      .selectFrom('organizations')
      .innerJoin('gate', 'gate.organization_id', 'organizations.id')
      .innerJoin('memberships as own', join =>
        join.onRef('own.organization_id', '=', 'gate.organization_id').onRef('own.user_id', '=', 'gate.user_id'),
      )
      .select(['organizations.kind', 'own.role as actor_role'])
      .where('organizations.id', '=', organization_id)
      .forShare('own'),
    ([place]): InviterPlace => {
      if (place === undefined) throw new Problem('not-found')
      if (place.kind === 'personal') throw new Problem('personal-organization')
      return place
    },
  )

/** The same for an operator, who has no membership and invites in any role. @throws Problem (read) not-found, personal-organization */
export const requireTeam = (organization_id: string) =>
  statement(
    query
      .selectFrom('organizations')
      .innerJoin('gate', 'gate.organization_id', 'organizations.id')
      .select('organizations.kind')
      .where('organizations.id', '=', organization_id),
    ([place]): InviterPlace => {
      if (place === undefined) throw new Problem('not-found')
      if (place.kind === 'personal') throw new Problem('personal-organization')
      return { ...place, actor_role: 'owner' }
    },
  )

/** Why the caller may not invite anyone in this role; undefined if they may. */
export function refusalOfRole(
  { actor_role }: InviterPlace,
  role: Role,
  hasRecentSignIn: boolean,
): ProblemCode | undefined {
  if (role !== 'owner') return undefined
  if (actor_role !== 'owner') return 'owner-required'
  return hasRecentSignIn ? undefined : 'step-up-required'
}

const system = tables('system', 'organizations', 'memberships', 'users')

/** Sets the organization for the following writes of a transaction of the system login. */
export const writeWithin = (organization_id: string) =>
  execute(raw(system, sql`select set_config('app.organization_id', ${organization_id}, true)`))

/** Locks the rows that joining an organization involves, in the order of all locks. @throws Problem organization-suspended */
export const lockPlace = (organization_id: string, user_id: string) =>
  execute(raw(system, sql`select lock_place(${organization_id}::uuid, ${user_id}::uuid)`), {
    organizations_suspended: { code: 'organization-suspended', tells: true },
  })

/**
 * Makes a consenting user a member, including a former member; undefined if the user is already a member.
 * @throws Problem seats-exhausted
 */
export const joinOrganization = (
  organization_id: string,
  user_id: string,
  place: RoleColumns & { title: string | null; company: string | null },
) =>
  find(
    system
      .insertInto('memberships')
      .values({ organization_id, user_id, ...place })
      .onConflict(conflict =>
        conflict
          .columns(['organization_id', 'user_id'])
          .doUpdateSet({ ...place, disabled_at: null, deleted_at: null, created_at: sql<string>`now()` })
          .where('memberships.deleted_at', 'is not', null),
      )
      .returning('user_id'),
    seatRules,
  )
