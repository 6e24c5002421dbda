import { parseArgs } from 'node:util'
import type { Config } from '../config.ts'
import { startService } from '../main.ts'

/** `freehold start`: runs until it is told to stop. */
export async function start(args: string[], config: Config): Promise<number> {
  const { values } = parseArgs({ args, options: { migrate: { type: 'boolean' } } })
  const service = await startService(config, values.migrate === undefined ? {} : { migrate: values.migrate })
  await new Promise<void>((resolve, reject) => {
    let asked = 0
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        // Asked again later: at once. A terminal and npm both pass on the first Ctrl-C, so it may arrive twice.
        if (asked > 0 && Date.now() - asked > 1000) process.exit(130)
        if (asked > 0) return
        asked = Date.now()
        service.stop().then(resolve, reject)
      })
    }
  })
  return 0
}
