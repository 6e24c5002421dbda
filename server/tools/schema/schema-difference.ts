import { encodeId, extract, plan } from '@supabase/pg-delta'
import type { Action, Delta, Fact, FactBase, StableId } from '@supabase/pg-delta'
import { formatSqlStatements } from '@supabase/pg-delta/sql-format'
import type pg from 'pg'
import { readViewColumns, replaceViews } from './schema-views.ts'
import type { Viewed } from './schema-views.ts'

/** A database as pg-delta reads it: each table, column, policy, grant and so on is a fact. */
export interface Snapshot extends Viewed {
  /** The owner of the objects; an owner's implicit grants do not count as a difference. */
  owner: string
  /** Descriptions of objects of kinds that pg-delta does not compare. */
  unseen: string[]
}

export interface Difference {
  /** The statements from the source to the desired database, in order, without semicolons. */
  statements: string[]
  /** The data that these statements discard: `table` or `table.column`. */
  loses: string[]
  words: string[]
}

/** Reads the database of a connection. pg-delta expects a pool, so the open connection acts as one. */
export async function readSnapshot(client: pg.Client): Promise<Snapshot> {
  const connection = Object.assign(client, { release: () => {} })
  const pool = { connect: () => Promise.resolve(connection) } as unknown as Parameters<typeof extract>[0]
  const { factBase: facts, diagnostics } = await extract(pool)
  const {
    rows: [user],
  } = await client.query<{ name: string }>('select current_user as name')
  const unseen = diagnostics.filter(({ code }) => code === 'unmodeled_kind').map(({ message }) => message)
  return { facts, owner: user?.name ?? '', unseen, columns: await readViewColumns(client) }
}

const OF_COLUMNS = /^(grant|revoke)\s+[a-z ]+\(/i

/**
 * The difference between two databases, except for owners. pg-delta is an alpha version, and only this file and
 * schema-views.ts use it.
 */
export function diffSnapshots(source: Snapshot, desired: Snapshot, ignoredTables: string[] = []): Difference {
  const {
    actions: planned,
    deltas,
    preamble,
  } = plan(source.facts, desired.facts, {
    scope: 'database',
    defaultOwner: desired.owner,
    policy: {
      id: 'freehold',
      filter: [
        // these name the owner, and PostgreSQL 15 does not have every privilege that an owner has on 18
        {
          match: { all: [{ kind: 'acl' }, { idField: { field: 'grantee', glob: desired.owner } }] },
          action: 'exclude',
        },
        { match: { kind: 'defaultPrivilege' }, action: 'exclude' },
        ...ignoredTables.map(name => ({ match: { all: [{ kind: 'table' }, { name }] }, action: 'exclude' as const })),
      ],
      assumedRoles: desired.facts.facts().flatMap(({ id }) => (id.kind === 'role' ? [id.name] : [])),
    },
  })
  const actions = replaceViews(planned, { source, desired })
  if (actions.length === 0) return { statements: [], loses: [], words: [] }
  // the migration sets search_path itself, and every name is qualified
  const settings = preamble
    .filter(({ name }) => name !== 'search_path')
    .map(({ name, value }) => `set local ${name} = ${value}`)
  const lines = actions.map(({ sql }) => sql.trimEnd().replace(/;+$/, ''))
  const statements = formatSqlStatements(
    // `revoke all` on a table also revokes the privileges of its columns, so these come last.
    [
      ...lines.filter(line => !OF_COLUMNS.test(line)),
      ...lines.filter(line => OF_COLUMNS.test(line)),
      ...grantsToRepeat(deltas, desired.facts),
    ],
    { keywordCase: 'lower', maxWidth: 120 },
  )
  return { statements: [...settings, ...statements], loses: listLosses(actions, deltas), words: describeDeltas(deltas) }
}

/** Unchanged grants on columns that must be repeated, because the `revoke all` on their table also revokes them. */
function grantsToRepeat(deltas: Delta[], desired: FactBase): string[] {
  const idOf = (delta: Delta): StableId | undefined =>
    'fact' in delta ? delta.fact.id : 'id' in delta ? delta.id : undefined
  const keyOf = ({ target, grantee }: Extract<StableId, { kind: 'acl' }>) => `${encodeId(target)} ${grantee}`
  const changed = new Set<string>()
  const repeated = new Set<string>()
  for (const id of deltas.map(idOf))
    if (id?.kind === 'acl')
      (id.column === undefined ? changed : repeated).add(id.column === undefined ? keyOf(id) : encodeId(id))
  return desired.facts().flatMap(({ id, payload }) => {
    if (id.kind !== 'acl' || id.column === undefined || id.target.kind !== 'table') return []
    if (!changed.has(keyOf(id)) || repeated.has(encodeId(id))) return []
    const { schema, name } = id.target
    const { privileges } = payload as { privileges: string[] }
    return [
      `grant ${privileges.map(word => `${word} ("${id.column}")`).join(', ')} on table "${schema}"."${name}" to "${id.grantee}"`,
    ]
  })
}

/** The tables of a database, and whether each is partitioned. */
export const tablesOf = ({ facts }: Snapshot): Map<string, { partitioned: boolean }> =>
  new Map(
    facts
      .facts()
      .flatMap(({ id, payload }) =>
        id.kind === 'table'
          ? [[id.name, { partitioned: (payload as { partitionKey?: unknown }).partitionKey != null }]]
          : [],
      ),
  )

/** Partitions that only the migrations have created, such as months of a log: not drift, and never dropped. */
export function listUndeclaredPartitions(migrated: Snapshot, declared: Snapshot): string[] {
  return migrated.facts.facts().flatMap(({ id, payload }) => {
    const { partitionBound, parentTable } = payload as {
      partitionBound?: string
      parentTable?: { schema: string; name: string }
    }
    return id.kind === 'table' &&
      partitionBound &&
      parentTable &&
      !declared.facts.has(id) &&
      declared.facts.has({ kind: 'table', ...parentTable })
      ? [id.name]
      : []
  })
}

/** A changed type counts as a loss, because a cast may truncate or round. */
function listLosses(actions: Action[], deltas: Delta[]): string[] {
  const destroyed = actions
    .filter(({ dataLoss }) => dataLoss === 'destructive')
    .flatMap(({ destroys, consumes }) => (destroys.length > 0 ? destroys : consumes))
  const changed = deltas.flatMap(delta => (delta.verb === 'set' && delta.attr === 'type' ? [delta.id] : []))
  const tables = new Set(destroyed.flatMap(id => (id.kind === 'table' ? [id.name] : [])))
  const columns = [...destroyed, ...changed].flatMap(id =>
    id.kind === 'column' && !tables.has(id.table)
      ? [`${id.table}.${id.name}`]
      : id.kind === 'typeAttribute'
        ? [`${id.type}.${id.name}`]
        : [],
  )
  return [...tables, ...new Set(columns)]
}

/** Omits the parts of objects that are missing as a whole. */
function describeDeltas(deltas: Delta[]): string[] {
  const whole = new Set(
    deltas.flatMap(delta => (delta.verb === 'add' || delta.verb === 'remove' ? [encodeId(delta.fact.id)] : [])),
  )
  const told = (fact: Fact): boolean => fact.parent !== undefined && whole.has(encodeId(fact.parent))
  return deltas.flatMap(delta => {
    if (delta.verb === 'add')
      return told(delta.fact) ? [] : [`declared, but not in the migrations: ${describeId(delta.fact.id)}`]
    if (delta.verb === 'remove')
      return told(delta.fact) ? [] : [`in the migrations, but not declared: ${describeId(delta.fact.id)}`]
    if (delta.verb !== 'set') return [] // an edge between two facts, one of which is already listed
    const [from, to] = [JSON.stringify(delta.from), JSON.stringify(delta.to)]
    const values = from.length + to.length < 100 ? `: ${from} in the migrations, ${to} declared` : ''
    return [`different: ${describeId(delta.id)}, ${delta.attr}${values}`]
  })
}

function describeId(id: StableId): string {
  if (id.kind === 'acl')
    return `grants to ${id.grantee} on ${id.column ? `column ${id.column} of ` : ''}${describeId(id.target)}`
  if ('target' in id) return `${id.kind} on ${describeId(id.target)}`
  const kind = id.kind.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)
  const name = [...('table' in id ? [id.table] : []), ...('name' in id ? [id.name] : [])].join('.')
  return `${kind} ${name}${'args' in id ? `(${id.args.join(', ')})` : ''}`
}
