import type { FastifyRequest } from 'fastify'
import type { Tokens } from './access-tokens.ts'
import type { Database, Scope } from '../database/database.ts'
import { rememberResult } from '../http/idempotency.ts'
import type { Caller } from '../http/idempotency.ts'
import { Problem } from '../problems.ts'
import { originOf, STEP_UP_SECONDS } from '../http/route.ts'
import type { RouteRules } from '../http/route.ts'
import type { Actor } from './actor.ts'

/** What the Authorization header says, read before the rate limit, which counts by person where there is one. */
export type Identity = ReturnType<Tokens['verify']> | Problem | undefined

/** The bearer token's claims, the problem with it, or undefined when none was sent. */
export function identify(request: FastifyRequest, tokens: Tokens): Identity {
  const header = request.headers.authorization
  if (header === undefined) return undefined
  if (!/^Bearer \S+$/i.test(header)) return new Problem('not-signed-in')
  try {
    return tokens.verify(header.slice(7))
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

/**
 * Admits a request to its route, as far as the token alone can say; the gate decides the rest, in the statement itself.
 * @throws Problem not-signed-in, access-token-expired, organization-required, step-up-required
 */
export function admit(request: FastifyRequest, rules: RouteRules, identity: Identity, database: Database): void {
  // Where anyone may come, someone known is still known.
  const isPublic = rules.access === 'public'
  if (isPublic && (identity === undefined || identity instanceof Problem)) return
  if (identity === undefined) throw new Problem('not-signed-in')
  if (identity instanceof Problem) throw identity
  const permission = isPublic || rules.access === 'session' ? undefined : rules.access
  if (permission !== undefined && identity.organization_id === undefined) throw new Problem('organization-required')
  if (rules.stepUp && !isFresh(identity)) throw new Problem('step-up-required')
  const { sub, sid, organization_id, role, email, auth_time } = identity
  const scope: Scope = {
    session_id: sid,
    ...(permission === undefined ? {} : { permission, organization_id: organization_id as string }),
    origin: { ...originOf(request), user_id: sub },
  }
  const { tenant } = database
  const actor: Actor = {
    user_id: sub,
    session_id: sid,
    organization_id: organization_id as string,
    role,
    email,
    auth_time,
    scope,
    run: statement => tenant.run(scope, statement),
    transaction: work => tenant.transaction(scope, work),
  }
  // A token made from what was kept would outlive what it stands for; and ending a session cannot be kept under it.
  request.actor = rules.secret ? actor : rememberResult(actor, request)
}

/**
 * The same person on the system login, for what no single organization's gate can decide, such as founding one. Its
 * statements join `self` themselves. `organization_id` is the one it may write in.
 */
export function systemCaller(request: FastifyRequest, database: Database, organization_id: string): Caller {
  const { user_id, session_id, scope } = request.actor
  const system: Scope = { session_id, organization_id, origin: scope.origin }
  const caller: Caller = {
    user_id,
    organization_id: undefined,
    run: statement => database.system.run(system, statement),
    transaction: work => database.system.transaction(system, work),
  }
  return rememberResult(caller, request)
}

/** Whether the person proved who they are recently enough for what is dear. */
export const isFresh = ({ auth_time }: { auth_time: number }): boolean =>
  Date.now() / 1000 - auth_time < STEP_UP_SECONDS
