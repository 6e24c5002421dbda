import { parseArgs } from 'node:util'
import type { Config } from '../config/config.ts'
import { startWorker } from '../main.ts'
import { runUntilSignal } from './until-signal.ts'

/** `freehold worker`: runs the background jobs, without HTTP, until a signal stops it. */
export async function worker(args: string[], config: Config): Promise<number> {
  parseArgs({ args, options: {} })
  return runUntilSignal(log => startWorker(config, log), config.log)
}
