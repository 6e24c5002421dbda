import type { RouteOptions } from 'fastify'
import type { Declarations } from '../declarations.ts'
import { honouredFields } from '../http/header-fields.ts'
import { formatOf } from '../http/wire-format.ts'
import type { WireFormat } from '../http/wire-format.ts'
import { isBodyOptional, schemaController } from '../http/validation.ts'
import type { ProblemCode } from '../problems.ts'
import { headers, parameters, reference, withPage } from './components.ts'
import type { Json } from './components.ts'
import { formatStyle, problemStyle } from './error-style.ts'
import type { ErrorStyle } from './error-style.ts'
import { exampleOfRequest, exampleOfSchema } from './examples.ts'
import { nameSchemas } from './named-schemas.ts'
import { permissionSchemaOf } from './permission-schema.ts'
import { problemsOf, securityOf, wordsOf } from './operation-rules.ts'
import type { OperationRules } from './operation-rules.ts'
import type { App } from '../http/route.ts'

const description = `The backend that a multi-tenant product needs before its first own feature.

Every response has \`X-Request-ID\`, and \`RateLimit\` if rate limits are enabled. \`HEAD\` works wherever \`GET\` does. Every error is \`application/problem+json\` (RFC 9457); \`x-problems\` lists the codes that an operation can return. \`x-permission\` names the permission that the caller's role must have, \`x-rate-limit\` a limit stricter than the general one.`

declare module 'fastify' {
  interface FastifyInstance {
    /** The OpenAPI document of a wire format, or of all other routes; built at the first call. */
    openApi(format?: WireFormat): Promise<object>
  }
}

/** Describes all routes that are registered after this call, but builds nothing until the document is requested. */
export function describeApi(
  app: App,
  { name, version, declared }: { name: string; version: string; declared: Declared },
): void {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', route => void routes.push(route))
  const documents = new Map<WireFormat | undefined, Promise<object>>()
  app.decorate('openApi', format => {
    const document = documents.get(format) ?? describe(format)
    documents.set(format, document)
    return document
  })

  const describe = async (format: WireFormat | undefined): Promise<object> => {
    const own = routes.filter(({ url, schema }) => {
      return schema?.operationId !== undefined && formatOf(declared.formats, url) === format
    })
    const steps = declared.firstSteps.flatMap(id => own.find(({ schema }) => schema?.operationId === id) ?? [])
    const tagsOf = (some: readonly RouteOptions[]) => new Set(some.flatMap(({ schema }) => schema?.tags ?? []))
    const usedTags = tagsOf(own)
    const [{ default: Fastify }, { default: swagger }] = await Promise.all([
      import('fastify'),
      import('@fastify/swagger'),
    ])
    // The library describes routes that are registered after it, so it gets its own server, which never listens.
    const described = Fastify({ exposeHeadRoutes: false, schemaController })
    await described.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: format === undefined ? `${name} API` : `${name} API, ${format.path}`,
          version,
          description: format?.description ?? `${description}\n\n${firstStepsIn(steps)}`,
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: format === undefined ? [serverAt('/')] : [serverAt(format.path), serverAt(format.alias)],
        // The groups that a newcomer needs come first.
        tags: Object.entries({ ...Object.fromEntries([...tagsOf(steps)].map(tag => [tag, ''])), ...declared.tags })
          .filter(([tag]) => usedTags.has(tag))
          .map(([name, description]) => ({ name, description })),
        components: {
          securitySchemes: {
            bearer: {
              type: 'http',
              scheme: 'bearer',
              bearerFormat: 'JWT',
              description: 'An access token (RFC 6750, RFC 9068), verified as RFC8725 asks.',
            },
          },
        },
      },
      hideUntagged: true,
    })
    const rules = new Map<string, OperationRules>()
    for (const { method, url: whole, schema, ...rest } of own) {
      rules.set(schema?.operationId ?? '', { ...rest, method: String(method) })
      const security = securityOf(rest)
      const url = whole.slice(format?.path.length ?? 0)
      described.route({ method, url, access: rest.access, schema: { ...schema, security }, handler: () => undefined })
    }
    await described.ready()
    const document = complete(described.swagger() as unknown as Document, rules, {
      ...declared,
      style: format === undefined ? problemStyle(declared.problems) : formatStyle(format, declared.problems),
    })
    await described.close()
    return document
  }
}

/** Relative, because the reader of the document has already reached the server, under some name. */
const serverAt = (url: string) => ({
  url,
  description: 'The server that this document came from, local or in production',
  'x-internal': false,
})

const firstStepsIn = (steps: readonly RouteOptions[]): string => {
  const lines = steps.map(({ method, url, schema }, index) => {
    const path = url.replaceAll(/:(\w+)/g, '{$1}')
    return `${index + 1}. ${schema?.summary}: \`${String(method)} ${path}\``
  })
  return `Start here:\n\n${lines.join('\n')}`
}

type Declared = Pick<Declarations, 'tags' | 'firstSteps' | 'problems' | 'permissions' | 'formats'>

interface Described extends Declared {
  style: ErrorStyle
}

interface Response {
  description?: string
  headers?: Json
  content?: Record<string, { schema: Json; example?: unknown; examples?: Json }>
}

interface Operation extends Json {
  operationId: string
  description?: string
  parameters?: Json[]
  requestBody?: { content: Record<string, { schema: Json; example?: unknown }>; required?: boolean }
  responses: Record<string, Response>
}

interface Document {
  paths: Record<string, Record<string, Operation>>
  components: Record<string, Json>
}

/** Adds what all operations share (problems, headers, parameters, examples), and names the schemas with a title. */
function complete(document: Document, rules: ReadonlyMap<string, OperationRules>, declared: Described): Document {
  const { problems, style } = declared
  const responses: Json = {}
  for (const operation of Object.values(document.paths).flatMap(operations => Object.values(operations))) {
    const rule = rules.get(operation.operationId)
    if (rule !== undefined) completeOperation(operation, rule, responses, declared)
  }
  const schemas: Json = {}
  nameSchemas(style.schema, schemas)
  const paths = nameSchemas(document.paths, schemas) as Document['paths']
  if ('Permission' in schemas) schemas['Permission'] = permissionSchemaOf(declared.permissions)
  const used = new Set(Object.keys(responses).flatMap(name => name.split('.')))
  const examples: Json = {}
  for (const code of Object.keys(problems) as ProblemCode[])
    if (used.has(style.codeOf(code))) examples[style.codeOf(code)] ??= style.exampleOf(code)
  const isUsed = (kind: string, name: string) => all.includes(`"#/components/${kind}/${name}"`)
  const all = JSON.stringify([paths, responses])
  const onlyUsed = (kind: string, known: Json) =>
    Object.fromEntries(Object.entries(known).filter(([name]) => isUsed(kind, name)))
  const components = {
    ...document.components,
    schemas: sorted(schemas),
    responses: sorted(onlyUsed('responses', responses)),
    headers: onlyUsed('headers', headers),
    parameters: onlyUsed('parameters', parameters),
    examples,
  }
  return { ...document, paths, components }
}

function completeOperation(operation: Operation, rule: OperationRules, responses: Json, declared: Described): void {
  const { problems, style } = declared
  const { access, stepUp = false, perMinute } = rule
  const codes = problemsOf(operation, rule, problems)
  operation.description = [operation.description, ...wordsOf(rule, declared)]
    .filter(text => text !== undefined)
    .join('\n\n')
  if (access !== 'public' && access !== 'session') operation['x-permission'] = access
  if (rule.requires !== undefined) operation['x-entitlement'] = rule.requires
  if (stepUp) operation['x-step-up'] = true
  if (perMinute !== undefined && perMinute !== Infinity)
    operation['x-rate-limit'] = { requests: perMinute, seconds: 60, counts: 'address' }
  operation[style.listedAs] = [...new Set(codes.map(style.codeOf))]

  // A parameter with a default is optional.
  for (const parameter of operation.parameters ?? [])
    if ((parameter['schema'] as Json | undefined)?.['default'] !== undefined) parameter['required'] = false
  const sent = honouredFields(rule).map(name => reference('parameters', name))
  if (sent.length > 0) operation.parameters = [...(operation.parameters ?? []), ...sent]
  for (const media of Object.values(operation.requestBody?.content ?? {})) {
    if (isBodyOptional(rule.method, media.schema)) operation.requestBody!.required = false
    media.example ??= exampleOfRequest(media.schema)
  }
  for (const [status, response] of Object.entries(operation.responses)) completeResponse(status, response, rule)
  if (rule.tagged && rule.method === 'GET')
    operation.responses['304'] = {
      description: 'Not changed since it was read',
      headers: { ...sharedHeaders, ETag: reference('headers', 'ETag') },
    }

  for (const [status, alike] of Map.groupBy(codes, code => String(problems[code]?.[0]))) {
    const name = [...new Set(alike.map(style.codeOf))].join('.')
    responses[name] ??= problemResponse(declared, status, alike)
    // A status that the route declares itself, such as an unhealthy 503, may be a problem too.
    const own = operation.responses[status]
    if (own?.content === undefined)
      operation.responses[status] = rule.browsed ? withPage(responses[name] as Response) : reference('responses', name)
    else Object.assign(own.content, (responses[name] as Response).content)
  }
}

function completeResponse(status: string, response: Response, rule: OperationRules): void {
  const { tagged, method } = rule
  if (response.description === undefined || response.description === 'Default Response')
    response.description = ({ '201': 'Created', '204': 'Done' } as Record<string, string>)[status] ?? 'OK'
  if (status === '204') delete response.content
  for (const media of Object.values(response.content ?? {})) media.example ??= exampleOfSchema(media.schema)
  response.headers = { ...sharedHeaders, ...response.headers }
  if (tagged && status !== '204') response.headers['ETag'] = reference('headers', 'ETag')
  if (honouredFields(rule).includes('Idempotency-Key'))
    response.headers['Idempotent-Replayed'] = reference('headers', 'Idempotent-Replayed')
  if (tagged && method === 'POST') response.headers['Location'] = reference('headers', 'Location')
}

const sharedHeaders: Json = Object.fromEntries(
  ['X-Request-ID', 'RateLimit', 'RateLimit-Policy', 'Access-Control-Allow-Origin'].map(name => [
    name,
    reference('headers', name),
  ]),
)

function problemResponse({ style }: Described, status: string, codes: readonly ProblemCode[]): Response {
  const extra =
    { '401': ['WWW-Authenticate'], '409': ['Retry-After'], '429': ['Retry-After'], '503': ['Retry-After'] }[status] ??
    []
  return {
    description: [...new Set(codes.map(code => style.exampleOf(code).summary))].join('; '),
    headers: { ...sharedHeaders, ...Object.fromEntries(extra.map(name => [name, reference('headers', name)])) },
    content: {
      [style.mediaType]: {
        schema: style.schemaFor(codes),
        examples: Object.fromEntries(codes.map(style.codeOf).map(code => [code, reference('examples', code)])),
      },
    },
  }
}

const sorted = (object: Json): Json => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)))
