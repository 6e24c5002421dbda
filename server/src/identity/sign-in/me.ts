import { sql } from 'kysely'
import type { Static } from 'typebox'
import { ownColumns } from '../../directory/users/users.ts'
import { compileOnce, statement, tables } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import type { Permission, RoleName } from '../../platform/gate/permissions.ts'
import { Problem } from '../../platform/problems.ts'
import type { Explanation, Me } from './messages.ts'

const query = tables('tenant', 'own_account', 'own_organizations', 'gate')

const own = compileOnce(
  ({ organization_id, explained }: { organization_id: string | null; explained: string | undefined }) =>
    query
      .selectFrom('own_account')
      .leftJoin('own_organizations as organization', join => join.on('organization.id', '=', organization_id))
      .select('own_account.user_id as id')
      .select(ownColumns.map(column => `own_account.${column}` as const))
      .select([
        'own_account.session_id',
        'own_account.session_created_at',
        'own_account.last_seen_at',
        'own_account.expires_at',
        'own_account.authenticated_at',
        'own_account.ip',
        'own_account.user_agent',
        'own_account.second_factor',
      ])
      .select([
        'organization.id as organization_id',
        'organization.kind',
        'organization.name',
        'organization.slug',
        'organization.second_factor_required',
        'organization.suspended_at',
        'organization.role',
        'organization.role_id',
        'organization.role_name',
        'organization.permissions',
      ])
      .select([
        'organization.created_at as organization_created_at',
        'organization.updated_at as organization_updated_at',
      ])
      // Only under the permission to explain: as a part of every statement, the gate would cost time in every request.
      .select(
        (explained === undefined ? sql<boolean>`false` : sql<boolean>`exists (select from gate)`).as('is_permitted'),
      ),
)

/**
 * The current user and session, and the organization of the access token with the user's role and permissions there. To
 * explain a permission, the statement must run under that permission, so that the gate itself decides.
 * @throws Problem membership-ended
 */
export const getMe = (
  { permissions: declared }: Pick<Declarations, 'permissions'>,
  organization_id: string | undefined,
  explained?: string,
) =>
  statement(own({ organization_id: organization_id ?? null, explained }), ([row]): Static<typeof Me> => {
    if (row === undefined) throw new Problem('session-ended')
    if (organization_id !== undefined && row.organization_id === null) throw new Problem('membership-ended')
    const { organization_id: id, kind, name, slug, second_factor_required, suspended_at } = row
    const { role, role_id, role_name } = row
    const [created_at, updated_at] = [row.organization_created_at, row.organization_updated_at]
    const hasOrganization =
      id !== null &&
      kind !== null &&
      name !== null &&
      slug !== null &&
      second_factor_required !== null &&
      created_at !== null &&
      updated_at !== null
    // As in the gate: in a suspended organization, and until the session has verified a required second factor, the role
    // permits nothing.
    const isSecondFactorMissing = second_factor_required === true && !row.second_factor
    const isSuspended = suspended_at !== null
    return {
      user: row,
      organization: hasOrganization
        ? { id, kind, name, slug, second_factor_required, suspended_at, created_at, updated_at }
        : null,
      role,
      role_id,
      role_name,
      permissions: isSecondFactorMissing || isSuspended ? [] : (row.permissions ?? []),
      session: { ...row, id: row.session_id, created_at: row.session_created_at, current: true },
      ...(explained !== undefined && {
        explanation: explain(explained as Permission, declared[explained as Permission] as LowestRole, {
          ...row,
          isSecondFactorMissing,
          isSuspended,
        }),
      }),
    }
  })

type LowestRole = Static<typeof Explanation>['lowest_role']

interface Standing {
  organization_id: string | null
  role: RoleName | null
  role_id: string | null
  role_name: string | null
  permissions: string[] | null
  superuser: boolean
  isSecondFactorMissing: boolean
  isSuspended: boolean
  is_permitted: boolean
}

/** Why the gate allows or denies a permission. The gate has decided; this only finds its reason. */
function explain(permission: Permission, lowest_role: LowestRole, standing: Standing): Static<typeof Explanation> {
  const { role, role_id, role_name, is_permitted: allowed } = standing
  const reason = reasonFor(permission, lowest_role === 'superuser', standing)
  return { permission, allowed, reason, role, role_id, role_name, lowest_role, detail: details[reason] }
}

function reasonFor(permission: Permission, isForSuperusers: boolean, standing: Standing): keyof typeof details {
  const { organization_id, permissions, superuser, isSecondFactorMissing, isSuspended, is_permitted } = standing
  if (isForSuperusers && !superuser) return 'superuser-only'
  if (organization_id === null) return 'no-organization'
  if (!isForSuperusers && permissions?.includes(permission) !== true) return 'role-lacks-permission'
  if (!isForSuperusers && isSuspended) return is_permitted ? 'allowed-while-suspended' : 'organization-suspended'
  if (isSecondFactorMissing) return is_permitted ? 'allowed-without-second-factor' : 'second-factor-required'
  return isForSuperusers ? 'superuser-has-permission' : 'role-has-permission'
}

const details = {
  'role-has-permission': 'Your role in this organization has the permission.',
  'superuser-has-permission': 'You are a superuser, and superusers have the permission.',
  'allowed-without-second-factor':
    'Your role has the permission. The organization requires a second factor, which this session has not verified, but this permission is a way out of the organization and does not need it.',
  'allowed-while-suspended':
    'Your role has the permission. An operator has suspended the organization, but this permission is a way out of the organization and remains.',
  'organization-suspended':
    'Your role has the permission, but an operator has suspended the organization, which its members can only leave until it is reactivated.',
  'second-factor-required':
    'Your role has the permission, but the organization requires a second factor, which this session has not verified.',
  'role-lacks-permission':
    'Your role in this organization does not have the permission. `lowest_role` is the lowest built-in role that has it; a custom role may have it as well, unless that is `owner`.',
  'no-organization': 'The access token names no organization. Switch to one first.',
  'superuser-only': 'Only superusers have the permission, whatever their role.',
} as const
