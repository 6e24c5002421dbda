import type { RunningService } from '../main.ts'

/** Runs a service until the process is told to end. Asked again a second later, it ends at once. @returns the exit code */
export async function runUntilTold(start: () => Promise<RunningService>): Promise<number> {
  // Heard from the beginning: told to stop while it starts, it leaves no PostgreSQL behind.
  const told = awaitSignal()
  const service = await start()
  await told
  await service.stop()
  return 0
}

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
