import type { FastifyRequest } from 'fastify'
import { runnerOf, systemRunnerOf } from '../database/runners.ts'
import type { Database, Login, Runner } from '../database/database.ts'
import type { Operation, Scope } from '../database/scope.ts'
import type { LoginName } from '../database/statement.ts'
import type { AccessTokens } from '../gate/access-tokens.ts'
import { hasRecentSignIn } from '../gate/actor.ts'
import type { Actor, Operator } from '../gate/actor.ts'
import type { Permission } from '../gate/permissions.ts'
import { Problem } from '../problems.ts'
import { rememberResult } from './idempotency.ts'
import { honoursIdempotencyKey, originOf } from './route.ts'
import type { RouteRules } from './route.ts'

/** The caller according to the Authorization header; read before the rate limit, which counts by user if known. */
export type Identity = ReturnType<AccessTokens['verify']> | Problem | undefined

/** The bearer token's claims, the problem with it, or undefined when none was sent. */
export function identify(request: FastifyRequest, tokens: AccessTokens): Identity {
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
 * Authorizes a request as far as the token alone allows; the gate decides the rest, in the statement itself. Sets
 * `actor`, `actor.account`, `visitor` and, for an `admin:` permission, `operator` on the request. `confirm` is called when the session was found valid,
 * `markReplayed` when the response is a stored one.
 * @throws Problem not-signed-in, access-token-expired, organization-required, step-up-required, support-access-limited
 */
export function authorize(
  request: FastifyRequest,
  rules: RouteRules,
  identity: Identity,
  {
    database,
    supportPermissions,
    confirm,
    markReplayed,
  }: {
    database: Database
    supportPermissions: readonly Permission[]
    confirm: (request: FastifyRequest) => void
    markReplayed: () => void
  },
): void {
  const origin = originOf(request)
  const isPublic = rules.access === 'public'
  if (isPublic) request.visitor = systemRunnerOf(database.system, { origin })
  // On a public route, a valid token still sets the actor, but not the token of a support access.
  if (isPublic && (identity === undefined || identity instanceof Problem || identity.act !== undefined)) return
  if (identity === undefined) throw new Problem('not-signed-in')
  if (identity instanceof Problem) throw identity
  const permission = rules.access === 'public' || rules.access === 'session' ? undefined : rules.access
  const operates = permission?.startsWith('admin:') === true
  const isSupported = permission !== undefined && supportPermissions.includes(permission) && rules.stepUp !== true
  if (identity.act !== undefined && !isSupported) throw new Problem('support-access-limited')
  if (permission !== undefined && !operates && identity.organization_id === undefined)
    throw new Problem('organization-required')
  if (rules.stepUp && !hasRecentSignIn(identity)) throw new Problem('step-up-required')
  const { sub: user_id, sid: session_id, organization_id, role, email, auth_time, act } = identity
  const support_id = act === undefined ? undefined : user_id
  const person_id = act?.sub ?? user_id
  const self: Scope = {
    session_id,
    origin: { ...origin, user_id: person_id },
    confirm: () => confirm(request),
    ...(support_id !== undefined && { support_id }),
  }
  const gated =
    permission === undefined || operates
      ? self
      : {
          ...self,
          permission,
          organization_id: organization_id as string,
          ...(rules.requires !== undefined && { requires: rules.requires }),
        }
  // No statement of the system login asks whether a support access is open.
  if (!isPublic && support_id === undefined) request.visitor = systemRunnerOf(database.system, self)
  const keyed = honoursIdempotencyKey({ ...rules, method: request.method })
  const bindTo = <Name extends LoginName>(login: Login<Name>, scope: Scope): Runner<Name> => {
    const runner = runnerOf(login, scope)
    return keyed
      ? rememberResult(runner, request, {
          user_id: person_id,
          support_id,
          organization_id: scope.permission && scope.organization_id,
          markReplayed,
        })
      : runner
  }
  const bind = (scope: Scope) => bindTo(database.tenant, scope)
  const actor: Actor = {
    principal:
      support_id === undefined
        ? { kind: 'session', session_id, user_id, auth_time }
        : { kind: 'support', support_id, operator_id: person_id, session_id },
    user_id,
    session_id,
    organization_id: organization_id as string,
    role,
    email,
    auth_time,
    ...bind(gated),
    account: {
      ...bind(self),
      within: (id, asked) => bind({ ...self, organization_id: id, ...(asked !== undefined && { permission: asked }) }),
    },
  }
  request.actor = actor
  if (operates) {
    const operate = (scope: Scope & { operation: Operation }): Operator => ({
      user_id,
      session_id,
      ...bindTo(database.system, scope),
      // system: an operator looks up the organization of a row before that organization's gate can be asked
      lookUp: statement =>
        database.system.run({ ...scope, operation: { ...scope.operation, isLookUp: true } }, statement),
      on: target => operate({ ...scope, operation: { ...target, name: scope.operation.name } }),
      for: id => operate({ ...scope, organization_id: id }),
      within: id => bindTo(database.tenant, { ...scope, organization_id: id }),
    })
    request.operator = operate({ ...self, permission, operation: operationOf(request) })
  }
}

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i

/** What an operator's request is about: `/admin/users/{id}` and `/license-plans/{id}` concern the row in the path. */
function operationOf({ routeOptions, params }: FastifyRequest): Operation {
  const name = routeOptions.schema?.operationId ?? `${String(routeOptions.method)} ${routeOptions.url ?? ''}`
  const [, entity_type] = /\/([^/]+)\/:id(?:\/|$)/.exec(routeOptions.url ?? '') ?? []
  const { id } = (params ?? {}) as { id?: string }
  return entity_type === undefined || id === undefined || !UUID.test(id)
    ? { name }
    : { name, entity_type: entity_type.replaceAll('-', '_'), entity_id: id }
}
