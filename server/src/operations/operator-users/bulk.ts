import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Problem } from '../../platform/problems.ts'
import type { ProblemCode, ProblemTable } from '../../platform/problems.ts'
import { Id, IdOf, OneOf } from '../../platform/schemas.ts'

/** How many accounts or sessions one request may name. */
const MAX_IDS = 1000

/** The ids of a bulk action: `idsOf('session')`. */
export const idsOf = (thing: string) =>
  Type.Array(IdOf(thing), {
    minItems: 1,
    maxItems: MAX_IDS,
    description: 'At most 1,000. An id that is named several times has one result.',
  })

export const allOrNothing = Type.Boolean({
  default: false,
  description:
    'Whether nothing is changed if one item is not found or refused: the response is then the problem `bulk-refused`, with all results.',
})

const Status = OneOf(['done', 'unchanged', 'not-found', 'refused'], {
  description: '`unchanged`: it was so already. `refused`: for the reason in `problem`.',
})

const BulkResult = Type.Object(
  {
    id: Id,
    status: Status,
    problem: Type.Optional(
      Type.Object({
        code: Type.String({ maxLength: 100 }),
        title: Type.String({ maxLength: 1000 }),
        detail: Type.String({ maxLength: 1000 }),
      }),
    ),
  },
  { title: 'BulkResult' },
)

export const BulkResults = Type.Object(
  {
    results: Type.Array(BulkResult, {
      maxItems: MAX_IDS,
      description: 'One for each id, in the order of the request.',
    }),
  },
  { title: 'BulkResults' },
)

/** What became of one item. */
export type Outcome = Static<typeof Status> | { refused: ProblemCode }

/** The ids of a request, each once, in their order. */
export const distinctIds = (ids: readonly string[]): string[] => [...new Set(ids)]

/**
 * The results of a bulk action, in the order of the ids. @throws Problem bulk-refused, with the results, if one item is not
 * found or refused and `isWhole`
 */
export function resultsOf(
  ids: readonly string[],
  outcomes: ReadonlyMap<string, Outcome>,
  { problems, isWhole }: { problems: ProblemTable; isWhole: boolean },
): Static<typeof BulkResults> {
  const results = ids.map(id => {
    const outcome = outcomes.get(id) ?? 'not-found'
    if (typeof outcome === 'string') return { id, status: outcome }
    const code = outcome.refused
    const [, title, detail] = problems[code] ?? [500, code, '']
    return { id, status: 'refused' as const, problem: { code, title, detail } }
  })
  if (isWhole && results.some(({ status }) => status === 'refused' || status === 'not-found')) {
    const skipped = results.map(result => (result.status === 'done' ? { ...result, status: 'skipped' } : result))
    throw new Problem('bulk-refused', { extension: { results: skipped } })
  }
  return { results }
}

/** What the operators' log says about a bulk action: the items that it changed. */
export const changedOf = ({ results }: Static<typeof BulkResults>): { ids: string[] } => ({
  ids: results.flatMap(({ id, status }) => (status === 'done' ? [id] : [])),
})

/** The outcome of an action on one item. @throws Problem not-found, or why it was refused */
export function onlyOutcome(id: string, outcomes: ReadonlyMap<string, Outcome>): 'done' | 'unchanged' {
  const outcome = outcomes.get(id) ?? 'not-found'
  if (typeof outcome === 'object') throw new Problem(outcome.refused)
  if (outcome === 'not-found' || outcome === 'refused') throw new Problem('not-found')
  return outcome
}
