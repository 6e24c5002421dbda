import { Type } from 'typebox'
import type { Static } from 'typebox'
import { quotaRules } from '../../directory/limits/limits.ts'
import { deleteRow, updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import { orderOf, pagesOf, whereGiven } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { get, tables } from '../../platform/database/statement.ts'
import type { Place } from '../../platform/http/resource.ts'
import { Id, IdOf, Name, Nullable, OneOf, Strict, timestamps } from '../../platform/schemas.ts'
import { PATH } from '../../platform/texts.ts'

const query = tables('tenant', 'workspaces')

const Status = OneOf(['active', 'archived'])

/** The path that the tools of a workspace use; the service itself never opens it. */
export const WorkspacePath = Type.String({
  minLength: 1,
  maxLength: 1024,
  format: 'line',
  pattern: PATH,
  description: 'An absolute or relative POSIX path in one line, without `..`.',
  examples: ['/workspace/test'],
})

export const Workspace = Type.Object(
  {
    id: Id,
    organization_id: Id,
    name: Name,
    workspace_path: WorkspacePath,
    project_id: Nullable(IdOf('project')),
    status: Status,
    created_by: Nullable(IdOf('user')),
    ...timestamps,
  },
  { title: 'Workspace' },
)
export type Workspace = Static<typeof Workspace>

export const NewWorkspace = Strict(
  {
    name: Name,
    workspace_path: WorkspacePath,
    project_id: Type.Optional(Nullable(IdOf('project'))),
    status: Type.Optional(OneOf(['active', 'archived'], { default: 'active' })),
  },
  { title: 'NewWorkspace' },
)
type NewWorkspace = Static<typeof NewWorkspace>

export const WorkspaceChanges = Strict(
  {
    name: Type.Optional(Name),
    workspace_path: Type.Optional(WorkspacePath),
    project_id: Type.Optional(Nullable(IdOf('project'))),
    status: Type.Optional(Status),
  },
  { title: 'WorkspaceChanges', minProperties: 1 },
)
type WorkspaceChanges = Static<typeof WorkspaceChanges>

export const workspaceFilters = {
  sort: OneOf(['-created_at', 'created_at', 'name', '-name'], { default: '-created_at' }),
  status: Type.Optional(Status),
  project_id: Type.Optional(IdOf('project')),
  created_by: Type.Optional(IdOf('user')),
}

const columns = [
  'id',
  'organization_id',
  'name',
  'workspace_path',
  'project_id',
  'status',
  'created_by',
  'created_at',
  'updated_at',
  'version',
] as const
const unknownProject = {
  workspaces_project_id_fkey: { pointer: '/project_id', detail: 'is not a project of this organization' },
} as const

interface Filters {
  status?: Workspace['status'] | undefined
  project_id?: string | undefined
  created_by?: string | undefined
}

const workspacePages = pagesOf((filters: { organization_id: string } & Required<Filters>) =>
  whereGiven(query.selectFrom('workspaces').select(columns), filters),
)

/** The organization's workspaces, archived ones too unless `status` says otherwise. */
export const listWorkspaces = (
  { organization_id }: Place,
  { sort, status, project_id, created_by }: Filters & { sort: string },
  page: Page,
) => workspacePages({ organization_id, status, project_id, created_by }, orderOf(sort, 'workspaces'), page)

/** @throws Problem not-found */
export const getWorkspace = ({ organization_id }: Place, id: string) =>
  get(
    query.selectFrom('workspaces').select(columns).where('organization_id', '=', organization_id).where('id', '=', id),
  )

/** @throws Problem quota-exhausted; invalid-fields if the project is not one of the organization */
export const createWorkspace = ({ organization_id, user_id }: Place, workspace: NewWorkspace) =>
  get(
    query
      .insertInto('workspaces')
      .values({ organization_id, created_by: user_id, ...workspace })
      .returning(columns),
    { ...unknownProject, ...quotaRules },
  )

const target = ({ organization_id }: Place, id: string, condition: Condition) =>
  ({ query, table: 'workspaces', key: { organization_id, id }, columns, condition }) as const

/** @throws Problem not-found, entity-tag-stale; invalid-fields if the project is not one of the organization */
export const updateWorkspace = (place: Place, id: string, changes: WorkspaceChanges, condition: Condition) =>
  updateRow(target(place, id, condition), changes, unknownProject)

/** @throws Problem not-found, entity-tag-stale */
export const deleteWorkspace = (place: Place, id: string, condition: Condition) =>
  deleteRow(target(place, id, condition))
