import { encodeId } from '@supabase/pg-delta'
import type { Action, FactBase, StableId } from '@supabase/pg-delta'

/**
 * pg-delta drops a view to change it, and with it all that stands on it: every policy of every table. A product's own tables
 * have such policies too, which no plan of ours knows, so the drop would fail there. A view that keeps its columns is replaced
 * in place instead, and what stands on it is left alone.
 */
export function replaceViews(actions: readonly Action[], source: FactBase, desired: FactBase): Action[] {
  const destroyed = new Map(actions.flatMap(({ destroys }) => destroys.map(id => [encodeId(id), id] as const)))
  const isKept = (id: StableId): boolean =>
    id.kind === 'view' &&
    !isSame(id, source, desired) &&
    destroyed.has(encodeId(id)) &&
    desired.has(id) &&
    columnsOf(source, id) === columnsOf(desired, id)
  const kept = new Set([...destroyed].flatMap(([key, id]) => (isKept(id) ? [key] : [])))
  if (kept.size === 0) return [...actions]
  const spared = spare(destroyed, kept, source, desired)

  const needed = new Set(
    [...kept].flatMap(key => source.outgoingEdges(destroyed.get(key)!).map(({ to }) => encodeId(to))),
  )
  const isSpared = (ids: readonly StableId[]): boolean => ids.length > 0 && ids.every(id => spared.has(encodeId(id)))
  const replaced = actions.flatMap((action): Action[] => {
    const { destroys, produces } = action
    if (destroys.some(id => kept.has(encodeId(id))) || isSpared(destroys) || isSpared(produces)) return []
    const isView = produces.some(id => kept.has(encodeId(id))) && /^create view/i.test(action.sql)
    return [isView ? { ...action, sql: action.sql.replace(/^create view/i, 'CREATE OR REPLACE VIEW') } : action]
  })
  // What only the earlier view needed goes once it needs it no longer.
  const isLeft = ({ destroys }: Action): boolean => destroys.some(id => needed.has(encodeId(id)))
  return [...replaced.filter(action => !isLeft(action)), ...replaced.filter(isLeft)]
}

const isSame = (id: StableId, source: FactBase, desired: FactBase): boolean =>
  source.has(id) && desired.has(id) && source.hashOf(id) === desired.hashOf(id)

const columnsOf = (facts: FactBase, view: StableId): string =>
  JSON.stringify(facts.childrenOf(view).filter(({ id }) => id.kind === 'column'))

/** What would be dropped and made again only because of a view that is kept: it is the same before and after. */
function spare(
  destroyed: ReadonlyMap<string, StableId>,
  kept: ReadonlySet<string>,
  source: FactBase,
  desired: FactBase,
): Set<string> {
  const spared = new Set(
    [...destroyed].flatMap(([key, id]) => (!kept.has(key) && isSame(id, source, desired) ? [key] : [])),
  )
  const stays = (key: string): boolean => !destroyed.has(key) || kept.has(key) || spared.has(key)
  for (let before = -1; before !== spared.size;) {
    before = spared.size
    for (const key of spared)
      if (!source.outgoingEdges(destroyed.get(key)!).every(({ to }) => stays(encodeId(to)))) spared.delete(key)
  }
  return spared
}
