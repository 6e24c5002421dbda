import type pg from 'pg'
import type { Migration, MigrationOptions } from './migrations.ts'
import { quoteSchema, runScript } from './schema-script.ts'

/** The table of the migrations that were applied to a schema. */

export type AppliedMigration = Pick<Migration, 'number' | 'name' | 'checksum'> & { applied_ms: number }

export async function readApplied(client: pg.Client, ledger: Ledger): Promise<AppliedMigration[]> {
  if (!(await exists(client, 'to_regclass', tableOf(ledger)))) return []
  const { rows } = await client.query<AppliedMigration>(`select number, name, checksum,
    extract(epoch from applied_at)::float8 * 1000 as applied_ms from ${tableOf(ledger)} order by number`)
  return rows
}

async function exists(client: pg.Client, find: 'to_regclass' | 'to_regnamespace', name: string): Promise<boolean> {
  const { rows } = await client.query(`select where ${find}($1) is not null`, [name])
  return rows.length > 0
}

/** Creates the table, which both logins may read, and the schema if missing, which requires CREATE. */
export async function makeTable(client: pg.Client, ledger: Ledger): Promise<void> {
  const { schema } = ledger
  const table = tableOf(ledger)
  const grants = `grant select on ${table} to freehold_system, freehold_tenant`
  if (await exists(client, 'to_regclass', table)) {
    // Tables of versions before 0.3.0 have no grant for the tenant login.
    const seen = await client.query(`select where has_table_privilege('freehold_tenant', $1, 'select')`, [table])
    if (seen.rows.length === 0) await client.query(grants)
    return
  }
  const create = (await exists(client, 'to_regnamespace', quoteSchema(schema))) ? '' : 'create schema {{schema}};'
  await runScript(
    client,
    schema,
    'the table of migrations',
    `${create} create table ${table} (number integer primary key, name text not null, checksum text not null,
      applied_at timestamptz not null default now(), digest text);
    comment on table ${table} is '${LEDGER_COMMENT}';
    ${grants}`,
  )
}

export type Ledger = Pick<MigrationOptions, 'schema' | 'ledger'>

/** By this comment the inspection of the schema recognizes the table, so that other tables cannot avoid the checks. */
export const LEDGER_COMMENT = 'migrations that ran here'

export const tableOf = ({ schema, ledger = 'migrations' }: Ledger): string =>
  `${quoteSchema(schema)}.${quoteSchema(ledger)}`

export const recordMigration = (
  client: pg.Client,
  ledger: Ledger,
  { number, name, checksum }: Migration,
): Promise<unknown> =>
  client.query(
    `insert into ${tableOf(ledger)} (number, name, checksum) values ($1, $2, $3)
    on conflict (number) do update set name = excluded.name, checksum = excluded.checksum`,
    [number, name, checksum],
  )

/** Stores the digest with the service's last migration, even after a feature's: the start compares that one. */
export async function storeDigest(client: pg.Client, { schema, digest }: MigrationOptions): Promise<void> {
  if (!digest) return
  const table = tableOf({ schema })
  await client.query(`update ${table} set digest = $1 where number = (select max(number) from ${table})`, [
    await digest(client),
  ])
}
