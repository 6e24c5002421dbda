import { Type } from 'typebox'
import type { Static } from 'typebox'
import { deleteRow, updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { Id, Name, Nullable, OneOf, Slug, Strict, Text, timestamps } from '../../platform/schemas.ts'
import { get, query } from '../../platform/database/statement.ts'

const Status = OneOf(['active', 'archived'])

export const Project = Type.Object(
  {
    id: Id,
    organization_id: Id,
    name: Name,
    slug: Slug,
    description: Nullable(Text),
    status: Status,
    created_by: Nullable(Id),
    ...timestamps,
  },
  { title: 'Project' },
)
export type Project = Static<typeof Project>

const optional = { description: Type.Optional(Nullable(Text)), status: Type.Optional(Status) }
export const NewProject = Strict({ name: Name, slug: Type.Optional(Slug), ...optional }, { title: 'NewProject' })
export type NewProject = Static<typeof NewProject>
export const ProjectReplacement = Strict(
  { name: Name, slug: Slug, ...optional },
  { title: 'ProjectReplacement', description: 'What is left out is reset.' },
)
export const ProjectChanges = Strict(
  { name: Type.Optional(Name), slug: Type.Optional(Slug), ...optional },
  { title: 'ProjectChanges', minProperties: 1 },
)
export type ProjectChanges = Static<typeof ProjectChanges>

export const projectSorts = ['-created_at', 'created_at', 'name', '-name'] as const

const columns = [
  'id',
  'organization_id',
  'name',
  'slug',
  'description',
  'status',
  'created_by',
  'created_at',
  'updated_at',
  'version',
] as const
type ProjectRow = Project & { version: number }

const slugTaken = { projects_slug_key: 'project-slug-taken' } as const

const projectPages = pagesOf(
  ({ organization_id, status }: { organization_id: string; status: Project['status'] | undefined }) => {
    const projects = query.selectFrom('projects').select(columns).where('organization_id', '=', organization_id)
    return status === undefined ? projects : projects.where('status', '=', status)
  },
)

export const listProjects = (
  organization_id: string,
  { sort, status }: { sort: string; status?: Project['status'] },
  page: Page,
) => projectPages({ organization_id, status }, orderOf(sort, 'projects'), page)

export const getProject = (organization_id: string, id: string) =>
  get(query.selectFrom('projects').select(columns).where('organization_id', '=', organization_id).where('id', '=', id))

/** @throws Problem project-slug-taken */
export const createProject = (
  organization_id: string,
  created_by: string,
  project: Omit<NewProject, 'slug'> & { slug: string },
) =>
  get(
    query
      .insertInto('projects')
      .values({ organization_id, created_by, ...project })
      .returning(columns),
    slugTaken,
  )

const target = (organization_id: string, id: string, condition: Condition) =>
  ({ table: 'projects', key: { organization_id, id }, columns, condition }) as const

/** @throws Problem not-found, project-slug-taken, entity-tag-stale */
export const updateProject = (organization_id: string, id: string, changes: ProjectChanges, condition: Condition) =>
  updateRow<ProjectRow>(target(organization_id, id, condition), changes, slugTaken)

/** @throws Problem not-found, entity-tag-stale */
export const deleteProject = (organization_id: string, id: string, condition: Condition) =>
  deleteRow(target(organization_id, id, condition))
