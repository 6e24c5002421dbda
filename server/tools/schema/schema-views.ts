import { encodeId } from '@supabase/pg-delta'
import type { Action, FactBase, StableId } from '@supabase/pg-delta'
import type pg from 'pg'

interface Both<Side> {
  source: Side
  desired: Side
}

/** A database, and the columns of its views in their order, each as its name and type. */
export interface Viewed {
  facts: FactBase
  columns: ReadonlyMap<string, readonly string[]>
}

/** Reads the columns of views, which pg-delta does not. */
export async function readViewColumns(client: pg.Client): Promise<Map<string, string[]>> {
  const { rows } = await client.query<{ name: string; columns: string[] }>(
    `select c.relname as name, array_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)) order by a.attnum) as columns
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
      where c.relkind = 'v' and c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema') group by c.oid`,
  )
  return new Map(rows.map(({ name, columns }) => [name, columns]))
}

/**
 * pg-delta drops a view to change it, with everything that depends on it: every policy of every table. The drop would
 * fail if a product's own tables have such policies too, which our plan does not know. So a view that keeps its
 * columns, or gets more at its end, is replaced in place, and its dependents are not changed.
 */
export function replaceViews(actions: readonly Action[], { source, desired }: Both<Viewed>): Action[] {
  const facts = { source: source.facts, desired: desired.facts }
  const destroyed = new Map(actions.flatMap(({ destroys }) => destroys.map(id => [encodeId(id), id] as const)))
  const isKept = (id: StableId): boolean => {
    if (id.kind !== 'view' || isSame(id, facts)) return false
    const [before, after] = [source.columns.get(id.name), desired.columns.get(id.name)]
    return before !== undefined && after !== undefined && before.every((column, index) => column === after[index])
  }
  const kept = new Set([...destroyed].flatMap(([key, id]) => (isKept(id) ? [key] : [])))
  if (kept.size === 0) return [...actions]
  const spared = spare(destroyed, kept, facts)

  // What the former view needed, and what that needed in turn.
  const needed = new Set<string>()
  const collect = (id: StableId): void => {
    for (const { to } of source.facts.outgoingEdges(id)) {
      const key = encodeId(to)
      if (!destroyed.has(key) || needed.has(key)) continue
      needed.add(key)
      // A table is dropped together with its triggers, which need their functions.
      for (const { destroys } of actions) if (destroys.some(one => encodeId(one) === key)) destroys.forEach(collect)
    }
  }
  for (const key of kept) collect(destroyed.get(key)!)
  const isSpared = (ids: readonly StableId[]): boolean => ids.length > 0 && ids.every(id => spared.has(encodeId(id)))
  const replaced = actions.flatMap((action): Action[] => {
    const { destroys, produces } = action
    if (destroys.some(id => kept.has(encodeId(id))) || isSpared(destroys) || isSpared(produces)) return []
    const isView = produces.some(id => kept.has(encodeId(id))) && /^create view/i.test(action.sql)
    return [isView ? { ...action, sql: action.sql.replace(/^create view/i, 'CREATE OR REPLACE VIEW') } : action]
  })
  // Objects that only the former view needed are dropped after it was replaced.
  const isLeft = ({ destroys }: Action): boolean => destroys.some(id => needed.has(encodeId(id)))
  return [...replaced.filter(action => !isLeft(action)), ...replaced.filter(isLeft)]
}

const isSame = (id: StableId, { source, desired }: Both<FactBase>): boolean =>
  source.has(id) && desired.has(id) && source.hashOf(id) === desired.hashOf(id)

/** Removes the drop and creation of objects that do not change and depend on a view that is kept. */
function spare(
  destroyed: ReadonlyMap<string, StableId>,
  kept: ReadonlySet<string>,
  facts: Both<FactBase>,
): Set<string> {
  const spared = new Set([...destroyed].flatMap(([key, id]) => (!kept.has(key) && isSame(id, facts) ? [key] : [])))
  const stays = (key: string): boolean => !destroyed.has(key) || kept.has(key) || spared.has(key)
  for (let before = -1; before !== spared.size;) {
    before = spared.size
    for (const key of spared)
      if (!facts.source.outgoingEdges(destroyed.get(key)!).every(({ to }) => stays(encodeId(to)))) spared.delete(key)
  }
  return spared
}
