import { sql } from 'kysely'
import { get, raw, statement, tables } from '../../platform/database/statement.ts'
import type { Transaction } from '../../platform/database/database.ts'
import type { PageOf } from '../../platform/database/pagination.ts'
import type { Operator } from '../../platform/gate/actor.ts'
import type { Statement } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'

const query = tables('system', 'users', 'organizations')
const tenant = tables('tenant', 'organizations')

/** Filters of a list that name an account or an organization, by the name of the parameter. */
interface Named {
  users?: Readonly<Record<string, string | undefined>>
  organization_id?: string | undefined
}

/**
 * A page of an operators' list. If it is empty, the filters may name an account or an organization that never existed.
 * @throws Problem invalid-fields, at the filter
 */
export async function pageOfKnown<Item>(
  operator: Pick<Operator, 'run'>,
  list: Statement<'system', PageOf<Item>>,
  { users = {}, organization_id }: Named,
): Promise<PageOf<Item>> {
  const page = await operator.run(list)
  const named = Object.entries(users).filter(([, id]) => id !== undefined)
  if (page.items.length > 0 || (named.length === 0 && organization_id === undefined)) return page
  const ids = named.map(([, id]) => id as string)
  const { known, has_organization } = await operator.run(findKnown(ids, organization_id))
  const errors = named
    .filter(([, id]) => !known.includes((id as string).toLowerCase()))
    .map(([name]) => ({ pointer: `?${name}`, detail: 'is not the id of an account' }))
  if (!has_organization) errors.push({ pointer: '?organization_id', detail: 'is not the id of an organization' })
  if (errors.length > 0) throw new Problem('invalid-fields', { errors })
  return page
}

const findKnown = (ids: readonly string[], organization_id: string | undefined) =>
  statement(
    raw(
      query,
      sql<{
        known: string[]
        has_organization: boolean
      }>`select array(select id::text from users where id = any (${ids}::uuid[])) as known,
        ${organization_id ?? null}::uuid is null or exists (select from organizations where id = ${organization_id ?? null}::uuid) as has_organization`,
    ),
    ([row]) => row as NonNullable<typeof row>,
  )

/**
 * Refuses an invitation to a suspended organization, whose emails are not sent, neither now nor later.
 * @throws Problem not-found, organization-suspended
 */
export async function requireUnsuspended(transaction: Transaction<'tenant'>, organization_id: string): Promise<void> {
  const { suspended_at } = await transaction.run(
    get(tenant.selectFrom('organizations').select('suspended_at').where('id', '=', organization_id)),
  )
  if (suspended_at !== null) throw new Problem('organization-suspended', { extension: { suspended_at } })
}
