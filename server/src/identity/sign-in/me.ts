import type { Static } from 'typebox'
import { userColumns } from '../../directory/users/users.ts'
import { compileOnce, statement, tables } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import { permissionsOf } from '../../platform/gate/permissions.ts'
import { Problem } from '../../platform/problems.ts'
import type { Me } from './messages.ts'

const query = tables('tenant', 'self', 'users', 'sessions', 'own_organizations')

const self = compileOnce(({ organization_id }: { organization_id: string | null }) =>
  query
    .selectFrom('self')
    .innerJoin('users', 'users.id', 'self.user_id')
    .innerJoin('sessions', 'sessions.id', 'self.session_id')
    .leftJoin('own_organizations as organization', join => join.on('organization.id', '=', organization_id))
    .select(userColumns.map(column => `users.${column}` as const))
    .select([
      'sessions.id as session_id',
      'sessions.created_at as session_created_at',
      'sessions.last_seen_at',
      'sessions.expires_at',
      'sessions.authenticated_at',
      'sessions.ip',
      'sessions.user_agent',
    ])
    .select([
      'organization.id as organization_id',
      'organization.kind',
      'organization.name',
      'organization.slug',
      'organization.second_factor_required',
      'organization.role',
    ])
    .select('self.second_factor')
    .select([
      'organization.created_at as organization_created_at',
      'organization.updated_at as organization_updated_at',
    ]),
)

/**
 * The current user and session, and the organization of the access token with the user's role and permissions there.
 * @throws Problem membership-ended
 */
export const getMe = ({ permissions }: Pick<Declarations, 'permissions'>, organization_id: string | undefined) =>
  statement(self({ organization_id: organization_id ?? null }), ([row]): Static<typeof Me> => {
    if (row === undefined) throw new Problem('session-ended')
    if (organization_id !== undefined && row.organization_id === null) throw new Problem('membership-ended')
    const { organization_id: id, kind, name, slug, second_factor_required, role } = row
    const [created_at, updated_at] = [row.organization_created_at, row.organization_updated_at]
    const hasOrganization =
      id !== null &&
      kind !== null &&
      name !== null &&
      slug !== null &&
      second_factor_required !== null &&
      created_at !== null &&
      updated_at !== null
    // As in the gate: until the session has verified a required second factor, the role permits nothing.
    const isSecondFactorMissing = second_factor_required === true && !row.second_factor
    return {
      user: row,
      organization: hasOrganization ? { id, kind, name, slug, second_factor_required, created_at, updated_at } : null,
      role,
      permissions: role === null || isSecondFactorMissing ? [] : permissionsOf(permissions, role),
      session: { ...row, id: row.session_id, created_at: row.session_created_at, current: true },
    }
  })
