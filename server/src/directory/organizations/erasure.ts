import { sql } from 'kysely'
import type { Transaction } from '../../platform/database/database.ts'
import { execute, many, raw, tables } from '../../platform/database/statement.ts'
import { writeWithin } from './organizations.ts'
import { personalOrganizationId } from './personal-organization.ts'

const query = tables('system', 'organizations', 'memberships')

/**
 * Removes what organizations hold of an erased account. The personal organization is deleted with all its data: it
 * never had another member.
 */
export async function eraseMemberships(transaction: Transaction<'system'>, user_id: string): Promise<void> {
  const places = query.selectFrom('memberships').select('organization_id').where('user_id', '=', user_id)
  for (const { organization_id } of await transaction.run(many(places))) {
    await transaction.run(writeWithin(organization_id))
    await transaction.run(blankMembership(organization_id, user_id))
  }
  const personal_id = personalOrganizationId(user_id)
  await transaction.run(writeWithin(personal_id))
  await transaction.run(execute(query.deleteFrom('organizations').where('id', '=', personal_id)))
}

/**
 * Also ends a membership that began during the deletion, but never that of an owner: an organization keeps its owner.
 */
const blankMembership = (organization_id: string, user_id: string) =>
  execute(
    raw(
      query,
      sql`update memberships set title = null, company = null,
          deleted_at = case when role = 'owner' then deleted_at else coalesce(deleted_at, now()) end
        where organization_id = ${organization_id} and user_id = ${user_id}
          and (title is not null or company is not null or (deleted_at is null and role <> 'owner'))`,
    ),
  )
