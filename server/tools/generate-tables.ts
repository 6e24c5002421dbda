import { readFileSync, writeFileSync } from 'node:fs'
import type pg from 'pg'
import { loadConfig } from '../src/config/config.ts'
import { migrateDatabase } from '../src/platform/schema/provision.ts'
import { connectToDatabase } from '../src/platform/schema/schema-script.ts'
import { withProvision } from '../src/platform/schema/with-database.ts'

// Writes platform/database/tables.gen.ts, the types of all tables and views, from the migrated schema; `--check` only compares.

const file = new URL('../src/platform/database/tables.gen.ts', import.meta.url)

/** How a value arrives from the driver (platform/database/database.ts sets how times and bigints are read). */
const types: Record<string, string> = {
  bool: 'boolean',
  bytea: 'Buffer',
  float8: 'number',
  int4: 'number',
  int8: 'number',
  jsonb: 'Json',
  text: 'string',
  timestamptz: 'string',
  uuid: 'string',
  xid8: 'string',
  _text: 'string[]',
  _timestamptz: 'string[]',
}

/** A view does not say which words its columns hold. */
const viewTypes: Record<string, string> = {
  'gate.role': "Memberships['role'] | 'superuser'",
  'own_organizations.role': "Memberships['role']",
  'own_organizations.kind': "'personal' | 'team'",
}

interface Column {
  table_name: string
  is_view: boolean
  column_name: string
  type_name: string
  nullable: boolean
  defaulted: boolean
  generated: boolean
  /** The check that lists the words of this column, if there is one. */
  words: string | null
}

const columnsSql = `
  select c.relname as table_name, c.relkind = 'v' as is_view, a.attname as column_name, t.typname as type_name,
    not a.attnotnull and c.relkind <> 'v' as nullable, a.atthasdef and a.attgenerated = '' as defaulted, a.attgenerated <> '' as generated,
    (select pg_get_constraintdef(k.oid) from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]
      and pg_get_constraintdef(k.oid) like '%= ANY (ARRAY[%') as words
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
  where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition and c.relname <> 'migrations'
    and a.attnum > 0 and not a.attisdropped
  order by c.relname, a.attname`

const interfaceName = (table: string): string =>
  table.replace(/(^|_)(\w)/g, (_match, _start, letter: string) => letter.toUpperCase())

function typeOf({ table_name, column_name, type_name, nullable, defaulted, generated, words }: Column): string {
  const listed = [...(words ?? '').matchAll(/'([^']+)'::text/g)].map(([, word]) => `'${word}'`).join(' | ')
  const plain = viewTypes[`${table_name}.${column_name}`] ?? (listed || types[type_name])
  if (plain === undefined)
    throw new Error(`generate-tables.ts has no type for ${type_name} (${table_name}.${column_name})`)
  const type = nullable ? `${plain} | null` : plain
  if (generated) return `ColumnType<${type}, never, never>`
  return defaulted ? `Generated<${type}>` : type
}

async function describeTables(client: pg.Client): Promise<string> {
  const { rows } = await client.query<Column>(columnsSql)
  const tables = Map.groupBy(rows, row => row.table_name)
  const interfaces = [...tables].map(
    ([table, columns]) =>
      `export interface ${interfaceName(table)} {\n${columns.map(column => `  ${column.column_name}: ${typeOf(column)}\n`).join('')}}\n`,
  )
  return `// Generated from the migrated schema by \`npm run generate\`.
import type { ColumnType, Generated } from 'kysely'

type Json = ColumnType<Record<string, unknown>, string, string>

${interfaces.join('\n')}
export interface DB {
${[...tables.keys()].map(table => `  ${table}: ${interfaceName(table)}\n`).join('')}}
`
}

const config = loadConfig(process.env)
process.exitCode = await withProvision(config, async ({ ownerUrl }) => {
  if (ownerUrl === undefined) throw new Error('set DATABASE_URL, or leave all of them out for the embedded database')
  const { schema } = config.database
  await migrateDatabase(ownerUrl, schema)
  const client = await connectToDatabase(ownerUrl)
  try {
    await client.query(`select set_config('search_path', $1, false)`, [schema])
    const described = await describeTables(client)
    if (!process.argv.includes('--check')) writeFileSync(file, described)
    else if (readFileSync(file, 'utf8') !== described) {
      console.error('core/tables.gen.ts is stale: run `npm run generate`')
      return 1
    }
    return 0
  } finally {
    await client.end()
  }
})
