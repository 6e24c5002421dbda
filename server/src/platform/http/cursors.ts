import { createSecretKey } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { openPage } from '../database/pagination.ts'
import type { Page, PageQuery } from '../database/pagination.ts'

export interface Cursors {
  /** The requested page of a list. The list refuses a foreign cursor only after the gate has admitted the caller. */
  open(request: FastifyRequest<{ Querystring: unknown }>): Page
}

/** Binds every cursor to its list: the organization or user, the route, and all parameters that filter or sort. */
export function createCursors(secret: Buffer): Cursors {
  const key = createSecretKey(secret)
  return {
    open: request => {
      const { limit, cursor, include_total, ...filters } = request.query as PageQuery & Record<string, unknown>
      const { actor } = request
      const describeList = () =>
        JSON.stringify([
          request.routeOptions.config.rules?.access === 'session' ? actor.user_id : actor.organization_id,
          request.routeOptions.url,
          Object.entries(filters).sort(),
        ])
      return openPage(key, describeList, {
        limit,
        ...(cursor === undefined ? {} : { cursor }),
        ...(include_total === undefined ? {} : { include_total }),
      })
    },
  }
}
