/** How much of its CPU and event loop this process has used lately: since the oldest of some marks, up to five minutes ago. */

const MARK_MS = 10_000
const MARKS = 30

interface Mark {
  cpu: NodeJS.CpuUsage
  loop: ReturnType<typeof performance.eventLoopUtilization>
}

export interface RecentUse {
  /** Of the last five minutes, or since the start if that is later; of one processor, so that CPU may exceed 100. */
  read(): { cpu_percent: number; event_loop_percent: number }
  stop(): void
}

const makeMark = (): Mark => ({ cpu: process.cpuUsage(), loop: performance.eventLoopUtilization() })

/** Marks the use from now on, so that the answer does not depend on who has asked before. */
export function createRecentUse(markMs = MARK_MS): RecentUse {
  const marks: Mark[] = [makeMark()]
  const timer = setInterval(() => {
    marks.push(makeMark())
    if (marks.length > MARKS) marks.shift()
  }, markMs).unref()
  return {
    read: () => {
      const { cpu, loop } = marks[0]!
      const { active, idle } = performance.eventLoopUtilization(performance.eventLoopUtilization(), loop)
      const { user, system } = process.cpuUsage(cpu)
      const milliseconds = Math.max(1, active + idle)
      return {
        cpu_percent: Math.round((user + system) / milliseconds / 10),
        event_loop_percent: Math.round((100 * active) / milliseconds),
      }
    },
    stop: () => clearInterval(timer),
  }
}
