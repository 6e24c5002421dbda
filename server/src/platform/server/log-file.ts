import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { describeFileFault } from '../../config/file-faults.ts'

/** Creates the log file and its folder if missing. @throws Error that names LOG_FILE and what to do */
export function prepareLogFile(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true })
    closeSync(openSync(file, 'a'))
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`LOG_FILE: ${describeFileFault(cause, file, 'LOG_FILE') ?? message}`, { cause })
  }
}
