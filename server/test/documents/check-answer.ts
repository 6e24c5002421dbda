import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { features } from '../../src/features.ts'
import { formatOf } from '../../src/platform/http/wire-format.ts'
import { describeLegacy } from '../../src/platform/openapi/legacy.ts'
import type { App } from '../../src/platform/http/route.ts'

interface Response {
  $ref?: string
  headers?: object
  content?: Record<string, { schema: object }>
}

interface Operation {
  operationId: string
  'x-problems'?: string[]
  'x-errors'?: string[]
  responses: Record<string, Response>
}

interface Document {
  servers: { url: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { responses: Record<string, Response>; schemas: Record<string, object> }
}

/** The compiled schema of a document. */
type Compile = (schema: object) => ValidateFunction

export interface CheckedAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: unknown
  text: string
}

interface Known {
  documents: {
    document: Document
    compile: Compile
    patterns: { pattern: RegExp; parameters: number; operations: Record<string, Operation> }[]
  }[]
}

const formats = features.flatMap(({ format }) => format ?? [])

const knownOf = new WeakMap<App, Known>()

/** By the text of a document's components: the apps of a file have the same ones, and compiling them takes long. */
const compilers = new Map<string, Compile>()

const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z$/

/** Compiles each component once, when it is first needed, and the same schema only once. */
function createCompiler({ components }: Document): Compile {
  const text = JSON.stringify(components.schemas)
  const known = compilers.get(text)
  if (known !== undefined) return known
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false })
  // All times of responses are written alike, so that clients can compare them as texts.
  addFormats.default(ajv).addFormat('line', true).addFormat('date-time', UTC)
  for (const [name, schema] of Object.entries(components.schemas)) ajv.addSchema(closed(schema), `component:${name}`)
  const validators = new Map<string, ValidateFunction>()
  const compile: Compile = schema => {
    const key = JSON.stringify(schema)
    let validate = validators.get(key)
    if (validate === undefined) validators.set(key, (validate = ajv.compile(closed(schema))))
    return validate
  }
  compilers.set(text, compile)
  return compile
}

/**
 * Fails unless the OpenAPI document describes the response: its status, content type, problem and entity tag, and a
 * body without properties that the schema does not name. A path that the document does not describe must return a page
 * or a problem.
 */
export async function checkAnswer(app: App, method: string, path: string, answer: CheckedAnswer): Promise<void> {
  const { documents } = await learn(app)
  assert.ok(answer.headers['x-request-id'], `${method} ${path}: no X-Request-ID`)
  assert.equal(answer.headers['x-content-type-options'], 'nosniff', `${method} ${path}: no security headers`)
  const found = findOperation(documents, method, path)
  if (found === undefined) {
    const type =
      formatOf(formats, path) === undefined ? /^(application\/problem\+json|text\/html)/ : /^application\/json/
    if (answer.status >= 400)
      assert.match(String(answer.headers['content-type']), type, `${method} ${path}: ${answer.text}`)
    return
  }
  const { operation, document, compile } = found
  const named = operation.responses[String(answer.status)]
  const response =
    named?.$ref === undefined
      ? named
      : document.components.responses[named.$ref.slice('#/components/responses/'.length)]
  assert.ok(
    response,
    `${operation.operationId} answered ${answer.status}, which the document does not know: ${answer.text}`,
  )
  for (const name of ['ETag', 'Location', 'Deprecation', 'Sunset', 'Link']) {
    if (response.headers !== undefined && name in response.headers)
      assert.ok(
        answer.headers[name.toLowerCase()],
        `${operation.operationId} answered ${answer.status} without ${name}`,
      )
  }
  if (response.content === undefined) {
    assert.equal(answer.text, '', `${operation.operationId} answered ${answer.status} with a body`)
    return
  }
  const type = String(answer.headers['content-type']).split(';', 1)[0]!
  const schema = response.content[type]?.schema
  assert.ok(schema, `${operation.operationId} answered ${answer.status} as ${type}, which the document does not know`)
  const key = `${operation.operationId} ${answer.status} ${type}`
  const validate = compile(schema)
  if (!validate(answer.body)) assert.fail(`${key}: ${new Ajv2020().errorsText(validate.errors)} in ${answer.text}`)
  const { error } = answer.body as { error?: { code: string } }
  if (operation['x-errors'] !== undefined && error !== undefined)
    assert.ok(operation['x-errors'].includes(error.code), `${operation.operationId} does not declare ${error.code}`)
  if (type !== 'application/problem+json') return
  const { code, status } = answer.body as { code: string; status: number }
  assert.ok(
    operation['x-problems']?.includes(code),
    `${operation.operationId} answered with ${code}, which it does not declare`,
  )
  assert.equal(status, answer.status)
}

async function learn(app: App): Promise<Known> {
  let known = knownOf.get(app)
  if (known === undefined) {
    const document = await app.openApi()
    const others = await Promise.all(formats.map(format => app.openApi(format)))
    const documents = [document, describeLegacy(document), ...others].map(described => {
      const { paths, servers } = described as unknown as Document
      const bases = servers.map(({ url }) => RegExp.escape(url.replace(/\/$/, ''))).join('|')
      const patterns = Object.entries(paths).map(([template, operations]) => ({
        pattern: new RegExp(`^(?:${bases})${RegExp.escape(template).replace(/\\\{[^}]+\\\}/g, '[^/]+')}$`),
        parameters: template.split('{').length,
        operations,
      }))
      // A literal path takes precedence over a template.
      return {
        document: described as unknown as Document,
        compile: createCompiler(described as unknown as Document),
        patterns: patterns.sort((a, b) => a.parameters - b.parameters),
      }
    })
    knownOf.set(app, (known = { documents }))
  }
  return known
}

function findOperation(
  documents: Known['documents'],
  method: string,
  path: string,
): { operation: Operation; document: Document; compile: Compile } | undefined {
  const bare = path.split('?', 1)[0]!
  for (const { document, compile, patterns } of documents) {
    const operation = patterns.find(({ pattern }) => pattern.test(bare))?.operations[method.toLowerCase()]
    if (operation !== undefined) return { operation, document, compile }
  }
  return undefined
}

/** The schema in which objects allow no further properties unless they say so: a leaked column fails. */
function closed<Node>(node: Node): Node {
  if (Array.isArray(node)) return node.map(closed) as Node
  if (typeof node !== 'object' || node === null) return node
  const inner = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key.startsWith('example')
        ? value
        : key === '$ref'
          ? String(value).replace('#/components/schemas/', 'component:')
          : closed(value),
    ]),
  )
  return (
    inner['type'] === 'object' && 'properties' in inner ? { additionalProperties: false, ...inner } : inner
  ) as Node
}
