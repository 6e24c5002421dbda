import { createPasswords } from '../../server/src/identity/passwords/passwords.ts'
import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { probe, saturate } from '../stage/load.ts'
import { PASSWORD, startService } from '../stage/stage.ts'
import type { Stage } from '../stage/stage.ts'

/** More concurrent sign-ins than hashes are computed at once, but fewer than may wait. */
const LOGINS_AT_ONCE = 16
const PROBE_EVERY_MS = 10

/** How many concurrent sign-ins slow down a read, and how much the service adds to the hash of a sign-in. */
export async function measureLogins(stage: Stage, rounds: number, seconds: number): Promise<Figure[]> {
  const service = await startService(stage)
  const passwords = await createPasswords()
  const stored = await passwords.hash(PASSWORD)
  const reads = stage.owners.map(({ authorization }) => ({ path: '/api/v1/auth/me', headers: { authorization } }))
  const logins = stage.owners.map(({ email }) => ({
    method: 'POST' as const,
    path: '/api/v1/auth/login',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: PASSWORD }),
  }))
  const storm = (duration: number) =>
    saturate({ url: service.url, connections: LOGINS_AT_ONCE, seconds: duration, requests: logins })
  try {
    await Promise.all([probe(service.url, reads, PROBE_EVERY_MS, 2), storm(2)])
    const waits: { measured: number; control: number }[] = []
    const rates: { measured: number; control: number }[] = []
    for (let round = 0; round < rounds; round++) {
      const idle = await probe(service.url, reads, PROBE_EVERY_MS, seconds)
      const [busy, stormed] = await Promise.all([probe(service.url, reads, PROBE_EVERY_MS, seconds), storm(seconds)])
      waits.push({ measured: busy.p99, control: idle.p99 })
      rates.push({
        measured: stormed.perSecond,
        control: await hashRate(() => passwords.verify(stored, PASSWORD), seconds),
      })
    }
    return [
      compare('p99 of GET /auth/me while logins saturate the queue / idle', 'ms', waits, { atMost: 3 }),
      compare('logins / bare password checks through the same queue', 'a second', rates, { atLeast: 0.9 }),
    ]
  } finally {
    await service.stop()
  }
}

async function hashRate(check: () => Promise<boolean>, seconds: number): Promise<number> {
  const startedAt = performance.now()
  let count = 0
  await Promise.all(
    Array.from({ length: LOGINS_AT_ONCE }, async () => {
      while (performance.now() - startedAt < seconds * 1000) if (await check()) count++
    }),
  )
  return (count / (performance.now() - startedAt)) * 1000
}
