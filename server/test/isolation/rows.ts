import type pg from 'pg'
import { isLedger } from '../../src/platform/schema/inspection.ts'

/**
 * Every row of an organization or its users, from all tables in the catalog, as sorted text. A row of an organization's
 * table is identified by its organization, any other row by an id anywhere in it.
 */
export async function dumpRows(
  admin: pg.Pool,
  { organization_ids, ids }: { organization_ids: readonly string[]; ids: readonly string[] },
): Promise<string[]> {
  const { rows: tables } = await admin.query<{ name: string; key: string | null }>(`
    select c.relname as name, (select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and i.indisprimary and (a.attname = 'organization_id' or c.relname = 'organizations')) as key
    from pg_class c where c.relnamespace = 'freehold'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and not ${isLedger}`)
  const dumps = await Promise.all(
    tables.map(async ({ name, key }) => {
      const isTheirs =
        key === null
          ? 'to_jsonb(t)::text like any ($1::text[])' // patterns computed in advance: a sub-select would be run for each row
          : `${key} = any ($1::uuid[])`
      const { rows } = await admin.query<{ line: string }>(
        `select '${name} ' || to_jsonb(t)::text as line from ${name} t where ${isTheirs}`,
        [key === null ? ids.map(id => `%${id}%`) : organization_ids],
      )
      return rows.map(({ line }) => line)
    }),
  )
  return dumps.flat().sort()
}
