import { parseArgs } from 'node:util'
import type { Config } from '../config/config.ts'
import { startService } from '../main.ts'
import { runUntilTold } from './until-told.ts'

/** `freehold start`: runs until it is told to stop. */
export async function start(args: string[], config: Config): Promise<number> {
  const { values } = parseArgs({ args, options: { migrate: { type: 'boolean' } } })
  const options = values.migrate === undefined ? {} : { migrate: values.migrate }
  return runUntilTold(() => startService(config, options), config.log)
}
