import { setTimeout as delay } from 'node:timers/promises'
import type { SystemRunner } from '../../platform/database/database.ts'
import { noteFailure } from '../../platform/observation/failures.ts'
import type { ComponentHealth, HealthCheck } from '../../platform/observation/health-check.ts'
import type { RedisState } from '../../platform/redis/redis.ts'
import type { Services } from '../../platform/services.ts'
import { askBriefly } from './health.ts'
import type { DatabaseState } from './health.ts'
import { readingsOf } from './readings.ts'
import type { QueueReading } from './readings.ts'

/** How long a check of a component may take. Milliseconds. */
const CHECK_MS = 2000

/** A job that is not started for so long means that no process works on its queue, or too few. Seconds. */
const LATE_SECONDS = 1800

export type Components = Readonly<Record<string, ComponentHealth>>

/** The state of every component: those that every service has, then those that features declare. */
export async function checkComponents(
  services: Services,
  system: SystemRunner,
  database: DatabaseState,
): Promise<Components> {
  const { config, declared, log, redis } = services
  const check = async ([name, ask]: readonly [string, HealthCheck]): Promise<[string, ComponentHealth]> => {
    try {
      const late = delay(CHECK_MS, undefined, { ref: false }).then(() => {
        throw new Error('the check did not end in time')
      })
      return [name, await Promise.race([ask({ services, system }), late])]
    } catch (error) {
      noteFailure(log, `the component ${name} could not be checked`, error)
      return [name, { status: 'unhealthy', message: 'It could not be checked; the log has the reason.' }]
    }
  }
  const checks = Promise.all(Object.entries(declared.health).map(check))
  const isReachable = database.state !== 'unavailable' && database.state !== 'outdated'
  const readings = isReachable
    ? await askBriefly(system, readingsOf(config.database.schema)).catch((error: unknown) => {
        noteFailure(log, 'the state of the job queue could not be read', error)
        return undefined
      })
    : undefined
  return {
    database: healthOfDatabase(database),
    mail: healthOfMail(services, readings?.queues),
    queue: healthOfQueue(readings?.queues),
    rate_limit: healthOfLimits(config.rateLimit, redis?.state().state),
    ...Object.fromEntries(await checks),
  }
}

/** The state of the service: without its database it cannot work; without another component it works less well. */
export function statusOf(components: Components): 'healthy' | 'degraded' | 'unhealthy' {
  if (components['database']?.status === 'unhealthy') return 'unhealthy'
  const isWhole = Object.values(components).every(({ status }) => status === 'healthy' || status === 'disabled')
  return isWhole ? 'healthy' : 'degraded'
}

const databaseMessages: Readonly<Record<Exclude<DatabaseState['state'], 'connected'>, string>> = {
  outdated: 'A migration that this version needs has not been applied: run `freehold migrate apply`.',
  'read-only':
    'It takes no changes, as after a failover: DATABASE_TENANT_URL and DATABASE_SYSTEM_URL must lead to the primary.',
  full: 'It has refused a change for lack of space or memory.',
  unavailable: 'It does not answer; the log has the reason.',
}

/** The state of the database as a component. */
export const healthOfDatabase = ({ state }: DatabaseState): ComponentHealth =>
  state === 'connected' ? { status: 'healthy' } : { status: 'unhealthy', message: databaseMessages[state] }

function healthOfLimits(
  { enabled, perMinute, globalPerSecond }: Services['config']['rateLimit'],
  redis: RedisState['state'] | undefined,
): ComponentHealth {
  if (!enabled) return { status: 'disabled', message: 'RATE_LIMIT_ENABLED is false.' }
  const store = redis === 'connected' ? 'redis' : 'process'
  const details = { store, per_minute: perMinute, global_per_second: globalPerSecond }
  return redis === 'unavailable'
    ? { status: 'degraded', message: 'Without Redis, each process counts for itself.', details }
    : { status: 'healthy', details }
}

/** Late: they could have been started half an hour ago. */
const isLate = ({ lag_seconds }: QueueReading): boolean => lag_seconds > LATE_SECONDS

function healthOfQueue(queues: readonly QueueReading[] | undefined): ComponentHealth {
  if (queues === undefined) return { status: 'unhealthy', message: 'Its state could not be read.' }
  const [open, dead] = [queues.filter(({ queue }) => queue !== 'dead'), queues.find(({ queue }) => queue === 'dead')]
  const sum = (read: (queue: QueueReading) => number) => open.reduce((total, queue) => total + read(queue), 0)
  const details = {
    ready: sum(({ ready }) => ready),
    delayed: sum(({ delayed }) => delayed),
    running: sum(({ running }) => running),
    failed: dead?.ready ?? 0,
    lag_seconds: Math.max(0, ...open.map(({ lag_seconds }) => lag_seconds)),
  }
  const late = open.filter(isLate).map(({ queue }) => queue)
  if (late.length > 0)
    return {
      status: 'degraded',
      message: `Jobs wait for more than half an hour in ${late.join(', ')}: is a process with RUN_JOBS=true or \`freehold worker\` running?`,
      details,
    }
  if (details.failed > 0)
    return {
      status: 'degraded',
      message: 'Jobs have failed for the last time: `freehold jobs dead` lists them.',
      details,
    }
  return { status: 'healthy', details }
}

/** Email goes through the queue, so it is late if its jobs are. No server is contacted: `freehold doctor` does that. */
function healthOfMail(
  { config }: Pick<Services, 'config'>,
  queues: readonly QueueReading[] | undefined,
): ComponentHealth {
  const { resendApiKey, smtpUrl } = config.mail
  const transport = resendApiKey !== undefined ? 'resend' : smtpUrl !== undefined ? 'smtp' : 'outbox'
  if (transport === 'outbox' && config.environment !== 'development')
    return { status: 'disabled', message: 'Neither RESEND_API_KEY nor SMTP_URL is set: emails wait.' }
  const queue = queues?.find(({ queue: name }) => name === 'mail')
  if (queue === undefined)
    return { status: 'unhealthy', message: 'The state of its queue could not be read.', details: { transport } }
  const details = { transport, waiting: queue.ready, delayed: queue.delayed, lag_seconds: queue.lag_seconds }
  return isLate(queue)
    ? { status: 'degraded', message: 'Emails wait for more than half an hour to be sent.', details }
    : { status: 'healthy', details }
}
