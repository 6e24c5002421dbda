import { headerFields } from '../http/header-fields.ts'
import type { ProblemBody } from '../http/wire-format.ts'
import type { ProblemCode, ProblemTable } from '../problems.ts'
import { PermissionName } from '../schemas.ts'

export type Json = Record<string, unknown>

export const reference = (kind: string, name: string): Json => ({ $ref: `#/components/${kind}/${name}` })

/** A line of text, without control characters. */
const LINE = '^[^\\x00-\\x1f]*$'

export const problemSchemaOf = (problems: ProblemTable): Json => ({
  title: 'Problem',
  type: 'object',
  description: 'RFC 9457 problem details. `code` is stable; `type` is the URL of its section in the problem reference.',
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
  additionalProperties: false,
  properties: {
    type: { type: 'string', format: 'uri', maxLength: 2000 },
    title: { type: 'string', maxLength: 200, pattern: LINE },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string', maxLength: 1000, pattern: LINE },
    code: { type: 'string', enum: Object.keys(problems) },
    request_id: { type: 'string', maxLength: 64, pattern: '^[A-Za-z0-9._-]{1,64}$' },
    errors: {
      type: 'array',
      maxItems: 100,
      items: {
        type: 'object',
        required: ['pointer', 'detail'],
        additionalProperties: false,
        properties: {
          pointer: {
            type: 'string',
            maxLength: 1000,
            pattern: '^([/?#][\\s\\S]*)?$',
            description:
              'A JSON pointer (RFC 6901) into the body, `?name` for a query parameter, `#name` for a header.',
          },
          detail: { type: 'string', maxLength: 1000, pattern: LINE },
        },
      },
    },
    mfa_token: {
      type: 'string',
      maxLength: 100,
      description: 'With `mfa-required`: the token for POST /api/v1/auth/mfa/verify, valid for five minutes.',
    },
    methods: {
      type: 'array',
      maxItems: 10,
      items: { type: 'string', enum: ['totp', 'passkey', 'recovery_code'] },
      description: 'With `mfa-required`: the second factors that the account has.',
    },
    password_change_token: {
      type: 'string',
      maxLength: 100,
      description:
        'With `password-change-required`: the token for POST /api/v1/auth/password-change/complete, valid for 15 minutes.',
    },
    results: {
      type: 'array',
      maxItems: 1000,
      description: 'With `bulk-refused`: what would have become of each item. `skipped`: it would have been changed.',
      items: {
        type: 'object',
        required: ['id', 'status'],
        additionalProperties: false,
        properties: {
          id: { type: 'string', format: 'uuid', maxLength: 36 },
          status: { type: 'string', enum: ['skipped', 'unchanged', 'not-found', 'refused'] },
          problem: {
            type: 'object',
            required: ['code', 'title', 'detail'],
            additionalProperties: false,
            properties: Object.fromEntries(
              ['code', 'title', 'detail'].map(name => [name, { type: 'string', maxLength: 1000, pattern: LINE }]),
            ),
          },
        },
      },
    },
    limit: {
      type: 'integer',
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'With a limit that is reached: the limit.',
    },
    used: {
      type: 'integer',
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'With `limit`: how much of it is in use.',
    },
    limit_key: {
      type: 'string',
      maxLength: 63,
      pattern: LINE,
      description: 'With `quota-exhausted` and `limit-below-use`: which limit it is, such as `projects`.',
    },
    entitlement: {
      type: 'string',
      maxLength: 63,
      pattern: LINE,
      description: 'With `entitlement-missing`: the entitlement that the organization does not have.',
    },
    license_status: {
      type: 'string',
      enum: ['draft', 'active', 'suspended', 'revoked', 'expired', 'not-started'],
      description: 'With `license-status-conflict` and `license-not-usable`: the status that the license has.',
    },
    support_id: {
      type: 'string',
      format: 'uuid',
      maxLength: 36,
      description: 'With `support-access-uncontested`: the support access that an owner could end.',
    },
    permissions: {
      type: 'array',
      maxItems: 200,
      items: PermissionName,
      description: "With `role-exceeds-own`: the permissions that the caller's own role does not have.",
    },
    members: {
      type: 'integer',
      minimum: 1,
      maximum: 2147483647,
      description: 'With `role-in-use`: how many members have the role.',
    },
    invitations: {
      type: 'integer',
      minimum: 1,
      maximum: 2147483647,
      description: 'With `role-in-use`, if no member has the role: how many open invitations offer it.',
    },
    suspended_at: {
      type: 'string',
      format: 'date-time',
      maxLength: 35,
      description: 'With `organization-suspended`: since when.',
    },
  },
})

/** The example of one problem, by its code. */
export function exampleOfProblem(problems: ProblemTable, code: ProblemCode): { summary: string; value: ProblemBody } {
  const [status, title, detail] = problems[code] ?? [500, code, '']
  const type = `http://localhost:8000/problems#${code}`
  const errors = code === 'invalid-fields' ? { errors: [{ pointer: '/name', detail: 'is required' }] } : {}
  return {
    summary: title,
    value: { type, title, status, detail, code, request_id: '2f1c9f1e-58d1-4a3f-9e0a-0d1c1b7b1f55', ...errors },
  }
}

/** A response header field. */
export const header = (description: string, example: string, pattern = LINE): Json => ({
  description,
  schema: { type: 'string', maxLength: 500, pattern, examples: [example] },
})

export const headers: Json = {
  'X-Request-ID': header(
    'Identifies this request in logs and the audit log; a valid value in the request is used.',
    '2f1c9f1e-58d1-4a3f-9e0a-0d1c1b7b1f55',
    '^[A-Za-z0-9._-]{1,64}$',
  ),
  RateLimit: header(
    'The state of the strictest limit that applied (draft-ietf-httpapi-ratelimit-headers-10).',
    '"client";r=59;t=60',
  ),
  'RateLimit-Policy': header('That limit: the number of requests and the window in seconds.', '"client";q=60;w=60'),
  'Access-Control-Allow-Origin': header(
    'The origin of the request, if it is one of `CORS_ORIGINS`; otherwise the field is missing.',
    'https://app.example.com',
  ),
  'Retry-After': header('Wait this many seconds before repeating the request.', '30', '^[0-9]{1,6}$'),
  'WWW-Authenticate': header('The required authentication (RFC 6750).', 'Bearer error="invalid_token"'),
  ETag: header(
    'Identifies this version of the resource; send it in If-Match or If-None-Match.',
    '"0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e.3"',
  ),
  'Idempotent-Replayed': header(
    'Present if this is the stored response to an earlier request with the same Idempotency-Key.',
    'true',
    '^true$',
  ),
  Location: header('The path of the new resource.', '/api/v1/projects/0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e'),
}

export const parameters: Json = Object.fromEntries(
  Object.entries(headerFields).map(([name, { description, schema }]) => [
    name,
    { name, in: 'header', required: false, description, schema },
  ]),
)

/** A problem of an operation that browsers navigate to: a page, if the request accepts HTML. */
export const withPage = <Response extends { content?: object }>(response: Response) => ({
  ...response,
  content: {
    ...response.content,
    'text/html': { schema: { type: 'string', maxLength: 100_000 }, example: '<!doctype html><title>Not now</title>' },
  },
})
