import type { FastifyBaseLogger } from 'fastify'
import { noteFailure } from './failures.ts'
import { faults } from './channels.ts'

/** How long the process may take to stop after an error that nothing has caught. Milliseconds. */
const LAST_MS = 5000

const MESSAGE = 'the process stops, because nothing has caught an error'

/**
 * From now on, an exception or a rejection that nothing catches is logged and reported, and the process ends with 1: what
 * was being changed at that moment may be half done, so it accepts nothing new. It gets five seconds to finish what it
 * has begun. @returns a promise that resolves at the first such error, for the caller to stop the service
 */
export function awaitUncaught(log: Pick<FastifyBaseLogger, 'fatal' | 'warn'>): Promise<void> {
  return new Promise(resolve => {
    let isStopping = false
    const end = (thrown: unknown): void => {
      const error = thrown instanceof Error ? thrown : new Error('a value that is no error was thrown')
      // Such as the consequences of the first one, of which there may be thousands.
      if (isStopping) return noteFailure(log, 'nothing has caught another error while the process stops', error)
      isStopping = true
      setTimeout(() => process.exit(1), LAST_MS).unref()
      resolve()
      log.fatal({ err: error }, MESSAGE)
      faults.publish({ level: 'fatal', message: MESSAGE, error })
    }
    process.on('uncaughtException', end)
    process.on('unhandledRejection', end)
  })
}
