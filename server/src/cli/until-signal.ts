import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { RunningService } from '../main.ts'
import { awaitUncaught } from '../platform/observation/uncaught.ts'
import { createLogger } from '../platform/server/logging.ts'
import type { LogOptions } from '../platform/server/logging.ts'
import { awaitOrphanage } from './orphanage.ts'

/** How long a start may continue after a signal to stop. Milliseconds. */
const START_MS = 5000

/**
 * How long the process may exist after the drain, or after a start that failed. It is longer than all limits of what is
 * closed: the last requests, jobs and statements (25 s), and the embedded PostgreSQL (40 s). Milliseconds.
 */
const STOP_MS = 75_000

interface Told {
  /** Whether to wait until load balancers have noticed. */
  drains: boolean
}

/**
 * Opens the log and runs a service until SIGTERM, SIGINT, SIGQUIT, SIGUSR2, SIGHUP (without a log file that it would open
 * again), the end of its launcher, or an error that nothing has caught. A second signal, at least a second later, ends it
 * at once. @returns the exit code
 */
export async function runUntilSignal(
  start: (log: Logger) => Promise<RunningService>,
  options: LogOptions,
): Promise<number> {
  let reopenLog = (): void => {}
  const signalled = awaitSignal(options.file === undefined ? undefined : () => reopenLog())
  const { log, reopen } = await createLogger(options)
  reopenLog = reopen
  let code = 0
  const broken = awaitUncaught(log).then(() => {
    code = 1
    return { drains: false }
  })
  const told = Promise.race([signalled, awaitOrphanage().then(() => ({ drains: false })), broken])
  // Signals are handled from the beginning. A start that hangs is ended; the listeners of `exit` stop PostgreSQL.
  const isGivenUp = told.then(() => delay(START_MS, 'given-up' as const, { ref: false }))
  let isStarted = false
  const drains = told.then(how => how.drains && isStarted)
  const service = await Promise.race([start(log), isGivenUp]).catch((error: unknown) => {
    limitStop(log)
    throw error
  })
  if (service === 'given-up') process.exit(1)
  isStarted = true
  await service.leave({ drains: await drains })
  limitStop(log)
  await service.stop()
  return code
}

/** What is left then is a fault: it is named, and the process ends. */
function limitStop(log: Logger): void {
  setTimeout(() => {
    log.fatal({ resources: process.getActiveResourcesInfo() }, `the process has not ended within ${STOP_MS} ms`)
    process.exit(1)
  }, STOP_MS).unref()
}

/** SIGHUP calls `reopenLog`; without a log file, it means that the terminal was closed. */
function awaitSignal(reopenLog?: () => void): Promise<Told> {
  return new Promise(resolve => {
    let asked = 0
    const end = () => {
      // The terminal and npm both send the first Ctrl-C, so it may arrive twice.
      if (asked > 0 && Date.now() - asked > 1000) process.exit(130)
      asked ||= Date.now()
      resolve({ drains: true })
    }
    // The last two would end the process at once, and some launchers send them to restart it.
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGUSR2'] as const) process.on(signal, end)
    process.on('SIGHUP', reopenLog ?? end)
  })
}
