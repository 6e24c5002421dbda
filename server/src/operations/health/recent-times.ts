/** How long something took lately: a count for each of some bounds, in slots of ten seconds, for five minutes. */

const SLOT_MS = 10_000
const SLOTS = 30
const WINDOW_SECONDS = (SLOT_MS * SLOTS) / 1000

/** Upper bounds in milliseconds; the last count is of all that took longer. */
const BOUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000] as const

export interface TimesSummary {
  /** In the last five minutes, or since the start if that is later. */
  window_seconds: number
  count: number
  failed: number
  /** Milliseconds, estimated from counts; null without any. */
  median_ms: number | null
  p95_ms: number | null
  p99_ms: number | null
  max_ms: number | null
}

export interface RecentTimes {
  add(milliseconds: number, isFailed: boolean): void
  summarize(): TimesSummary
}

interface Slot {
  number: number
  count: number
  failed: number
  max: number
  counts: Uint32Array
}

/** `now` returns milliseconds that only grow. */
export function createRecentTimes(now: () => number = () => performance.now()): RecentTimes {
  const start = now()
  const slots = Array.from({ length: SLOTS }, (): Slot => ({ number: -1, ...emptySlot() }))
  return {
    add: (milliseconds, isFailed) => {
      const number = Math.floor(now() / SLOT_MS)
      const slot = slots[number % SLOTS] as Slot
      if (slot.number !== number) Object.assign(slot, emptySlot(), { number })
      slot.count++
      if (isFailed) slot.failed++
      if (milliseconds > slot.max) slot.max = milliseconds
      let at = 0
      while (at < BOUNDS.length && milliseconds > BOUNDS[at]!) at++
      slot.counts[at]!++
    },
    summarize: () => {
      const oldest = Math.floor(now() / SLOT_MS) - SLOTS
      const recent = slots.filter(({ number, count }) => number > oldest && count > 0)
      const sum = (read: (slot: Slot) => number) => recent.reduce((total, slot) => total + read(slot), 0)
      const count = sum(slot => slot.count)
      const max = Math.max(0, ...recent.map(slot => slot.max))
      const counts = Array.from({ length: BOUNDS.length + 1 }, (_, at) => sum(slot => slot.counts[at]!))
      const share = (part: number) => (count === 0 ? null : rounded(quantile(counts, part * count, max)))
      return {
        window_seconds: Math.min(WINDOW_SECONDS, Math.max(1, Math.round((now() - start) / 1000))),
        count,
        failed: sum(slot => slot.failed),
        median_ms: share(0.5),
        p95_ms: share(0.95),
        p99_ms: share(0.99),
        max_ms: count === 0 ? null : rounded(max),
      }
    },
  }
}

const emptySlot = () => ({ count: 0, failed: 0, max: 0, counts: new Uint32Array(BOUNDS.length + 1) })

/** The value that `rank` of the counted values do not exceed, as if those between two bounds were evenly spread. */
function quantile(counts: readonly number[], rank: number, max: number): number {
  let below = 0
  for (const [at, count] of counts.entries()) {
    if (count > 0 && below + count >= rank) {
      const [from, to] = [BOUNDS[at - 1] ?? 0, Math.min(BOUNDS[at] ?? max, max)]
      return Math.min(max, from + ((to - from) * (rank - below)) / count)
    }
    below += count
  }
  return max
}

const rounded = (milliseconds: number): number => Math.round(milliseconds * 10) / 10
