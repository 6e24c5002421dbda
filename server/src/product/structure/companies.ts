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

const query = tables('tenant', 'companies', 'gate')

export const Company = Type.Object(
  {
    id: Id,
    organization_id: Id,
    code: Code,
    name: Name,
    description: Nullable(Text),
    created_by: Nullable(IdOf('user')),
    ...timestamps,
  },
  { title: 'Company' },
)

export const NewCompany = Strict(
  { code: Code, name: Name, description: Type.Optional(Nullable(Text)) },
  { title: 'NewCompany' },
)
type NewCompany = Static<typeof NewCompany>

export const CompanyChanges = Strict(
  { code: Type.Optional(Code), name: Type.Optional(Name), description: Type.Optional(Nullable(Text)) },
  { title: 'CompanyChanges', minProperties: 1 },
)
type CompanyChanges = Static<typeof CompanyChanges>

export const companyFilters = { sort: sortOfStructure, code: Type.Optional(Code), name: Type.Optional(Name) }
type CompanyFilters = Static<TObject<typeof companyFilters>>

const columns = [
  'id',
  'organization_id',
  'code',
  'name',
  'description',
  'created_by',
  'created_at',
  'updated_at',
  'version',
] as const
const codeTaken = { companies_code_key: 'company-code-taken' } as const

const companyPages = pagesOf((filters: { organization_id: string; code?: string; name?: string }) =>
  whereGiven(query.selectFrom('companies').select(columns), filters),
)

export const listCompanies = ({ organization_id }: Place, { sort, ...filters }: CompanyFilters, page: Page) =>
  companyPages({ organization_id, ...filters }, orderOf(sort, 'companies'), page)

/** @throws Problem not-found */
export const getCompany = ({ organization_id }: Place, id: string) =>
  get(query.selectFrom('companies').select(columns).where('organization_id', '=', organization_id).where('id', '=', id))

/** @throws Problem company-code-taken */
export const createCompany = ({ organization_id, user_id }: Place, company: NewCompany) =>
  get(
    query
      .insertInto('companies')
      .values({ organization_id, created_by: user_id, ...company })
      .returning(columns),
    codeTaken,
  )

const target = ({ organization_id }: Place, id: string, condition: Condition) =>
  ({
    query,
    table: 'companies',
    key: { organization_id, id },
    columns,
    condition,
    hold: holdStructure,
  }) as const

/** @throws Problem not-found, company-code-taken, entity-tag-stale */
export const updateCompany = (place: Place, id: string, changes: CompanyChanges, condition: Condition) =>
  updateRow(target(place, id, condition), changes, codeTaken)

/** Deletes a company with its branches and departments. @throws Problem not-found, entity-tag-stale */
export const deleteCompany = (place: Place, id: string, condition: Condition) => deleteRow(target(place, id, condition))
