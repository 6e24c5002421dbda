import { Type } from 'typebox'
import { get, tables } from '../../platform/database/statement.ts'
import type { RedisState } from '../../platform/redis/redis.ts'
import { Nullable, OneOf, Time } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'

const amount = (description?: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, ...(description !== undefined && { description }) })

export const CacheStats = Type.Object(
  {
    store: OneOf(['redis', 'memory'], {
      description: 'Where entries are: in Redis for all processes, or in the memory of the answering process.',
    }),
    entries: amount('The number of entries there.'),
    hits: amount('Entries that the answering process found in its memory.'),
    shared_hits: amount('Entries that it found in Redis.'),
    misses: amount('Entries that it had to make.'),
    redis: Nullable(
      Type.Object(
        {
          state: OneOf(['connecting', 'connected', 'unavailable']),
          since: Time,
          reason: Nullable(Type.String({ maxLength: 1000 })),
          failures: amount(),
        },
        { description: 'The connection of the answering process; `null` without a Redis.' },
      ),
    ),
  },
  { title: 'CacheStats' },
)

/** Concerns no rows, so it only asks whether the caller is an operator, and records what changes something. */
export const askOperator = get(tables('system', 'operator').selectFrom('operator').select('user_id'))

/** The state of the cache, as the answering process sees it. */
export async function describeCache({ cache, redis }: Pick<Services, 'cache' | 'redis'>) {
  const state = redis?.state()
  return {
    ...(await cache.stats()),
    redis:
      redis === undefined || state === undefined
        ? null
        : {
            state: state.state,
            since: state.since.toISOString(),
            reason: reasonOf(state),
            failures: redis.failures(),
          },
  }
}

const reasonOf = (state: RedisState): string | null => (state.state === 'unavailable' ? state.reason : null)

/** The component of the service's health: whether all processes share the cache and count together. */
export function healthOfRedis({ services: { redis } }: { services: Pick<Services, 'redis'> }) {
  if (redis === undefined)
    return { status: 'disabled', message: 'Without REDIS_URL, each process has a cache of its own.' } as const
  const state = redis.state()
  const details = { store: state.state === 'connected' ? 'redis' : 'memory', failures: redis.failures() }
  return state.state === 'unavailable'
    ? ({ status: 'degraded', message: state.reason, details } as const)
    : ({ status: 'healthy', details } as const)
}
