import { setTimeout as delay } from 'node:timers/promises'
import type { RunningService } from '../main.ts'
import { awaitOrphanage } from './orphanage.ts'

/** How long a start may take to come to its end once it is no longer wanted. Milliseconds. */
const START_MS = 5000

interface Told {
  /** Whether there is time for load balancers to notice. */
  drains: boolean
}

/**
 * Runs a service until the process is told to end: by SIGTERM or SIGINT, by SIGHUP where there is no log file to open
 * again, or by the end of what launched it. Asked again a second later, it ends at once. @returns the exit code
 */
export async function runUntilSignal(
  start: () => Promise<RunningService>,
  { file }: { file: string | undefined },
): Promise<number> {
  let service: RunningService | undefined
  const told = Promise.race([
    awaitSignal(file === undefined ? undefined : () => service?.reopenLog()),
    awaitOrphanage().then(() => ({ drains: false })),
  ])
  // Heard from the beginning. A start that hangs is ended, and the listeners of `exit` take the embedded PostgreSQL along.
  const isGivenUp = told.then(() => delay(START_MS, 'given-up' as const, { ref: false }))
  let isStarted = false
  const drains = told.then(how => how.drains && isStarted)
  const started = await Promise.race([start(), isGivenUp])
  if (started === 'given-up') process.exit(1)
  service = started
  isStarted = true
  await service.stop({ drains: await drains })
  return 0
}

/** `reopenLog` is what SIGHUP asks for; where there is no log file, it says that the terminal has gone. */
function awaitSignal(reopenLog?: () => void): Promise<Told> {
  return new Promise(resolve => {
    let asked = 0
    const end = () => {
      // A terminal and npm both pass on the first Ctrl-C, so it may arrive twice.
      if (asked > 0 && Date.now() - asked > 1000) process.exit(130)
      asked ||= Date.now()
      resolve({ drains: true })
    }
    process.on('SIGTERM', end).on('SIGINT', end)
    process.on('SIGHUP', reopenLog ?? end)
  })
}
