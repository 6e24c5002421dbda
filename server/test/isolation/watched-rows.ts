import type pg from 'pg'
import { isLedger } from '../../src/platform/schema/inspection.ts'
import { randomWord } from './values.ts'

interface Whose {
  organization_ids: readonly string[]
  ids: readonly string[]
}

/** Every row of an organization or its users, from all tables in the catalog, as sorted text. */
export const dumpRows = async (admin: pg.Pool, whose: Whose): Promise<string[]> => (await watchRows(admin, whose))()

/**
 * Reads every row of an organization or its users, from all tables in the catalog, as sorted text, whenever it is called.
 * A row of an organization's table is identified by its organization, any other row by an id anywhere in it.
 */
export async function watchRows(admin: pg.Pool, { organization_ids, ids }: Whose): Promise<() => Promise<string[]>> {
  const { rows: tables } = await admin.query<{ name: string; key: string | null }>(`
    select c.relname as name, (select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and i.indisprimary and (a.attname = 'organization_id' or c.relname = 'organizations')) as key
    from pg_class c where c.relnamespace = 'freehold'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and not ${isLedger}`)
  // Searching the text of whole tables takes long, so a row is searched once: later only if its transaction wrote one of
  // theirs, or is a new one. With `case` the text is never compared first; the patterns are computed in advance.
  const isTheirs = `case when t.xmin = any ($3::xid[]) or age(t.xmin) <= age($4::xid8::xid) then to_jsonb(t)::text like any ($2::text[]) end`
  const text = [
    `select pg_snapshot_xmin(pg_current_snapshot())::text as xid, null as line`,
    ...tables.map(
      ({ name: table, key }) =>
        `select xmin::text, '${table} ' || to_jsonb(t)::text from ${table} t where ${key === null ? isTheirs : `${key} = any ($1::uuid[])`}`,
    ),
  ].join(' union all ')
  const name = `rows ${randomWord()}`
  const patterns = ids.map(id => `%${id}%`)
  let writers: string[] = []
  let since = '3' // the first transaction of a cluster
  return async () => {
    const { rows } = await admin.query<{ xid: string; line: string | null }>({
      name,
      text,
      values: [organization_ids, patterns, writers, since],
    })
    const found = rows.flatMap(({ xid, line }) => (line === null ? [] : [{ xid, line }]))
    since = rows.find(({ line }) => line === null)!.xid
    writers = [...new Set(found.map(({ xid }) => xid))]
    return found.map(({ line }) => line).sort()
  }
}
