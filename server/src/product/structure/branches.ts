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

const query = tables('tenant', 'branches', 'gate')

export const Branch = Type.Object(
  {
    id: Id,
    organization_id: Id,
    company_id: IdOf('company'),
    code: Code,
    name: Name,
    description: Nullable(Text),
    created_by: Nullable(IdOf('user')),
    ...timestamps,
  },
  { title: 'Branch' },
)

export const NewBranch = Strict(
  { company_id: IdOf('company'), code: Code, name: Name, description: Type.Optional(Nullable(Text)) },
  { title: 'NewBranch' },
)
type NewBranch = Static<typeof NewBranch>

export const BranchChanges = Strict(
  {
    company_id: Type.Optional(IdOf('company')),
    code: Type.Optional(Code),
    name: Type.Optional(Name),
    description: Type.Optional(Nullable(Text)),
  },
  { title: 'BranchChanges', minProperties: 1 },
)
type BranchChanges = Static<typeof BranchChanges>

export const branchFilters = {
  sort: sortOfStructure,
  company_id: Type.Optional(IdOf('company')),
  code: Type.Optional(Code),
  name: Type.Optional(Name),
}
type BranchFilters = Static<TObject<typeof branchFilters>>

const columns = [
  'id',
  'organization_id',
  'company_id',
  'code',
  'name',
  'description',
  'created_by',
  'created_at',
  'updated_at',
  'version',
] as const
const refusals = {
  branches_code_key: 'branch-code-taken',
  departments_code_key: 'department-code-taken', // of a department that would move with its branch
  branches_company_fkey: { pointer: '/company_id', detail: 'is not a company of this organization' },
} as const

const branchPages = pagesOf(
  (filters: { organization_id: string } & Partial<Record<'company_id' | 'code' | 'name', string>>) =>
    whereGiven(query.selectFrom('branches').select(columns), filters),
)

export const listBranches = ({ organization_id }: Place, { sort, ...filters }: BranchFilters, page: Page) =>
  branchPages({ organization_id, ...filters }, orderOf(sort, 'branches'), page)

/** @throws Problem not-found */
export const getBranch = ({ organization_id }: Place, id: string) =>
  get(query.selectFrom('branches').select(columns).where('organization_id', '=', organization_id).where('id', '=', id))

/** @throws Problem branch-code-taken, invalid-fields if the company is not one of this organization */
export const createBranch = ({ organization_id, user_id }: Place, branch: NewBranch) =>
  get(
    query
      .insertInto('branches')
      .values({ organization_id, created_by: user_id, ...branch })
      .returning(columns),
    refusals,
  )

const target = ({ organization_id }: Place, id: string, condition: Condition) =>
  ({
    query,
    table: 'branches',
    key: { organization_id, id },
    columns,
    condition,
    hold: holdStructure,
  }) as const

/**
 * Changes a branch; with another `company_id` its departments move with it.
 * @throws Problem not-found, branch-code-taken, department-code-taken, entity-tag-stale, invalid-fields if the company
 *   is not one of this organization
 */
export const updateBranch = (place: Place, id: string, changes: BranchChanges, condition: Condition) =>
  updateRow(target(place, id, condition), changes, refusals)

/** Deletes a branch with its departments. @throws Problem not-found, entity-tag-stale */
export const deleteBranch = (place: Place, id: string, condition: Condition) => deleteRow(target(place, id, condition))
