import { parseArgs } from 'node:util'
import type { Config } from '../config/config.ts'
import { startWorker } from '../main.ts'
import { runUntilSignal } from './until-signal.ts'

/** `freehold worker`: does the jobs, without HTTP, until it is told to stop. */
export async function worker(args: string[], config: Config): Promise<number> {
  parseArgs({ args, options: {} })
  return runUntilSignal(() => startWorker(config), config.log)
}
