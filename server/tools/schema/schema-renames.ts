import { readFileSync } from 'node:fs'
import type pg from 'pg'
import { MigrationError, runScript } from '../../src/platform/migrations/schema-script.ts'

/** `[table]` or `[table, column]`. */
interface Rename {
  from: string[]
  to: string[]
}

/** A rename as a statement, and the statement that undoes it; `{{schema}}` is replaced by the schema's name. */
export interface RenameStep {
  forth: string
  back: string
}

/** The lines `-- renamed: old_table -> new_table` and `-- renamed: table.old -> table.new`, tables first. */
export function readRenames(files: readonly string[]): Rename[] {
  const renames = files.flatMap(file =>
    [...readFileSync(file, 'utf8').matchAll(/^\s*-- *renamed:(.*)$/gm)].map(([line, hint = '']) => {
      const [from = [], to = [], rest] = hint.split('->').map(name => name.trim().split('.'))
      if (rest || from.length !== to.length || from.length > 2 || ![...from, ...to].every(word => /^\w+$/.test(word))) {
        throw new MigrationError(
          `${file}: "${line.trim()}" is neither "-- renamed: old_table -> new_table" ` +
            'nor "-- renamed: table.old -> table.new".',
        )
      }
      return { from, to }
    }),
  )
  return renames.sort((a, b) => a.from.length - b.from.length)
}

/**
 * Applies the renames to the migrated database, and returns them as statements. PostgreSQL keeps the old names of keys,
 * indexes and sequences. They are renamed too, because otherwise they would be created again, and a new sequence starts
 * at 1.
 */
export async function renameMigrated(
  renames: Rename[],
  declared: Catalog,
  client: pg.Client,
  schema: string,
): Promise<RenameStep[]> {
  const steps: RenameStep[] = []
  const rename = async (alter: (name: string) => string, from: string, to: string): Promise<void> => {
    const step = { forth: `${alter(`"${from}"`)} to "${to}"`, back: `${alter(`"${to}"`)} to "${from}"` }
    await runScript(client, schema, '-- renamed', step.forth)
    steps.push(step)
  }
  let migrated = await readCatalog(client, schema)
  const renamedTables = new Set<string>()
  for (const {
    from: [oldTable = '', oldColumn],
    to: [table = '', column],
  } of renames) {
    // a column's line may use the old or the new name of its table; the table already has its new name
    const source = column === undefined ? oldTable : `${table}.${oldColumn}`
    const target = column === undefined ? table : `${table}.${column}`
    if (!migrated.names.has(source) || migrated.names.has(target)) continue // done by an earlier migration
    if (declared.names.has(source)) throw new MigrationError(`${source} is said to be renamed, but is still declared.`)
    if (!declared.names.has(target))
      throw new MigrationError(`${source} is said to be renamed to ${target}, which is not declared.`)
    if (column === undefined) await rename(name => `alter table {{schema}}.${name} rename`, oldTable, table)
    else await rename(name => `alter table {{schema}}."${table}" rename column ${name}`, oldColumn ?? '', column)
    renamedTables.add(table)
    migrated = await readCatalog(client, schema)
  }
  const taken = new Set(migrated.dependents.map(({ name }) => name))
  for (const { table, kind, name, definition } of migrated.dependents.filter(({ table }) => renamedTables.has(table))) {
    const heirs = declared.dependents.filter(other => other.table === table && other.definition === definition)
    const heir = heirs.find(other => !taken.has(other.name))
    if (!heir || heirs.some(other => other.name === name)) continue
    const alterTable = `alter table {{schema}}."${table}" rename constraint`
    await rename(
      old => (kind === 'constraint' ? `${alterTable} ${old}` : `alter ${kind} {{schema}}.${old} rename`),
      name,
      heir.name,
    )
    taken.add(heir.name)
  }
  return steps
}

interface Dependent {
  table: string
  kind: 'constraint' | 'index' | 'sequence'
  name: string
  /** The definition without the name. */
  definition: string
}

/** The names and objects that renames concern. */
export interface Catalog {
  /** `table` and `table.column`. */
  names: Set<string>
  /** The named objects that belong to a table. */
  dependents: Dependent[]
}

export async function readCatalog(client: pg.Client, schema: string): Promise<Catalog> {
  const names = await client.query<{ table: string; column: string }>(
    `select relname as table, attname as column
    from pg_class join pg_attribute on attrelid = pg_class.oid
    where relnamespace = $1::regnamespace and relkind in ('r', 'p') and attnum > 0 and not attisdropped`,
    [schema],
  )
  const dependents = await client.query<Dependent>(
    `
    with tables as (select oid, relname from pg_class where relnamespace = $1::regnamespace and relkind in ('r', 'p'))
    select relname as table, 'constraint' as kind, conname as name, pg_get_constraintdef(c.oid) as definition
      from tables join pg_constraint c on conrelid = tables.oid where contype in ('c', 'f', 'p', 'u', 'x')
    union all
    select tables.relname, 'index', i.relname, replace(pg_get_indexdef(i.oid), quote_ident(i.relname) || ' ON ', 'ON ')
      from tables join pg_index on indrelid = tables.oid join pg_class i on i.oid = indexrelid
      where not exists (select from pg_constraint where conindid = i.oid and contype in ('p', 'u', 'x'))
    union all
    select tables.relname, 'sequence', s.relname, attname
      from tables join pg_depend on refobjid = tables.oid and classid = 'pg_class'::regclass and deptype in ('a', 'i')
      join pg_class s on s.oid = objid and s.relkind = 'S'
      join pg_attribute on attrelid = tables.oid and attnum = refobjsubid
    order by 1, 2, 3`,
    [schema],
  )
  return {
    names: new Set(names.rows.flatMap(({ table, column }) => [table, `${table}.${column}`])),
    dependents: dependents.rows,
  }
}
