import { parseArgs } from 'node:util'
import type { Config } from '../config.ts'
import { startService } from '../main.ts'

/** `freehold start`: runs until it is told to stop. */
export async function start(args: string[], config: Config): Promise<number> {
  const { values } = parseArgs({ args, options: { migrate: { type: 'boolean' } } })
  // Heard from the beginning: told to stop while it starts, it leaves no PostgreSQL behind.
  const told = awaitSignal()
  const service = await startService(config, values.migrate === undefined ? {} : { migrate: values.migrate })
  await told
  await service.stop()
  return 0
}

/** Resolves when the process is asked to end. Asked again a second later, it ends at once. */
function awaitSignal(): Promise<void> {
  return new Promise(resolve => {
    let asked = 0
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        // A terminal and npm both pass on the first Ctrl-C, so it may arrive twice.
        if (asked > 0 && Date.now() - asked > 1000) process.exit(130)
        asked ||= Date.now()
        resolve()
      })
    }
  })
}
