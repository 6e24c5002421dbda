import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { requireCurrent } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import type { Place } from '../../platform/http/resource.ts'
import { Problem } from '../../platform/problems.ts'

const query = tables('tenant', 'companies', 'branches', 'departments', 'department_people', 'memberships')

const Count = Type.Integer({ minimum: 0, maximum: 2147483647 })

export const Removal = Type.Object(
  {
    companies: Count,
    branches: Count,
    departments: Count,
    people: Type.Integer({
      minimum: 0,
      maximum: 2147483647,
      description: 'The members who would lose an assignment. Their memberships stay.',
    }),
  },
  { title: 'StructureRemoval' },
)
type Removal = Static<typeof Removal>

/** The rows that would go, each as SQL about the row `seen`. */
interface Going {
  table: 'companies' | 'branches' | 'departments'
  branches: RawBuilder<unknown>
  /** The ids of the departments. */
  departments: RawBuilder<unknown>
}

/** Counts what the deletion of a row would delete. @throws Problem not-found, entity-tag-stale (when read) */
const previewOf =
  ({ table, branches, departments }: Going) =>
  ({ organization_id }: Place, id: string, condition: Condition) =>
    statement(
      raw(
        query,
        sql<Removal & { version: number }>`
        with recursive seen as (select organization_id, id, version from ${sql.table(table)} where organization_id = ${organization_id} and id = ${id}),
        going as (${departments})
        select version, ${table === 'companies' ? 1 : 0}::int as companies, (${branches})::int as branches,
          (select count(*) from going)::int as departments,
          (select count(distinct p.user_id) from going
            join department_people p on p.organization_id = seen.organization_id and p.department_id = going.id
            join memberships m on m.organization_id = p.organization_id and m.user_id = p.user_id and m.deleted_at is null)::int as people
        from seen`,
      ),
      ([row]) => {
        if (row === undefined) throw new Problem('not-found')
        requireCurrent(condition, row.version)
        return row
      },
    )

/** @throws Problem not-found, entity-tag-stale (when read) */
export const previewCompany = previewOf({
  table: 'companies',
  branches: sql`select count(*) from branches b where b.organization_id = seen.organization_id and b.company_id = seen.id`,
  departments: sql`select d.id from seen join departments d on d.organization_id = seen.organization_id and d.company_id = seen.id`,
})

/** @throws Problem not-found, entity-tag-stale (when read) */
export const previewBranch = previewOf({
  table: 'branches',
  branches: sql`select 1`,
  departments: sql`select d.id from seen join departments d on d.organization_id = seen.organization_id and d.branch_id = seen.id`,
})

/** @throws Problem not-found, entity-tag-stale (when read) */
export const previewDepartment = previewOf({
  table: 'departments',
  branches: sql`select 0`,
  departments: sql`select id from seen
    union all select d.id from going join departments d on d.organization_id = (select organization_id from seen) and d.parent_id = going.id`,
})
