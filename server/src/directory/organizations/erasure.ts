import { sql } from 'kysely'
import type { Transaction } from '../../platform/database/database.ts'
import { execute, many, raw, tables } from '../../platform/database/statement.ts'
import { personalOrganizationId, writeWithin } from './organizations.ts'

const query = tables('system', 'organizations', 'memberships')

/**
 * Removes what stands of an erased account in organizations. The personal one is deleted with everything in it: no other
 * user was ever a member.
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

/** A user who was added at the moment of the deletion is a member no longer; an organization keeps its owner all the same. */
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
