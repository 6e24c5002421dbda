import { createSecretKey } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { openPage } from '../database/pagination.ts'
import type { FiltersOf, Page, PageQuery } from '../database/pagination.ts'

export interface Cursors {
  /** The requested page of a list. The list refuses a foreign cursor only after the gate has admitted the caller. */
  open(request: FastifyRequest<{ Querystring: unknown }>): Page
}

/** What the query of a list asks for beside the page: what it filters by, and the order. */
export const filtersOf = <Query extends Partial<Record<keyof PageQuery, unknown>>>({
  limit: _limit,
  cursor: _cursor,
  include_total: _total,
  ...filters
}: Query): FiltersOf<Query> => filters

/** Binds every cursor to its list: the organization or user, the route, and all parameters that filter or sort. */
export function createCursors(secret: Buffer): Cursors {
  const key = createSecretKey(secret)
  return {
    open: request => {
      const query = request.query as PageQuery
      const { limit, cursor, include_total } = query
      const { actor } = request
      const describeList = () =>
        JSON.stringify([
          request.routeOptions.config.rules?.access === 'session' ? actor.user_id : actor.organization_id,
          request.routeOptions.url,
          Object.entries(filtersOf(query)).sort(),
        ])
      return openPage(key, describeList, {
        limit,
        ...(cursor === undefined ? {} : { cursor }),
        ...(include_total === undefined ? {} : { include_total }),
      })
    },
  }
}
