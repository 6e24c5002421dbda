import type { Declarations } from '../declarations.ts'
import { STEP_UP_SECONDS } from '../gate/actor.ts'
import { honouredFields } from '../http/header-fields.ts'
import type { RouteRules } from '../http/route.ts'
import type { ProblemCode, ProblemTable } from '../problems.ts'

/** What the rules of a route mean for its callers. */

export type OperationRules = RouteRules & { method: string }

/** The part of an operation that its problems follow from. */
interface Described {
  parameters?: Record<string, unknown>[]
  requestBody?: object
}

/** The access token; optional on a public route whose problems include `session-ended`. */
export function securityOf({
  access,
  problems: declared = [],
}: Pick<RouteRules, 'access' | 'problems'>): { bearer?: never[] }[] {
  if (access !== 'public') return [{ bearer: [] }]
  return declared.includes('session-ended') ? [{ bearer: [] }, {}] : []
}

/** The rules of a route as sentences for its callers. */
export function wordsOf(
  { access, requires, stepUp, perMinute }: RouteRules,
  { permissions }: Pick<Declarations, 'permissions'>,
): string[] {
  const who =
    access === 'public'
      ? 'Open to anyone.'
      : access === 'session'
        ? 'Requires a valid session.'
        : `Requires the permission \`${access}\`, which the role ${(permissions as Record<string, string>)[access]} and those above it have.`
  return [
    who,
    ...(requires === undefined ? [] : [`The organization must have the entitlement \`${requires}\`.`]),
    ...(stepUp ? [`Needs a sign-in younger than ${STEP_UP_SECONDS / 60} minutes.`] : []),
    ...(perMinute === undefined || perMinute === Infinity
      ? []
      : [`At most ${perMinute} requests per minute from one address.`]),
  ]
}

/** All problems that an operation can return: those from its rules and schema, and those that it declares. */
export function problemsOf(operation: Described, rule: OperationRules, problems: ProblemTable): ProblemCode[] {
  const { access, stepUp, problems: declared = [] } = rule
  const has = (place: string, name?: string) =>
    (operation.parameters ?? []).some(
      parameter => parameter['in'] === place && (name === undefined || parameter['name'] === name),
    )
  const sent = honouredFields(rule)
  const found: (readonly ProblemCode[] | false)[] = [
    ['malformed-request'],
    access !== 'public' && [
      'not-signed-in',
      'access-token-expired',
      'session-ended',
      'support-access-ended',
      'support-access-limited',
    ],
    access !== 'public' &&
      access !== 'session' &&
      (access.startsWith('admin:')
        ? ['permission-missing', 'second-factor-required']
        : [
            'organization-required',
            'membership-ended',
            'permission-missing',
            'second-factor-required',
            'organization-suspended',
          ]),
    rule.requires !== undefined && ['entitlement-missing'],
    stepUp === true && ['step-up-required'],
    has('path') && ['not-found'],
    sent.includes('Idempotency-Key') && ['idempotency-key-in-use', 'idempotency-key-reused', 'invalid-fields'],
    sent.includes('If-Match') && ['entity-tag-stale'],
    operation.requestBody !== undefined && ['body-too-large', 'unsupported-media-type', 'invalid-fields'],
    ['invalid-fields'],
    has('query', 'cursor') && ['invalid-cursor'],
    declared,
    [
      'request-timeout',
      'rate-limited',
      'headers-too-large',
      'internal-error',
      'database-unavailable',
      'busy',
      'shutting-down',
    ],
  ]
  const codes = new Set(found.flatMap(some => (some === false ? [] : some)))
  return (Object.keys(problems) as ProblemCode[]).filter(code => codes.has(code))
}
