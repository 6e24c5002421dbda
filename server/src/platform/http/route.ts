import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { Actor } from '../gate/actor.ts'
import type { Permission } from '../gate/permissions.ts'
import type { Origin, SystemRunner } from '../database/database.ts'
import type { ProblemCode } from '../problems.ts'
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
 * Who may call a route: anyone; a live session alone; or a live session whose role in its organization holds the
 * permission. The gate decides, in the statement itself.
 */
type Access = 'public' | 'session' | Permission

export interface RouteRules {
  /** Required: without it the server does not start. */
  access: Access
  /** Demands a sign-in younger than ten minutes. */
  stepUp?: boolean
  /** Requests a minute from one address, beside the general limit; Infinity: not counted at all. */
  perMinute?: number
  /** Secrets travel, or the caller's access ends with it: the answer is never stored for an Idempotency-Key. */
  noStore?: boolean
  /** The resource has an entity tag: it is sent, and If-Match and If-None-Match are honoured. */
  tagged?: boolean
  /** What it refuses beyond what follows from the rules and the schema; tests fail on a problem that is not declared. */
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
    /** Who asks, and the way to an organization's rows; `actor.account` leads to the user's own. Not on a public route, unless a valid token was sent. */
    actor: Actor
    /**
     * The system login: what has to be decided before any gate is open, or holds secrets. On a public route it is anyone's;
     * on any other its statements run under the caller's session and end with it.
     */
    visitor: SystemRunner
  }
}

/** Whether a route honours Idempotency-Key: a signed-in caller's POST whose answer may be stored. */
export const honoursIdempotencyKey = ({ access, noStore, method }: RouteRules & { method: string }): boolean =>
  method === 'POST' && access !== 'public' && noStore !== true

/** Where a request comes from, as history keeps it. */
export function originOf(request: FastifyRequest): Origin {
  return {
    request_id: request.id,
    ip: clientAddress(request),
    user_agent: (readLine(request.headers['user-agent'] ?? '') ?? '').slice(0, 500),
  }
}
