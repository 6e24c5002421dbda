import type { Row } from './trip-query.ts'

/** How many runs one statement takes at most. */
const MOST = 16
/** How many such statements of one text are in flight at most; more runs wait for an answer. */
const IN_FLIGHT = 2

/** One run: each of its parameters is an array of one value, and each of its rows has `place` = 1. */
export interface GatheredRun {
  sql: string
  parameters: readonly (readonly unknown[])[]
}

/** Nothing was carried out for this run, which is to be made alone. */
export class NotGathered extends Error {}

interface Waiting<Run> {
  run: Run
  resolve: (rows: Row[]) => void
  reject: (error: unknown) => void
}

/**
 * Makes one statement of the runs of a text that are asked for in one turn of the event loop, or while others are in flight:
 * its parameters are arrays, and `place` says in each of its rows whose it is, from 1. If it fails, none of its runs has
 * happened, and each is rejected with NotGathered: the fault of one is not the others'.
 * `send` returns undefined if it cannot send a statement now.
 */
export function gatherRuns<Run extends GatheredRun>(
  send: (statement: Run, count: number) => Promise<Row[]> | undefined,
): (run: Run) => Promise<Row[]> {
  const texts = new Map<string, { waiting: Waiting<Run>[]; inFlight: number }>()

  async function sendOne(runs: readonly Waiting<Run>[], first: Run): Promise<void> {
    try {
      const parameters = first.parameters.map((_, index) => runs.map(({ run }) => run.parameters[index]?.[0]))
      const rows = await (send({ ...first, parameters }, runs.length) ?? Promise.reject(new NotGathered()))
      const found = runs.map((): Row[] => [])
      for (const row of rows) found[(row['place'] as number) - 1]?.push(row)
      for (const [index, { resolve }] of runs.entries()) resolve(found[index] as Row[])
    } catch (error) {
      for (const { reject } of runs) reject(runs.length === 1 ? error : new NotGathered('', { cause: error }))
    }
  }

  return run => {
    const state = texts.get(run.sql) ?? { waiting: [], inFlight: 0 }
    texts.set(run.sql, state)
    const sendAll = (): void => {
      while (state.waiting.length > 0 && state.inFlight < IN_FLIGHT) {
        const runs = state.waiting.splice(0, MOST)
        state.inFlight++
        void sendOne(runs, runs[0]!.run).finally(() => {
          state.inFlight--
          sendAll()
        })
      }
    }
    return new Promise((resolve, reject) => {
      if (state.waiting.push({ run, resolve, reject }) === 1) setImmediate(sendAll)
    })
  }
}
