import { Type } from 'typebox'
import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { askOperator, CacheStats, describeCache } from './cache.ts'

export function cacheRoutes(app: App, { cache, redis }: Pick<Services, 'cache' | 'redis'>): void {
  const tags = ['System']

  app.get(
    '/cache/stats',
    {
      access: 'admin:cache:read',
      schema: {
        operationId: 'getCacheStats',
        summary: 'Get the state of the cache',
        tags,
        response: { 200: CacheStats },
      },
    },
    async ({ operator }) => {
      await operator.run(askOperator)
      return describeCache({ cache, redis })
    },
  )

  app.delete(
    '/cache',
    {
      access: 'admin:cache:write',
      schema: {
        operationId: 'clearCache',
        summary: 'Clear the cache',
        description:
          'Removes the entries in Redis and in the memory of the answering process. Rate limits are not reset. It is ' +
          'never needed for correct answers: an entry never becomes outdated.',
        tags,
        response: { 204: Type.Null() },
      },
    },
    async ({ operator }, reply) => {
      await operator.run(askOperator)
      await cache.clear()
      return reply.code(204).send(null)
    },
  )
}
