import { Type } from 'typebox'
import { camelCase } from './names.ts'
import type { ProblemBody } from '../../platform/http/wire-format.ts'
import type { ProblemCode } from '../../platform/problems.ts'
import { OneOf } from '../../platform/schemas.ts'

/** The code of a problem by its status, unless `exceptions` has another. */
export const byStatus = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  409: 'CONFLICT',
  410: 'GONE',
  412: 'PRECONDITION_FAILED',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'VALIDATION_ERROR',
  429: 'RATE_LIMITED',
  431: 'HEADERS_TOO_LARGE',
  500: 'INTERNAL_ERROR',
  502: 'BAD_GATEWAY',
  503: 'SERVICE_UNAVAILABLE',
} as const

/** Problems with a code of their own, because a front end reacts to them. */
const exceptions = {
  'invalid-credentials': 'INVALID_CREDENTIALS',
  'invalid-code': 'INVALID_CREDENTIALS',
  'invalid-passkey': 'INVALID_CREDENTIALS',
  'access-token-expired': 'TOKEN_EXPIRED',
  'mfa-required': 'MFA_REQUIRED',
  'email-unverified': 'EMAIL_UNVERIFIED',
  'email-taken': 'EMAIL_TAKEN',
} as const satisfies Partial<Record<ProblemCode, string>>

/** Messages in place of the problem's own, which names paths of `/api/v1`. */
const messages: Partial<Record<ProblemCode, string>> = {
  'access-token-expired': 'The token has expired. Sign in again, or exchange the refreshToken with POST auth/refresh.',
  'mfa-required': 'Finish with POST auth/mfa/verify: the mfa_token of this response and one of its methods.',
  'password-change-required': 'A new password is required. Request a link to set it by email, then sign in with it.',
  'organization-required': 'The token names no tenant. Verify the email address, then sign in again.',
  'membership-ended': 'You no longer belong to this tenant. Sign in again.',
  'organization-suspended': 'An operator has suspended this tenant; nothing in it is lost. Ask the operator.',
  'email-unverified': 'Verify the address with the link in the email, which this sign-in has sent again.',
}

type Code = (typeof byStatus)[keyof typeof byStatus] | (typeof exceptions)[keyof typeof exceptions]

/** Every code of v5. */
export const codes: readonly Code[] = [...new Set([...Object.values(byStatus), ...Object.values(exceptions)])]

/** The one code of v5 for a problem. */
export const codeOf = ({ code, status }: Pick<ProblemBody, 'code' | 'status'>): Code =>
  (exceptions as Partial<Record<ProblemCode, Code>>)[code] ??
  (byStatus as Readonly<Record<number, Code>>)[status] ??
  (status < 500 ? 'BAD_REQUEST' : 'INTERNAL_ERROR')

export const V5Error = Type.Object(
  {
    success: Type.Literal(false),
    error: Type.Object({
      code: OneOf(codes),
      message: Type.String({
        maxLength: 20_000,
        description: 'What to do about it; with `VALIDATION_ERROR`, each invalid field and what is wrong with it.',
      }),
      mfa_token: Type.Optional(
        Type.String({
          maxLength: 100,
          description: 'With `MFA_REQUIRED`: the token for POST auth/mfa/verify, valid for five minutes.',
        }),
      ),
      methods: Type.Optional(
        Type.Array(OneOf(['totp', 'passkey', 'recovery_code']), {
          maxItems: 10,
          description: 'With `MFA_REQUIRED`: the second factors that the account has.',
        }),
      ),
    }),
  },
  { title: 'Error' },
)

/** How many invalid fields a message names. */
const MAX_NAMED = 10

/** The error response of v5 for a problem. */
export function bodyOf(problem: ProblemBody): object {
  const { code, detail, errors = [], mfa_token, methods } = problem
  const faults = errors.slice(0, MAX_NAMED).map(fault => `${fieldOf(fault.pointer)}: ${fault.detail}`)
  const message = faults.length > 0 ? faults.join('; ') : (messages[code] ?? detail)
  return {
    success: false,
    error: {
      code: codeOf(problem),
      message,
      ...(mfa_token !== undefined && { mfa_token }),
      ...(methods !== undefined && { methods }),
    },
  }
}

/** A pointer as the name of a field of v5: `/workspace_path` is `workspacePath`. */
const fieldOf = (pointer: string): string =>
  pointer
    .slice(1)
    .split('/')
    .map(part => camelCase(part.replaceAll('~1', '/').replaceAll('~0', '~')))
    .join('.') || 'body'
