import { parseArgs } from 'node:util'
import type { Config } from '../config/config.ts'
import { startService } from '../main.ts'
import { runUntilSignal } from './until-signal.ts'

/** `freehold start`: runs until a signal stops it. */
export async function start(args: string[], config: Config): Promise<number> {
  const { values } = parseArgs({ args, options: { migrate: { type: 'boolean' } } })
  const options = values.migrate === undefined ? {} : { migrate: values.migrate }
  return runUntilSignal(log => startService(config, log, options), config.log)
}
