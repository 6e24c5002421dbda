import { Registry } from 'prom-client'
import type { SystemRunner } from '../../platform/database/database.ts'
import { noteFailure } from '../../platform/observation/failures.ts'
import type { Services } from '../../platform/services.ts'
import { askBriefly } from '../health/health.ts'
import { readingsOf } from '../health/readings.ts'
import { gaugesOf, observeProcess } from './instruments.ts'
import { countRecentEvents } from './security-events.ts'

export interface Metrics {
  /** The media type of the text. */
  readonly type: string
  /** All metrics in the text format of Prometheus. Scrapes within a second get the same text. */
  render(system: SystemRunner): Promise<string>
  stop(): void
}

/** How long a text is served again. Milliseconds. */
const FRESH_MS = 1000

/** Begins to count. */
export function createMetrics(services: Omit<Services, 'metrics'>, { freshMs = FRESH_MS } = {}): Metrics {
  const { config, version, log, declared, passwords, redis } = services
  const registry = new Registry()
  const stop = observeProcess(registry, Object.keys(declared.problems))
  const gauges = gaugesOf(registry)
  gauges.info.set({ version, environment: config.environment, node: process.versions.node }, 1)
  const readings = readingsOf(config.database.schema)

  /** Asks the database; without an answer, what only it knows has no value. */
  async function readDatabase(system: SystemRunner): Promise<void> {
    const { up, connections, maxConnections, oldestTransaction, jobs, lag, events } = gauges
    const found = await Promise.all([askBriefly(system, readings), askBriefly(system, countRecentEvents())]).catch(
      (error: unknown) => {
        noteFailure(log, 'the database could not be read for metrics', error)
        return undefined
      },
    )
    for (const gauge of [connections, maxConnections, oldestTransaction, jobs, lag, events]) gauge.reset()
    up.set(found === undefined ? 0 : 1)
    if (found === undefined) {
      // Without labels, `reset` leaves a zero.
      for (const gauge of [connections, maxConnections, oldestTransaction]) gauge.remove()
      return
    }
    const [reading, recent] = found
    connections.set(reading.connections)
    maxConnections.set(reading.max_connections)
    oldestTransaction.set(reading.oldest_transaction_seconds)
    for (const { queue, ready, delayed, running, lag_seconds } of reading.queues) {
      for (const [state, count] of Object.entries({ ready, delayed, running })) jobs.set({ queue, state }, count)
      lag.set({ queue }, lag_seconds)
    }
    for (const type of declared.events.keys()) events.set({ type }, 0)
    for (const { type, count } of recent) events.set({ type }, count)
  }

  function readProcess(system: SystemRunner): void {
    for (const { login, size, open, idle, waiting, longestMilliseconds } of system.pools()) {
      gauges.poolSize.set({ login }, size)
      gauges.pool.set({ login, state: 'idle' }, idle)
      gauges.pool.set({ login, state: 'used' }, open - idle)
      gauges.poolWaiting.set({ login }, waiting)
      gauges.poolLongest.set({ login }, longestMilliseconds / 1000)
    }
    gauges.redis.set(redis?.state().state === 'connected' ? 1 : 0)
    gauges.redisFailures.set(redis?.failures() ?? 0)
    if (redis === undefined) for (const gauge of [gauges.redis, gauges.redisFailures]) gauge.remove()
    const { running, waiting } = passwords.load()
    gauges.passwords.set({ state: 'running' }, running)
    gauges.passwords.set({ state: 'waiting' }, waiting)
  }

  async function read(system: SystemRunner): Promise<string> {
    await readDatabase(system)
    readProcess(system)
    return registry.metrics()
  }

  let latest: { at: number; text: Promise<string> } | undefined
  return {
    type: registry.contentType,
    render: system => {
      if (latest === undefined || performance.now() - latest.at > freshMs)
        latest = { at: performance.now(), text: read(system) }
      return latest.text
    },
    stop,
  }
}
