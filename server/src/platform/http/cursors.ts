import type { FastifyRequest } from 'fastify'
import { openPage } from '../database/pagination.ts'
import type { Page, PageQuery } from '../database/pagination.ts'

export interface Pages {
  /** The page that a list request asks for. @throws Problem invalid-cursor */
  open(request: FastifyRequest<{ Querystring: unknown }>): Page
}

/** Binds every cursor to its list: the organization that it shows, or the person whose own it is, the route, and all that filters or sorts. */
export function createPages(key: Buffer): Pages {
  return {
    open: request => {
      const { limit, cursor, include_total, ...filters } = request.query as PageQuery & Record<string, unknown>
      const { actor } = request
      const list = JSON.stringify([
        actor.scope.organization_id ?? actor.user_id,
        request.routeOptions.url,
        Object.entries(filters).sort(),
      ])
      return openPage(key, list, {
        limit,
        ...(cursor === undefined ? {} : { cursor }),
        ...(include_total === undefined ? {} : { include_total }),
      })
    },
  }
}
