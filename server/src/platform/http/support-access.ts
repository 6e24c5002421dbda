import type { FastifyRequest } from 'fastify'
import { sql } from 'kysely'
import { runnerOf } from '../database/database.ts'
import type { Database } from '../database/database.ts'
import { execute, raw, tables } from '../database/statement.ts'
import { Problem } from '../problems.ts'
import type { Identity } from './access.ts'
import { originOf } from './route.ts'
import type { RouteRules } from './route.ts'

/** The longest path that the audit log stores. */
const PATH_LENGTH = 500

/**
 * Records a request under support access in the audit log of the organization, before anything is decided about it: also
 * one that is refused, or that reads nothing. Does nothing for other callers, and on public routes, which take no notice
 * of such a token. @throws Problem support-access-ended
 */
export async function recordSupportRequest(
  request: FastifyRequest,
  { access }: RouteRules,
  identity: Identity,
  { database, confirm }: { database: Database; confirm: (request: FastifyRequest) => void },
): Promise<void> {
  if (identity === undefined || identity instanceof Problem || identity.act === undefined || access === 'public') return
  const { sub: support_id, sid: session_id, organization_id = '', act } = identity
  const { method, routeOptions, url } = request
  const scope = {
    session_id,
    organization_id,
    support_id,
    origin: { ...originOf(request), user_id: act.sub },
    confirm: () => confirm(request),
  }
  const operation = routeOptions.schema?.operationId ?? `${method} ${routeOptions.url}`
  const path = url.split('?', 1)[0]?.slice(0, PATH_LENGTH) ?? ''
  await runnerOf(database.tenant, scope).run(recordRequest(operation, path))
}

/** No row if the access is not open. */
const recordRequest = (operation: string, path: string) =>
  execute(raw(tables('tenant'), sql`select 1 where record_support_request(${operation}, ${path})`))
