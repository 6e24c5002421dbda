import { availableParallelism } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { Type } from 'typebox'
import type { SystemRunner } from '../../platform/database/database.ts'
import { componentStates } from '../../platform/observation/health-check.ts'
import { Nullable, OneOf, Time } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { checkComponents, healthOfDatabase, statusOf } from './components.ts'
import { askBriefly, databaseStates } from './health.ts'
import type { DatabaseState } from './health.ts'
import { readingsOf } from './readings.ts'

const Word = Type.String({ maxLength: 200 })
const Count = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })
const Bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, format: 'int64' })
const Amount = Type.Number({ minimum: 0 })

const Component = Type.Object(
  {
    status: OneOf(componentStates),
    message: Type.Optional(Type.String({ maxLength: 500 })),
    details: Type.Optional(
      Type.Record(Word, Type.Union([Word, Type.Number(), Type.Boolean(), Type.Null()]), { maxProperties: 50 }),
    ),
  },
  { title: 'ComponentHealth' },
)
const Components = Type.Record(Word, Component, { maxProperties: 50 })
const Times = Type.Object(
  {
    window_seconds: Count,
    count: Count,
    failed: Count,
    median_ms: Nullable(Amount),
    p95_ms: Nullable(Amount),
    p99_ms: Nullable(Amount),
    max_ms: Nullable(Amount),
  },
  { title: 'RecentTimes' },
)

const Status = OneOf(['healthy', 'degraded', 'unhealthy'])

const about = { status: Status, version: Word, environment: Word, timestamp: Time }

/** `components` only for operators. */
export const HealthWithComponents = Type.Object(
  { ...about, database: OneOf(databaseStates), components: Type.Optional(Components) },
  { title: 'HealthWithComponents' },
)

export const DetailedHealth = Type.Object(
  {
    ...about,
    uptime_seconds: Count,
    components: Components,
    response_times: Times,
    errors: Type.Object({ count: Count, rate: Type.Number({ minimum: 0, maximum: 1 }) }),
    resources: Type.Object({
      cpu_percent: Amount,
      memory_bytes: Bytes,
      heap_used_bytes: Bytes,
      heap_limit_bytes: Bytes,
      event_loop_percent: Amount,
      processors: Count,
    }),
  },
  { title: 'DetailedHealth' },
)

const Pool = Type.Object({ size: Count, open: Count, idle: Count, waiting: Count, longest_use_ms: Count })

export const DatabaseHealth = Type.Object(
  {
    status: OneOf(componentStates),
    message: Type.Optional(Type.String({ maxLength: 500 })),
    timestamp: Time,
    response_ms: Nullable(Amount),
    pools: Type.Object({ tenant: Pool, system: Pool }),
    connections: Nullable(Count),
    max_connections: Nullable(Count),
    oldest_transaction_seconds: Nullable(Amount),
    query_times: Times,
    slow_queries: Type.Array(
      Type.Object({
        statement: Type.String({ maxLength: 1000 }),
        login: OneOf(['tenant', 'system']),
        times: Count,
        max_ms: Count,
        last_at: Time,
      }),
      { maxItems: 50 },
    ),
  },
  { title: 'DatabaseHealth' },
)

export const SystemInfo = Type.Object(
  {
    name: Word,
    version: Word,
    environment: Word,
    node: Word,
    platform: Word,
    started_at: Time,
    features: Type.Record(Word, Type.Boolean(), { maxProperties: 50 }),
  },
  { title: 'SystemInfo' },
)

type Own = Pick<Services, 'config' | 'version'>

export const describeState = ({ config, version }: Own, status: 'healthy' | 'degraded' | 'unhealthy') => ({
  status,
  version,
  environment: config.environment,
  timestamp: new Date().toISOString(),
})

function readResources({ pulse }: Pick<Services, 'pulse'>) {
  const { rss, heapUsed } = process.memoryUsage()
  const { cpu_percent, event_loop_percent } = pulse.use()
  return {
    cpu_percent,
    memory_bytes: rss,
    heap_used_bytes: heapUsed,
    heap_limit_bytes: getHeapStatistics().heap_size_limit,
    event_loop_percent,
    processors: availableParallelism(),
  }
}

/** Everything that this process knows about its own state. */
export async function describeHealth(services: Services, system: SystemRunner, database: DatabaseState) {
  const components = await checkComponents(services, system, database)
  const response_times = services.pulse.requests()
  const { count, failed } = response_times
  return {
    ...describeState(services, statusOf(components)),
    uptime_seconds: Math.round(process.uptime()),
    components,
    response_times,
    errors: { count: failed, rate: count === 0 ? 0 : failed / count },
    resources: readResources(services),
  }
}

/** The pools of this process, its statements, and what the database itself knows; null if it does not answer. */
export async function describeDatabase({ config, pulse }: Services, system: SystemRunner, database: DatabaseState) {
  const { status, message } = healthOfDatabase(database)
  const begin = performance.now()
  const readings = await askBriefly(system, readingsOf(config.database.schema)).catch(() => undefined)
  const poolOf = (wanted: 'tenant' | 'system') => {
    const { size, open, idle, waiting, longestMilliseconds } = system.pools().find(({ login }) => login === wanted)!
    return { size, open, idle, waiting, longest_use_ms: longestMilliseconds }
  }
  return {
    status,
    ...(message !== undefined && { message }),
    timestamp: new Date().toISOString(),
    response_ms: readings === undefined ? null : Math.round((performance.now() - begin) * 10) / 10,
    pools: { tenant: poolOf('tenant'), system: poolOf('system') },
    connections: readings?.connections ?? null,
    max_connections: readings?.max_connections ?? null,
    oldest_transaction_seconds: readings?.oldest_transaction_seconds ?? null,
    query_times: pulse.statements(),
    slow_queries: [...pulse.slowStatements()],
  }
}

/** The version, and which optional parts are turned on; no values of settings. */
export const describeSystem = ({ config, version, declared }: Services) => ({
  name: config.appName,
  version,
  environment: config.environment,
  node: process.versions.node,
  platform: `${process.platform} ${process.arch}`,
  started_at: new Date(performance.timeOrigin).toISOString(),
  features: {
    email_verification: config.emailVerification === 'required',
    email: config.mail.resendApiKey !== undefined || config.mail.smtpUrl !== undefined,
    error_reports: config.sentry !== undefined,
    jobs: config.runJobs,
    metrics: config.metrics.enabled,
    passkeys: config.passkeys !== undefined,
    public_documents: config.publicDocuments,
    rate_limit: config.rateLimit.enabled,
    redis: config.redisUrl !== undefined,
    social_sign_in: config.social.oidc.length > 0 || config.social.github !== undefined,
    traces: config.traces !== undefined,
    trusted_devices: config.trustedDeviceSeconds > 0,
    ...Object.fromEntries(declared.formats.map(({ path }) => [path.slice(path.lastIndexOf('/') + 1), true])),
  },
})
