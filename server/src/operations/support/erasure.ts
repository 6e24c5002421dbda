import { writeWithin } from '../../directory/organizations/organizations.ts'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/database/database.ts'
import { execute, many, raw, tables } from '../../platform/database/statement.ts'

const query = tables('system', 'support_grants', 'audit_log')

/** Removes the addresses and user agents of an erased operator from the entries under support access; the entries stay. */
export async function eraseSupportOrigins(transaction: Transaction<'system'>, user_id: string): Promise<void> {
  const grants = query.selectFrom('support_grants').select(['organization_id', 'id']).where('operator_id', '=', user_id)
  for (const { organization_id, id } of await transaction.run(many(grants))) {
    await transaction.run(writeWithin(organization_id))
    await transaction.run(
      execute(
        raw(
          query,
          sql`update audit_log set ip = null, user_agent = null
            where organization_id = ${organization_id} and actor_id = ${id} and (ip is not null or user_agent is not null)`,
        ),
      ),
    )
  }
}
