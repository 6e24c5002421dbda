import { readFileSync, writeFileSync } from 'node:fs'
import type pg from 'pg'
import { loadConfig } from '../src/config/config.ts'
import { features } from '../src/features.ts'
import { locales } from '../src/platform/locales.ts'
import { declare } from '../src/platform/declarations.ts'
import { migrateDatabase } from '../src/platform/schema/provision.ts'
import { connectToDatabase } from '../src/platform/migrations/schema-script.ts'
import { withProvision } from '../src/platform/schema/with-database.ts'

// Writes the types of all tables and views, and the names of the functions that may change something, from the migrated
// schema; `--check` only compares.

const tablesFile = 'platform/database/tables.gen.ts'
const functionsFile = 'platform/connections/functions.gen.ts'

/** The types of values from the driver (platform/connections/trip-query.ts sets how times are read). */
const types: Record<string, string> = {
  bool: 'boolean',
  bytea: 'Buffer',
  float8: 'number',
  int4: 'number',
  int8: 'number',
  jsonb: 'Json',
  text: 'string',
  timestamptz: 'string',
  date: 'string',
  uuid: 'string',
  xid8: 'string',
  _text: 'string[]',
  _timestamptz: 'string[]',
  _uuid: 'string[]',
}

/** Types of view columns with fixed words, because views have no check constraints. */
const viewTypes: Record<string, string> = {
  'gate.role': "'owner' | 'admin' | 'member' | 'viewer' | 'superuser'",
  'own_account.locale': locales.map(locale => `'${locale}'`).join(' | '),
  'own_invitations.role': "'owner' | 'admin' | 'member' | 'viewer' | 'custom'",
  'own_organizations.role': "'owner' | 'admin' | 'member' | 'viewer' | 'custom'",
  'own_security_events.actor': "'self' | 'other' | 'unknown'",
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
  /** The check constraint that lists the words of this column, if there is one. */
  words: string | null
  /** The rights of the logins: `r`ead, `i`nsert and `u`pdate. */
  tenant: string
  system: string
}

const mayDo = (role: string): string =>
  `concat(case when has_column_privilege('${role}', c.oid, a.attnum, 'select') then 'r' end,
    case when has_column_privilege('${role}', c.oid, a.attnum, 'insert') then 'i' end,
    case when has_column_privilege('${role}', c.oid, a.attnum, 'update') then 'u' end)`

// A column that a view reads from another view can be null, as far as the catalog knows; those that `self` reads cannot.
const columnsSql = `
  select c.relname as table_name, c.relkind = 'v' as is_view, a.attname as column_name, t.typname as type_name,
    case when c.relkind <> 'v' then not a.attnotnull else exists (select from pg_rewrite r join pg_depend d on d.objid = r.oid and d.classid = 'pg_rewrite'::regclass
      join pg_attribute b on b.attrelid = d.refobjid and b.attnum = d.refobjsubid
      where r.ev_class = c.oid and d.refobjid <> c.oid and b.attname = a.attname and not b.attnotnull
        and b.attrelid is distinct from to_regclass('own_account')) end as nullable, a.atthasdef and a.attgenerated = '' as defaulted, a.attgenerated <> '' as generated,
    (select pg_get_constraintdef(k.oid) from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]
      and pg_get_constraintdef(k.oid) like '%= ANY (ARRAY[%') as words,
    ${mayDo('freehold_tenant')} as tenant, ${mayDo('freehold_system')} as system
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
  where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition and c.relname <> 'migrations'
    and a.attnum > 0 and not a.attisdropped
  order by c.relname, a.attname`

const interfaceName = (table: string): string =>
  table.replace(/(^|_)(\w)/g, (_match, _start, letter: string) => letter.toUpperCase())

/** The type of the column; jsonb is read as an object and written as text. */
function wordOf({ table_name, column_name, type_name, words }: Column): string {
  const listed = [...(words ?? '').matchAll(/'([^']+)'::text/g)].map(([, word]) => `'${word}'`).join(' | ')
  const plain = viewTypes[`${table_name}.${column_name}`] ?? (listed || types[type_name])
  if (plain === undefined)
    throw new Error(`generate-tables.ts has no type for ${type_name} (${table_name}.${column_name})`)
  return plain
}

/** The type of a column for a login with these rights: `never` if it may not read, insert or update. */
function typeOf(column: Column, rights: string): string {
  const { nullable, defaulted, generated, is_view, type_name } = column
  const orNull = nullable ? ' | null' : ''
  const read = `${wordOf(column)}${orNull}`
  const written = type_name === 'jsonb' ? `string${orNull}` : read
  const mayRead = rights.includes('r')
  const mayInsert = rights.includes('i') && !generated && !is_view
  const mayUpdate = rights.includes('u') && !generated
  const inserted = nullable || defaulted ? `${written} | undefined` : written
  if (mayRead && mayInsert && mayUpdate && type_name !== 'jsonb') return defaulted ? `Generated<${read}>` : read
  return `ColumnType<${mayRead ? read : 'never'}, ${mayInsert ? inserted : 'never'}, ${mayUpdate ? written : 'never'}>`
}

/** The rights that both logins have. */
const common = ({ tenant, system }: Column): string =>
  ['r', 'i', 'u'].filter(right => tenant.includes(right) && system.includes(right)).join('')

function describeLogin(
  name: string,
  logins: string,
  tables: ReadonlyMap<string, Column[]>,
  rightsOf: (column: Column) => string,
): string {
  const seen = [...tables].flatMap(([table, columns]) => {
    const known = columns.filter(column => rightsOf(column) !== '')
    return known.length === 0 ? [] : [[table, known] as const]
  })
  const interfaces = seen.map(
    ([table, columns]) =>
      `interface ${name}${interfaceName(table)} {\n${columns.map(column => `  ${column.column_name}: ${typeOf(column, rightsOf(column))}\n`).join('')}}\n`,
  )
  return `${interfaces.join('\n')}
export interface ${name}Tables {
  [runsOn]: ${logins}
${seen.map(([table]) => `  ${table}: ${name}${interfaceName(table)}\n`).join('')}}
`
}

async function describeTables(client: pg.Client): Promise<string> {
  const { rows } = await client.query<Column>(columnsSql)
  const tables = Map.groupBy(rows, row => row.table_name)
  return `// Generated from the migrated schema and its grants by \`npm run generate\`: what each login may read and write.
import type { ColumnType, Generated } from 'kysely'

export type LoginName = 'tenant' | 'system'

/** Says in types which logins may run a query. */
export declare const runsOn: unique symbol

type Json = Record<string, unknown>

${describeLogin('Tenant', "'tenant'", tables, ({ tenant }) => tenant)}
${describeLogin('System', "'system'", tables, ({ system }) => system)}
/** What both may do. */
${describeLogin('Either', "'tenant' | 'system'", tables, common)}`
}

/** PostgreSQL refuses changes by functions that are stable or immutable. */
const functionsSql = `
  select distinct proname as name from pg_proc p
  where pronamespace = current_schema()::regnamespace and provolatile = 'v' and prorettype <> 'trigger'::regtype
    and (has_function_privilege('freehold_tenant', p.oid, 'execute') or has_function_privilege('freehold_system', p.oid, 'execute'))
  order by proname`

async function describeFunctions(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>(functionsSql)
  return `// Generated from the migrated schema by \`npm run generate\`: the functions that may change something or wait for a lock.
export const changingFunctions = [
${rows.map(({ name }) => `  '${name}',\n`).join('')}]
`
}

const config = loadConfig(process.env)
process.exitCode = await withProvision(config, async ({ ownerUrl }) => {
  if (ownerUrl === undefined)
    throw new Error('set DATABASE_URL, or unset all DATABASE_ variables for the embedded database')
  const { schema } = config.database
  await migrateDatabase(ownerUrl, schema, declare(features))
  const client = await connectToDatabase(ownerUrl)
  try {
    await client.query(`select set_config('search_path', $1, false)`, [schema])
    const isCheck = process.argv.includes('--check')
    let stale = 0
    for (const [file, described] of [
      [tablesFile, await describeTables(client)],
      [functionsFile, await describeFunctions(client)],
    ] as const) {
      const url = new URL(`../src/${file}`, import.meta.url)
      if (!isCheck) writeFileSync(url, described)
      else if (readFileSync(url, 'utf8') !== described) {
        console.error(`${file} is stale: run \`npm run generate\``)
        stale++
      }
    }
    return stale > 0 ? 1 : 0
  } finally {
    await client.end()
  }
})
