import { Type } from 'typebox'
import type { Static } from 'typebox'
import { quotaRules } from '../../directory/limits/limits.ts'
import { deleteRow, updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import { orderOf, pagesOf, whereGiven } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { get, tables } from '../../platform/database/statement.ts'
import type { Place } from '../../platform/http/resource.ts'
import { Id, IdOf, Name, Nullable, OneOf, Slug, Strict, Text, timestamps } from '../../platform/schemas.ts'

const query = tables('tenant', 'projects')

const Status = OneOf(['active', 'archived'])

export const Project = Type.Object(
  {
    id: Id,
    organization_id: Id,
    name: Name,
    slug: Slug,
    description: Nullable(Text),
    status: Status,
    created_by: Nullable(IdOf('user')),
    ...timestamps,
  },
  { title: 'Project' },
)
type Project = Static<typeof Project>

export const NewProject = Strict(
  {
    name: Name,
    slug: Type.Optional(Slug),
    description: Type.Optional(Nullable(Text)),
    status: Type.Optional(OneOf(['active', 'archived'], { default: 'active' })),
  },
  { title: 'NewProject' },
)
type NewProject = Static<typeof NewProject>

export const ProjectChanges = Strict(
  {
    name: Type.Optional(Name),
    slug: Type.Optional(Slug),
    description: Type.Optional(Nullable(Text)),
    status: Type.Optional(Status),
  },
  { title: 'ProjectChanges', minProperties: 1 },
)
type ProjectChanges = Static<typeof ProjectChanges>

export const projectFilters = {
  sort: OneOf(['-created_at', 'created_at', 'name', '-name'], { default: '-created_at' }),
  status: Type.Optional(Status),
}

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
const slugTaken = { projects_slug_key: 'project-slug-taken' } as const

const projectPages = pagesOf((filters: { organization_id: string; status: Project['status'] | undefined }) =>
  whereGiven(query.selectFrom('projects').select(columns), filters),
)

export const listProjects = (
  { organization_id }: Place,
  { sort, status }: { sort: string; status?: Project['status'] },
  page: Page,
) => projectPages({ organization_id, status }, orderOf(sort, 'projects'), page)

/** @throws Problem not-found */
export const getProject = ({ organization_id }: Place, id: string) =>
  get(query.selectFrom('projects').select(columns).where('organization_id', '=', organization_id).where('id', '=', id))

/** @throws Problem project-slug-taken, quota-exhausted */
export const createProject = ({ organization_id, user_id }: Place, { name, slug = '', ...project }: NewProject) =>
  get(
    query
      .insertInto('projects')
      .values({ organization_id, created_by: user_id, name, slug, ...project })
      .returning(columns),
    { ...slugTaken, ...quotaRules },
  )

const target = ({ organization_id }: Place, id: string, condition: Condition) =>
  ({ query, table: 'projects', key: { organization_id, id }, columns, condition }) as const

/** @throws Problem not-found, project-slug-taken, entity-tag-stale */
export const updateProject = (place: Place, id: string, changes: ProjectChanges, condition: Condition) =>
  updateRow(target(place, id, condition), changes, slugTaken)

/** @throws Problem not-found, entity-tag-stale */
export const deleteProject = (place: Place, id: string, condition: Condition) => deleteRow(target(place, id, condition))
