import swagger from '@fastify/swagger'
import type { RouteOptions } from 'fastify'
import { problems } from '../core/problems.ts'
import type { ProblemCode } from '../core/problems.ts'
import type { App, RouteRules } from './route.ts'

type Json = Record<string, unknown>

const tags = {
  Authentication: 'Signing up, in, out, and staying signed in.',
  Sessions: "One's own signed-in devices.",
  People: 'Who one is.',
  Organizations: 'The tenants: founding, changing, leaving, closing.',
  Members: 'Who belongs to an organization, in which role.',
  Projects: "An organization's projects.",
  Audit: 'Who changed what, when and from where.',
  System: 'Health, keys and documents.',
}

/** Describes every route that is registered after it, completely; the document is made when first asked for. */
export async function describeApi(app: App, options: { publicUrl: string; name: string; version: string; rateLimited: boolean }): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: `${options.name} API`,
        version: options.version,
        description: 'The backend that a multi-tenant product needs before its first own feature.',
        license: { name: 'MIT', identifier: 'MIT' },
        contact: { name: 'Freehold', url: `${options.publicUrl}/docs` },
      },
      servers: [{ url: options.publicUrl, description: 'This server' }],
      tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token (RFC 6750, RFC 9068).' } } },
    },
    hideUntagged: true,
    transform: ({ schema, url, route }) => ({ schema: { ...schema, security: route.access === 'public' ? [] : [{ bearer: [] }] }, url }),
    transformObject: document => complete(('openapiObject' in document ? document.openapiObject : {}) as Json, rulesByOperation) as never,
  })
  const rulesByOperation = new Map<string, RouteRules & { method: string }>()
  app.addHook('onRoute', (route: RouteOptions) => {
    const operationId = route.schema?.operationId
    if (operationId !== undefined) rulesByOperation.set(operationId, { ...route, method: String(route.method) })
  })
}

interface Operation extends Json {
  operationId: string
  parameters?: Json[]
  requestBody?: Json
  responses: Record<string, { description?: string; headers?: Json; content?: Record<string, Json> }>
}

/** Adds to each operation what all share: problems, headers, parameters; and names the schemas that have a title. */
function complete(document: Json, rules: ReadonlyMap<string, RouteRules & { method: string }>): Json {
  const components = document['components'] as { schemas?: Json; responses?: Json; headers?: Json }
  components.schemas = { Problem: problemSchema }
  components.headers = sharedHeaders
  for (const operations of Object.values(document['paths'] as Record<string, Record<string, Operation>>)) {
    for (const operation of Object.values(operations)) {
      const rule = rules.get(operation.operationId)
      if (rule !== undefined) completeOperation(operation, rule)
    }
  }
  const named = components.schemas
  document['paths'] = nameSchemas(document['paths'], named)
  components.schemas = Object.fromEntries(Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1)))
  return document
}

function completeOperation(operation: Operation, rule: RouteRules & { method: string }): void {
  const isWrite = ['PUT', 'PATCH', 'DELETE'].includes(rule.method)
  const responses = Object.entries(operation.responses)
  const tagged = responses.some(([, response]) => response.headers?.['ETag'] !== undefined)
  const parameters = (operation.parameters ??= [])
  if (isWrite && rule.access !== 'public') parameters.push(ifMatch)
  if (rule.method === 'POST' && rule.access !== 'public') parameters.push(idempotencyKey)
  if (parameters.length === 0) delete operation.parameters
  for (const code of problemsOf(operation, rule, isWrite || tagged)) {
    const [status, title] = problems[code]
    const response = (operation.responses[String(status)] ??= { description: title, content: { 'application/problem+json': { schema: problemSchema, example: exampleOf(code) } } })
    if (!response.description?.includes(title)) response.description += `; ${title}`
  }
  operation.responses['default'] ??= { description: 'Any other problem', content: { 'application/problem+json': { schema: problemSchema } } }
  for (const [status, response] of Object.entries(operation.responses)) {
    response.headers = {
      ...response.headers,
      'X-Request-ID': reference('headers', 'X-Request-ID'),
      RateLimit: reference('headers', 'RateLimit'),
      'RateLimit-Policy': reference('headers', 'RateLimit-Policy'),
      ...(['429', '503'].includes(status) ? { 'Retry-After': reference('headers', 'Retry-After') } : {}),
      ...(status === '401' ? { 'WWW-Authenticate': reference('headers', 'WWW-Authenticate') } : {}),
    }
    if (response.description === 'Default Response') response.description = status === '204' ? 'Done' : status === '201' ? 'Created' : 'As asked'
  }
}

/** The problems that an operation can answer with, from what it declares. */
function problemsOf(operation: Operation, rule: RouteRules, conditional: boolean): ProblemCode[] {
  const hasPath = (operation.parameters ?? []).some(parameter => parameter['in'] === 'path')
  const hasInput = operation.requestBody !== undefined || (operation.parameters ?? []).some(parameter => parameter['in'] === 'query')
  return [
    'malformed-request',
    ...(rule.access === 'public' && operation.requestBody === undefined ? [] : (['not-signed-in'] as const)),
    ...(rule.access === 'public' || rule.access === 'session' ? [] : (['permission-missing'] as const)),
    ...(hasPath || rule.access !== 'public' ? (['not-found'] as const) : []),
    ...(operation.requestBody === undefined ? [] : (['body-too-large', 'unsupported-media-type'] as const)),
    ...(rule.access !== 'public' || operation.requestBody !== undefined ? (['last-owner'] as const) : []),
    ...(conditional ? (['entity-tag-stale'] as const) : []),
    ...(hasInput || rule.access !== 'public' ? (['invalid-fields'] as const) : []),
    'rate-limited',
    'internal-error',
    'database-unavailable',
  ]
}

const exampleOf = (code: ProblemCode): Json => {
  const [status, title, detail] = problems[code]
  return { type: `https://api.example.com/problems#${code}`, title, status, detail, code, request_id: '2f1c9f1e-58d1-4a3f-9e0a-0d1c1b7b1f55' }
}

const reference = (kind: string, name: string): Json => ({ $ref: `#/components/${kind}/${name}` })

/** Replaces every schema that has a title by a reference, and collects it under that title. */
function nameSchemas(node: unknown, named: Json): unknown {
  if (Array.isArray(node)) return node.map(item => nameSchemas(item, named))
  if (typeof node !== 'object' || node === null) return node
  const inner = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, key === 'example' || key === 'examples' ? value : nameSchemas(value, named)]))
  const title = inner['title']
  if (typeof title !== 'string' || typeof inner['type'] !== 'string') return inner
  named[title] = inner
  return reference('schemas', title)
}

const problemSchema: Json = {
  title: 'Problem',
  type: 'object',
  description: 'RFC 9457 problem details. `code` is stable.',
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
  additionalProperties: false,
  properties: {
    type: { type: 'string', format: 'uri', maxLength: 2000 },
    title: { type: 'string', maxLength: 200 },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string', maxLength: 1000 },
    code: { type: 'string', enum: Object.keys(problems) },
    request_id: { type: 'string', maxLength: 64 },
    errors: {
      type: 'array',
      maxItems: 1000,
      items: {
        type: 'object',
        required: ['pointer', 'detail'],
        additionalProperties: false,
        properties: {
          pointer: { type: 'string', maxLength: 2000, description: 'A JSON pointer (RFC 6901) into the body, `?name` for a query parameter, `#name` for a header.' },
          detail: { type: 'string', maxLength: 1000 },
        },
      },
    },
  },
}

const text = (description: string, example: string): Json => ({ description, schema: { type: 'string', maxLength: 500, examples: [example] } })

const sharedHeaders: Json = {
  'X-Request-ID': text('Names this request in logs and history; a valid one that was sent is kept.', '2f1c9f1e-58d1-4a3f-9e0a-0d1c1b7b1f55'),
  RateLimit: text('Where the tightest limit stands (draft-ietf-httpapi-ratelimit-headers-10).', '"client";r=59;t=60'),
  'RateLimit-Policy': text('What that limit is.', '"client";q=60;w=60'),
  'Retry-After': text('Seconds until a repetition makes sense.', '30'),
  'WWW-Authenticate': text('How to sign in (RFC 6750).', 'Bearer error="invalid_token"'),
}

const ifMatch: Json = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description: 'The ETag that was read: a change since then is answered 412 instead of being overwritten.',
  schema: { type: 'string', maxLength: 1000, examples: ['"0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e.3"'] },
}

const idempotencyKey: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'A repetition with the same key and body within 24 hours gets the first answer again.',
  schema: { type: 'string', minLength: 1, maxLength: 255, examples: ['8e03978e-40d5-43dd-bc93-6894a57f9324'] },
}
