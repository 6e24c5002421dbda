/**
 * Every error the service answers with. The key is the stable `code`; its page is `/problems#code`.
 * `detail` says what to do.
 */
export const problems = {
  'malformed-request': [
    400,
    'Malformed request',
    'The request could not be read. Send well-formed JSON with a matching Content-Type and Content-Length.',
  ],
  'not-signed-in': [401, 'Not signed in', 'Send a valid access token: Authorization: Bearer <access_token>.'],
  'access-token-expired': [401, 'Access token expired', 'Refresh it with POST /api/v1/auth/refresh.'],
  'session-ended': [401, 'Session ended', 'The session has expired or was revoked. Sign in again.'],
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
  'invalid-credentials': [
    401,
    'Invalid credentials',
    'The password is not that of such an account. Check the e-mail address or username, and the password.',
  ],
  'invalid-code': [
    401,
    'Invalid code',
    'The code is wrong, has been used, or too many wrong ones came before. Wait for the next one, or use another factor.',
  ],
  'invalid-passkey': [
    401,
    'Invalid passkey',
    'The passkey is not known here, or did not sign this challenge. Ask for new options and try again, or use another way in.',
  ],
  'invalid-refresh-token': [
    401,
    'Invalid refresh token',
    'The refresh token is unknown, expired, revoked or used before. Sign in again.',
  ],
  'mfa-required': [
    401,
    'Second factor required',
    'Finish with POST /api/v1/auth/mfa/verify, the `mfa_token` of this answer and one of its `methods`.',
  ],
  'step-up-required': [
    401,
    'Recent sign-in required',
    'Confirm it is you with POST /api/v1/auth/step-up, by a second factor where the account has one, then repeat the request with the new access token.',
  ],
  'permission-missing': [403, 'Permission missing', 'Your role in this organization does not allow this.'],
  'second-factor-required': [
    403,
    'Second factor required',
    'This wants a session with a second factor. Enrol one with POST /api/v1/auth/mfa/totp or /api/v1/auth/passkeys, or sign in with the one you have.',
  ],
  'email-unverified': [
    403,
    'E-mail address unverified',
    'Confirm the address by the link in the mail; POST /api/v1/auth/verify-email/resend sends another.',
  ],
  'invitation-for-another': [
    403,
    'Invitation for another address',
    'The invitation went to another address than that of your account. Sign in with the account of that address.',
  ],
  'link-required': [
    403,
    'Sign in first',
    'No open account belongs to this sign-in. Sign in another way, then link the provider with POST /api/v1/oauth/{provider}/link.',
  ],
  'provider-refused': [
    403,
    'Provider refused',
    'The provider let nobody in: it was cancelled there, or is not allowed. Begin again with GET /oauth/{provider}/initiate.',
  ],
  'provider-email-missing': [
    403,
    'No e-mail address from the provider',
    'An account needs an e-mail address, and the provider named none that can be used. Allow it there, or sign up with one.',
  ],
  'browser-unknown': [
    403,
    'Another browser',
    'This was begun in another browser, or its cookie is gone. Begin again with GET /oauth/{provider}/initiate.',
  ],
  'owner-required': [403, 'Owner required', 'Only an owner may change who owns the organization, and what it demands.'],
  'not-found': [404, 'Not found', 'There is nothing here, or it is not yours to see.'],
  'method-not-allowed': [
    405,
    'Method not allowed',
    'This path exists, but not with this method. See the Allow header.',
  ],
  'request-timeout': [408, 'Request timeout', 'The request did not arrive in time. Repeat it.'],
  'email-taken': [409, 'E-mail address taken', 'An account with this e-mail address exists. Sign in instead.'],
  'username-taken': [409, 'Username taken', 'Choose another username.'],
  'organization-slug-taken': [
    409,
    'Organization slug taken',
    'Choose another slug, or leave it out to have one made from the name.',
  ],
  'project-slug-taken': [
    409,
    'Project slug taken',
    'Another project of this organization has this slug. Choose another.',
  ],
  'totp-enrolled': [
    409,
    'Authenticator app enrolled',
    'The account has an authenticator app. Remove it with DELETE /api/v1/auth/mfa/totp to enrol another.',
  ],
  'second-factor-missing': [
    409,
    'No second factor',
    'Recovery codes stand in for a second factor. Enrol one with POST /api/v1/auth/mfa/totp or /api/v1/auth/passkeys first.',
  ],
  'last-superuser': [
    409,
    'Last superuser',
    'The service keeps one superuser. Make somebody else one first: `freehold superuser grant EMAIL`.',
  ],
  'already-member': [409, 'Already a member', 'This person belongs to the organization already.'],
  'last-owner': [409, 'Last owner', 'An organization keeps one owner. Make somebody else an owner first.'],
  'personal-organization': [
    409,
    'Personal organization',
    'A personal organization has one member and lasts as long as the account. Create a team instead.',
  ],
  'identity-taken': [
    409,
    'Identity taken',
    'This account at the provider belongs to somebody else here. Sign in with it, or remove it there first.',
  ],
  'last-way-in': [
    409,
    'Last way in',
    'Without it nobody could sign in to this account. Set a password, or add another passkey or sign-in provider first.',
  ],
  'passkey-taken': [409, 'Passkey registered', 'This passkey is registered already. Use it, or another authenticator.'],
  'too-many-passkeys': [409, 'Too many passkeys', 'An account holds 20 passkeys. Remove one that is no longer used.'],
  'passkeys-unavailable': [
    409,
    'Passkeys unavailable',
    'Browsers take passkeys under a domain name and https only, and this service is configured for neither. Use another way in.',
  ],
  'idempotency-key-in-use': [
    409,
    'Idempotency key in use',
    'A request with this Idempotency-Key is still running. Repeat this one when it has answered.',
  ],
  'entity-tag-stale': [
    412,
    'Entity tag stale',
    'The resource has changed since it was read. Read it again and repeat the change.',
  ],
  'body-too-large': [413, 'Body too large', 'The request body exceeds the limit of this route.'],
  'unsupported-media-type': [415, 'Unsupported media type', 'Send application/json.'],
  'invalid-fields': [422, 'Invalid fields', 'Some fields are not as this route takes them; `errors` names each.'],
  'invalid-cursor': [422, 'Invalid cursor', 'The cursor does not belong to this list. Start again without it.'],
  'invalid-token': [
    422,
    'Invalid token',
    'The link or token is not whole, has expired or was used before. Ask for a new one.',
  ],
  'weak-password': [422, 'Weak password', 'Choose another password; `errors` says what it lacks.'],
  'idempotency-key-reused': [
    422,
    'Idempotency key reused',
    'This Idempotency-Key came with another request before. Use a new key.',
  ],
  'rate-limited': [429, 'Too many requests', 'Wait as long as Retry-After says.'],
  'headers-too-large': [431, 'Headers too large', 'The request headers exceed 16 KiB.'],
  'internal-error': [500, 'Internal error', 'This is our fault; the request id leads to the log line.'],
  'provider-failed': [
    502,
    'Provider failed',
    'The provider did not answer, or not as it must. Begin again later, or sign in another way.',
  ],
  'database-unavailable': [
    503,
    'Database unavailable',
    'The database does not answer. Repeat the request after Retry-After.',
  ],
  busy: [503, 'Busy', 'Too much of this at once. Repeat the request after Retry-After.'],
  'shutting-down': [503, 'Shutting down', 'This server is stopping. Repeat the request.'],
} as const satisfies Record<string, readonly [status: number, title: string, detail: string]>

export type ProblemCode = keyof typeof problems

/** One invalid field: a JSON pointer (RFC 6901) into the body, or `?name` for a query parameter. */
export interface FieldError {
  pointer: string
  detail: string
}

/** Thrown anywhere, answered once, as RFC 9457 application/problem+json. */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly errors: readonly FieldError[] | undefined
  /** Seconds until a repetition makes sense. */
  readonly retryAfter: number | undefined
  /** Members of the answer beside the usual ones (RFC 9457, section 3.2). */
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
    super(problems[code][1], { cause: options.cause })
    this.name = 'Problem'
    this.code = code
    this.errors = options.errors
    this.retryAfter = options.retryAfter
    this.extension = options.extension
  }
  get status(): number {
    return problems[this.code][0]
  }
}

/** A refusal of one field. */
export const invalidField = (pointer: string, detail: string): Problem =>
  new Problem('invalid-fields', { errors: [{ pointer, detail }] })
