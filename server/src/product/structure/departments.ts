import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static, TObject } from 'typebox'
import { deleteRow, updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import { orderOf, pagesOf, whereGiven } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { get, tables } from '../../platform/database/statement.ts'
import type { Place } from '../../platform/http/resource.ts'
import { Id, IdOf, Name, Nullable, Strict, Text, timestamps } from '../../platform/schemas.ts'
import { Code, holdStructure, sortOfStructure } from './structure.ts'

const query = tables('tenant', 'departments', 'gate')

export const Department = Type.Object(
  {
    id: Id,
    organization_id: Id,
    company_id: IdOf('company'),
    branch_id: IdOf('branch'),
    parent_id: Nullable(IdOf('department')),
    code: Code,
    name: Name,
    description: Nullable(Text),
    created_by: Nullable(IdOf('user')),
    ...timestamps,
  },
  { title: 'Department' },
)

const Parent = Nullable(
  Type.Unsafe<string>({
    ...IdOf('department'),
    description: 'The department above, in the same branch; null: directly below the branch.',
  }),
)

export const NewDepartment = Strict(
  {
    branch_id: IdOf('branch'),
    parent_id: Type.Optional(Parent),
    code: Code,
    name: Name,
    description: Type.Optional(Nullable(Text)),
  },
  { title: 'NewDepartment' },
)
type NewDepartment = Static<typeof NewDepartment>

export const DepartmentChanges = Strict(
  {
    branch_id: Type.Optional(IdOf('branch')),
    parent_id: Type.Optional(Parent),
    code: Type.Optional(Code),
    name: Type.Optional(Name),
    description: Type.Optional(Nullable(Text)),
  },
  { title: 'DepartmentChanges', minProperties: 1 },
)
type DepartmentChanges = Static<typeof DepartmentChanges>

export const departmentFilters = {
  sort: sortOfStructure,
  company_id: Type.Optional(IdOf('company')),
  branch_id: Type.Optional(IdOf('branch')),
  parent_id: Type.Optional(IdOf('department')),
  code: Type.Optional(Code),
  name: Type.Optional(Name),
}
type DepartmentFilters = Static<TObject<typeof departmentFilters>>

const columns = [
  'id',
  'organization_id',
  'company_id',
  'branch_id',
  'parent_id',
  'code',
  'name',
  'description',
  'created_by',
  'created_at',
  'updated_at',
  'version',
] as const

/** The same for a statement with other tables. */
export const departmentColumns = columns.map(column => `departments.${column}` as const)

const refusals = {
  departments_code_key: 'department-code-taken',
  departments_branch_fkey: { pointer: '/branch_id', detail: 'is not a branch of this organization' },
  departments_parent_fkey: { pointer: '/parent_id', detail: 'is not a department of this organization' },
  departments_parent_company: 'parent-in-another-company',
  departments_parent_branch: 'parent-in-another-branch',
  departments_no_cycle: 'department-below-itself',
  departments_depth: 'department-too-deep',
} as const

type Filter = 'company_id' | 'branch_id' | 'parent_id' | 'code' | 'name'

const departmentPages = pagesOf((filters: { organization_id: string } & Partial<Record<Filter, string>>) =>
  whereGiven(query.selectFrom('departments').select(columns), filters),
)

export const listDepartments = ({ organization_id }: Place, { sort, ...filters }: DepartmentFilters, page: Page) =>
  departmentPages({ organization_id, ...filters }, orderOf(sort, 'departments'), page)

/** @throws Problem not-found */
export const getDepartment = ({ organization_id }: Place, id: string) =>
  get(
    query.selectFrom('departments').select(columns).where('organization_id', '=', organization_id).where('id', '=', id),
  )

/**
 * @throws Problem department-code-taken, parent-in-another-company, parent-in-another-branch, department-too-deep,
 *   invalid-fields if the branch or the parent is not one of this organization
 */
export const createDepartment = ({ organization_id, user_id }: Place, department: NewDepartment) =>
  get(
    query
      .insertInto('departments')
      // The database sets the company to that of the branch.
      .values({ organization_id, created_by: user_id, company_id: sql<string>`null`, ...department })
      .returning(columns),
    refusals,
  )

const target = ({ organization_id }: Place, id: string, condition: Condition) =>
  ({
    query,
    table: 'departments',
    key: { organization_id, id },
    columns,
    condition,
    hold: holdStructure,
  }) as const

/**
 * Changes a department; the departments below it move with it.
 * @throws Problem not-found, department-code-taken, parent-in-another-company, parent-in-another-branch,
 *   department-below-itself, department-too-deep, entity-tag-stale, invalid-fields if the branch or the parent is not one
 *   of this organization
 */
export const updateDepartment = (place: Place, id: string, changes: DepartmentChanges, condition: Condition) =>
  updateRow(target(place, id, condition), changes, refusals)

/** Deletes a department with those below it. @throws Problem not-found, entity-tag-stale */
export const deleteDepartment = (place: Place, id: string, condition: Condition) =>
  deleteRow(target(place, id, condition))
