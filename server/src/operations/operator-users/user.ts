import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { listSecondFactors } from '../../identity/factors/factors.ts'
import { unusedRecoveryCodes } from '../../identity/factors/recovery-codes.ts'
import type { Declarations } from '../../platform/declarations.ts'
import { get } from '../../platform/database/statement.ts'
import { Id, Name, Nullable, OneOf, Slug, Time } from '../../platform/schemas.ts'
import { HeldRole, roleNameOf } from '../../directory/organizations/held-role.ts'
import { allUsers, operatorUserFields } from './user-list.ts'

/** How many memberships a response has, the oldest first. */
const MAX_MEMBERSHIPS = 100

const MembershipOfUser = Type.Object(
  {
    organization_id: Id,
    name: Name,
    slug: Slug,
    kind: OneOf(['personal', 'team']),
    role: HeldRole.role,
    role_id: HeldRole.role_id,
    disabled: Type.Boolean(),
    created_at: Time,
  },
  { title: 'MembershipOfUser' },
)

/** An account as an operator reads it, alone. */
export const OperatorUserDetails = Type.Object(
  {
    ...operatorUserFields,
    has_password: Type.Boolean(),
    second_factors: Type.Array(Type.String({ maxLength: 100 }), {
      maxItems: 10,
      description: 'The kinds of second factors that the account has; recovery codes alone do not count.',
    }),
    recovery_codes: Type.Integer({ minimum: 0, maximum: 100, description: 'How many recovery codes are left.' }),
    session_count: Type.Integer({ minimum: 0, maximum: 2147483647, description: 'Live sessions.' }),
    last_seen_at: Nullable(Time),
    membership_count: Type.Integer({ minimum: 0, maximum: 2147483647 }),
    memberships: Type.Array(MembershipOfUser, {
      maxItems: MAX_MEMBERSHIPS,
      description: 'The current memberships, the oldest first; at most 100.',
    }),
  },
  { title: 'OperatorUserDetails' },
)

const membershipsOf = sql`from memberships m join organizations o on o.id = m.organization_id
  where m.user_id = users.id and m.deleted_at is null and o.deleted_at is null`

/** One account that is not erased, with what an operator has to know about it. @throws Problem not-found */
export const getUser = (declared: Declarations, id: string) =>
  get(
    allUsers()
      .select([
        sql<boolean>`users.password_hash is not null`.as('has_password'),
        sql<string[]>`${listSecondFactors(declared, sql`users.id`)}`.as('second_factors'),
        unusedRecoveryCodes(sql`users.id`).as('recovery_codes'),
        sql<number>`(select count(*)::int from sessions s where s.user_id = users.id and s.revoked_at is null and s.expires_at > now())`.as(
          'session_count',
        ),
        sql<string | null>`(select max(s.last_seen_at) from sessions s where s.user_id = users.id)`.as('last_seen_at'),
        sql<number>`(select count(*)::int ${membershipsOf})`.as('membership_count'),
        sql<Static<typeof MembershipOfUser>[]>`(select coalesce(jsonb_agg(to_jsonb(one)), '[]') from (
          select m.organization_id, o.name, o.slug, o.kind, ${roleNameOf('m')} as role, m.role_id,
            m.disabled_at is not null as disabled, replace(to_jsonb(m.created_at) #>> '{}', '+00:00', 'Z') as created_at ${membershipsOf} order by m.created_at, m.organization_id limit ${MAX_MEMBERSHIPS}) as one)`.as(
          'memberships',
        ),
      ])
      .where('users.id', '=', id),
  )
