import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { Actor, Operator } from '../gate/actor.ts'
import type { Permission } from '../gate/permissions.ts'
import type { SystemRunner } from '../database/database.ts'
import type { Origin } from '../database/scope.ts'
import type { ProblemCode } from '../problems.ts'
import { currentTraceParent } from '../observation/trace-parent.ts'
import { readLine } from '../texts.ts'
import { clientAddress } from './client-address.ts'

/** The Fastify instance that every feature's routes take; schemas are its types. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/**
 * The access that a route requires: none; a valid session; a valid session whose role in its organization has the
 * permission; or, for an `admin:` permission, a superuser's session. The gate decides, in the statement itself.
 */
type Access = 'public' | 'session' | Permission

/** `perMinute` of the routes where something can be guessed, or where an email is requested without signing in. */
export const TRIES_PER_MINUTE = 10

export interface RouteRules {
  /** Required: without it the server does not start. */
  access: Access
  /** An entitlement that the organization must have, beside the permission. The gate decides, in the same statement. */
  requires?: string
  /** Requires a recent sign-in. */
  stepUp?: boolean
  /** Requests per minute from one address, in addition to the general limit; Infinity: no limit at all without an access token. */
  perMinute?: number
  /** The feature counts the requests by something better than the address; beside that only the global limit applies. */
  countsItself?: boolean
  /** The path of another route that does the same: both share its stricter limit. */
  limitedAs?: string
  /** The response contains secrets, or the caller loses access: it is never stored for an Idempotency-Key. */
  noStore?: boolean
  /** The resource has an entity tag: it is sent, and If-Match and If-None-Match are honoured. */
  tagged?: boolean
  /** Browsers reach it by navigation, so its problems are pages if the request accepts HTML. */
  browsed?: boolean
  /** Problems that do not follow from the rules and the schema; tests fail on a problem that is not declared. */
  problems?: readonly ProblemCode[]
}

declare module 'fastify' {
  interface RouteShorthandOptions extends RouteRules {}
  interface RouteOptions extends RouteRules {}
  interface FastifyContextConfig {
    rules?: RouteRules
  }
  interface FastifySchema {
    operationId?: string
    summary?: string
    description?: string
    tags?: readonly string[]
  }
  interface FastifyRequest {
    /** The authenticated caller; `actor.account` is for the user's own rows. Set on a public route by a valid token. */
    actor: Actor
    /** The authenticated superuser, set on routes with an `admin:` permission only. */
    operator: Operator
    /**
     * The system login, for decisions before a gate is open, and for secrets. On a public route it needs no session; on
     * any other route its statements require the caller's session to be valid.
     */
    visitor: SystemRunner
  }
}

/** Whether a route honours Idempotency-Key: a signed-in caller's POST whose answer may be stored. */
export const honoursIdempotencyKey = ({ access, noStore, method }: RouteRules & { method: string }): boolean =>
  method === 'POST' && access !== 'public' && noStore !== true

/** The origin of a request, as the audit log stores it. */
export function originOf(request: FastifyRequest): Origin {
  const traceparent = currentTraceParent()
  return {
    request_id: request.id,
    ip: clientAddress(request),
    user_agent: (readLine(request.headers['user-agent'] ?? '') ?? '').slice(0, 500),
    ...(traceparent !== undefined && { traceparent }),
  }
}
