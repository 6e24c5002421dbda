import { collectDefaultMetrics, Counter, Gauge, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'
import { answers, connections, faults, jobEnds, statements } from '../../platform/observation/channels.ts'
import { knownMethod } from '../../platform/observation/requests.ts'

/** The label of requests that no route matches. */
const NO_ROUTE = '(none)'

const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const STATEMENT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5]
const JOB_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600]

/**
 * Counts what happens in this process from now on. Labels are route patterns, methods of a fixed list, classes of
 * status, and names from the code: never an id or anything that a client has sent, so the number of series is limited.
 */
export function observeProcess(registry: Registry, problems: readonly string[]): () => void {
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const requests = new Histogram({
    name: 'freehold_http_request_duration_seconds',
    help: 'Time from the arrival of a request to the end of its response.',
    labelNames: ['method', 'route', 'status'],
    buckets: REQUEST_SECONDS,
    registers,
  })
  const received = new Counter({
    name: 'freehold_http_request_bytes_total',
    help: 'Bytes of request bodies, as announced.',
    labelNames: ['method', 'route'],
    registers,
  })
  const sent = new Counter({
    name: 'freehold_http_response_bytes_total',
    help: 'Bytes of response bodies.',
    labelNames: ['method', 'route'],
    registers,
  })
  const refusals = new Counter({
    name: 'freehold_problems_total',
    help: 'Requests that were answered with a problem, by its code.',
    labelNames: ['code'],
    registers,
  })
  const trips = new Histogram({
    name: 'freehold_database_statement_duration_seconds',
    help: 'Time of a round trip to PostgreSQL.',
    labelNames: ['login', 'outcome'],
    buckets: STATEMENT_SECONDS,
    registers,
  })
  const waits = new Histogram({
    name: 'freehold_database_pool_wait_seconds',
    help: 'Time until a connection of the pool was free.',
    labelNames: ['login'],
    buckets: STATEMENT_SECONDS,
    registers,
  })
  const jobs = new Histogram({
    name: 'freehold_job_duration_seconds',
    help: 'Time of an attempt at a job.',
    labelNames: ['queue', 'outcome'],
    buckets: JOB_SECONDS,
    registers,
  })
  const errors = new Counter({
    name: 'freehold_faults_total',
    help: 'Logged errors: `fatal` stops the process, `error` is a fault in the code, `warning` an expected failure; repetitions within ten seconds count once.',
    labelNames: ['level'],
    registers,
  })
  // So that a rate is known from the first one on.
  for (const code of problems) refusals.inc({ code }, 0)
  for (const level of ['fatal', 'error', 'warning']) errors.inc({ level }, 0)

  const ends = [
    answers.subscribe(answer => {
      const method = knownMethod(answer.method) ?? 'other'
      const route = answer.route ?? NO_ROUTE
      requests.observe({ method, route, status: `${Math.floor(answer.status / 100)}xx` }, answer.milliseconds / 1000)
      if (answer.received !== undefined) received.inc({ method, route }, answer.received)
      if (answer.sent !== undefined) sent.inc({ method, route }, answer.sent)
      if (answer.problem !== undefined) refusals.inc({ code: answer.problem })
    }),
    statements.subscribe(({ login, milliseconds, error }) =>
      trips.observe({ login, outcome: outcomeOf(error) }, milliseconds / 1000),
    ),
    connections.subscribe(({ login, milliseconds }) => waits.observe({ login }, milliseconds / 1000)),
    jobEnds.subscribe(({ queue, milliseconds, error }) =>
      jobs.observe({ queue, outcome: outcomeOf(error) }, milliseconds / 1000),
    ),
    faults.subscribe(({ level }) => errors.inc({ level })),
  ]
  return () => ends.forEach(end => end())
}

const outcomeOf = (error: unknown): string => (error === undefined ? 'success' : 'failure')

/** What is asked for at each scrape. The readings of the database are the same in every process. */
export function gaugesOf(registry: Registry) {
  const gauge = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Gauge({ name: `freehold_${name}`, help, labelNames, registers: [registry] })
  return {
    info: gauge('info', 'Always 1; the labels describe the process.', ['version', 'environment', 'node']),
    poolSize: gauge('database_pool_size', 'The most connections that the pool opens.', ['login']),
    pool: gauge('database_pool_connections', 'Connections of the pool.', ['login', 'state']),
    poolWaiting: gauge('database_pool_waiting', 'Callers that wait for a connection.', ['login']),
    poolLongest: gauge('database_pool_longest_use_seconds', 'How long a connection has been in use at most.', [
      'login',
    ]),
    redis: gauge('redis_up', '1 if this process uses Redis, 0 if Redis is unavailable; only with REDIS_URL.'),
    redisFailures: gauge('redis_failures', 'Commands without an answer in time, or with an error, since the start.'),
    passwords: gauge('password_hashes', 'Password hashes that are computed or wait for it.', ['state']),
    up: gauge('database_up', '1 if the database has answered this scrape, else 0.'),
    connections: gauge('database_connections', 'Connections to the database, of all programs.'),
    maxConnections: gauge('database_max_connections', 'The most connections that the server accepts.'),
    oldestTransaction: gauge(
      'database_oldest_transaction_seconds',
      'The age of the oldest transaction that the system login may see.',
    ),
    jobs: gauge('jobs', 'Jobs in the queues of the whole service.', ['queue', 'state']),
    lag: gauge('job_lag_seconds', 'How long the oldest job that could be started has waited.', ['queue']),
    events: gauge('security_events', 'Security events of the whole service in the last five minutes.', ['type']),
  }
}
