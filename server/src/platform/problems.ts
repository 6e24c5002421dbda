/** The problems by code. `detail` says what to do. */
export type ProblemTable = Readonly<Record<string, readonly [status: number, title: string, detail: string]>>

/** Problems of any route. Each feature declares its own beside its value. */
export const platformProblems = {
  'malformed-request': [
    400,
    'Malformed request',
    'The request could not be read. Send well-formed JSON with a matching Content-Type and Content-Length.',
  ],
  'not-signed-in': [401, 'Not signed in', 'Send a valid access token: Authorization: Bearer <access_token>.'],
  'access-token-expired': [401, 'Access token expired', 'Refresh it with POST /api/v1/auth/refresh.'],
  'session-ended': [401, 'Session ended', 'The session has expired or was revoked. Sign in again.'],
  'support-access-ended': [
    401,
    'Support access ended',
    'The support access was ended or has expired, or the session of the operator was. Ask for a new token, or for new access.',
  ],
  'membership-ended': [
    401,
    'Membership ended',
    'You no longer belong to this organization. Switch to another one or sign in again.',
  ],
  'organization-required': [
    401,
    'No organization chosen',
    'The access token names no organization. Choose one with POST /api/v1/auth/switch-organization.',
  ],
  'step-up-required': [
    401,
    'Recent sign-in required',
    'Verify your identity with POST /api/v1/auth/step-up, with a second factor if the account has one, then repeat the request with the new access token.',
  ],
  'support-access-limited': [
    403,
    'Support access limited',
    'Support access reads what its role reads, and changes only projects and the like, if it was granted the role member. It reaches no account, member, role, invitation or administration.',
  ],
  'permission-missing': [
    403,
    'Permission missing',
    'Your role in this organization does not allow this. Operations of operators need the platform role superuser.',
  ],
  'organization-suspended': [
    403,
    'Organization suspended',
    'An operator has suspended the organization at the time `suspended_at`; nothing in it is lost. Until it is reactivated its members can only leave it: switch to another organization, or ask the operator.',
  ],
  'entitlement-missing': [
    403,
    'Entitlement missing',
    'The license of this organization does not include this, or does not allow changes any more; `entitlement` names what is missing. Renew or extend the license.',
  ],
  'second-factor-required': [
    403,
    'Second factor required',
    'This requires a session with a second factor. Set one up with POST /api/v1/auth/mfa/totp or /api/v1/auth/passkeys, or sign in with the one you have.',
  ],
  'not-found': [404, 'Not found', 'There is nothing here, or it is not yours to see.'],
  'method-not-allowed': [
    405,
    'Method not allowed',
    'This path exists, but not with this method. See the Allow header.',
  ],
  'request-timeout': [408, 'Request timeout', 'The request did not arrive in time. Repeat it.'],
  'idempotency-key-in-use': [
    409,
    'Idempotency key in use',
    'A request with this Idempotency-Key is still running. Repeat this one when that one has finished.',
  ],
  'entity-tag-stale': [
    412,
    'Entity tag stale',
    'The resource has changed since it was read. Read it again and repeat the change.',
  ],
  'body-too-large': [413, 'Body too large', 'The request body exceeds the limit of this route.'],
  'unsupported-media-type': [415, 'Unsupported media type', 'Send application/json.'],
  'invalid-fields': [422, 'Invalid fields', 'Some fields are not valid; `errors` names each of them.'],
  'invalid-cursor': [422, 'Invalid cursor', 'The cursor does not belong to this list. Start again without it.'],
  'invalid-token': [
    422,
    'Invalid token',
    'The link or token is incomplete, has expired or was used before. Request a new one.',
  ],
  'idempotency-key-reused': [
    422,
    'Idempotency key reused',
    'This Idempotency-Key was used with another request before. Use a new key.',
  ],
  'rate-limited': [429, 'Too many requests', 'Repeat the request after Retry-After.'],
  'headers-too-large': [431, 'Headers too large', 'The request headers exceed 16 KiB.'],
  'internal-error': [500, 'Internal error', 'This is a fault of the server; its log has an entry with the request id.'],
  'database-unavailable': [
    503,
    'Database unavailable',
    'The database does not answer, or takes no changes at the moment. Repeat the request after Retry-After.',
  ],
  busy: [503, 'Busy', 'There are too many such requests at the moment. Repeat the request after Retry-After.'],
  'shutting-down': [503, 'Shutting down', 'This server is stopping. Repeat the request.'],
} as const satisfies ProblemTable

/** The codes of a table, for the declaration below. */
export type Codes<Table> = { readonly [Code in keyof Table]: true }

/**
 * All codes. Each feature extends this interface with its own:
 * `declare module '…/platform/problems.ts' { interface DeclaredProblems extends Codes<typeof projectProblems> {} }`
 * @public
 */
export interface DeclaredProblems extends Codes<typeof platformProblems> {}

/** The stable `code` of a problem; it is documented at `/problems#code`. */
export type ProblemCode = keyof DeclaredProblems & string

/** One invalid field: a JSON pointer (RFC 6901) into the body, or `?name` for a query parameter. */
export interface FieldError {
  pointer: string
  detail: string
}

/** An error that becomes an RFC 9457 response (application/problem+json). The declared table has its status and texts. */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly errors: readonly FieldError[] | undefined
  /** Seconds to wait before a repetition. */
  readonly retryAfter: number | undefined
  /** Additional members of the response (RFC 9457, section 3.2). */
  readonly extension: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: ProblemCode,
    options: {
      errors?: readonly FieldError[]
      retryAfter?: number
      extension?: Readonly<Record<string, unknown>>
      cause?: unknown
    } = {},
  ) {
    super(code, { cause: options.cause })
    this.name = 'Problem'
    this.code = code
    this.errors = options.errors
    this.retryAfter = options.retryAfter
    this.extension = options.extension
  }
}

/** A refusal of one field. */
export const invalidField = (pointer: string, detail: string): Problem =>
  new Problem('invalid-fields', { errors: [{ pointer, detail }] })

/** Whether an error is a problem with one of these codes. */
export const isProblem = (error: unknown, ...codes: readonly ProblemCode[]): error is Problem =>
  error instanceof Problem && codes.includes(error.code)
