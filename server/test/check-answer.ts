import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { App } from '../src/http/route.ts'

interface Operation {
  operationId: string
  responses: Record<string, { headers?: object; content?: Record<string, { schema: object }> }>
}

interface Document {
  paths: Record<string, Record<string, Operation>>
  components: object
}

const documents = new WeakMap<App, { document: Document; validators: Map<string, ValidateFunction> }>()

const ajv = new Ajv2020({ strict: false, allErrors: true })
addFormats.default(ajv)

/**
 * Fails unless the answer is one that the OpenAPI document promises: its status, its content type, and a body without
 * anything that the schema does not name. Paths that no document describes (pages, unknown paths) must be pages or 404s.
 */
export function checkAnswer(app: App, method: string, path: string, answer: { status: number; headers: Record<string, string>; body: unknown; text: string }): void {
  let known = documents.get(app)
  if (known === undefined) documents.set(app, (known = { document: app.swagger() as unknown as Document, validators: new Map() }))
  const { document, validators } = known
  assert.ok(answer.headers['x-request-id'], `${method} ${path}: no X-Request-ID`)
  const operation = findOperation(document, method, path)
  if (operation === undefined) return
  const response = operation.responses[String(answer.status)]
  assert.ok(response, `${operation.operationId} answered ${answer.status}, which the document does not know: ${answer.text}`)
  if (response.content === undefined || answer.text === '') return
  const type = String(answer.headers['content-type']).split(';', 1)[0]!
  const schema = response.content[type]?.schema
  assert.ok(schema, `${operation.operationId} answered ${answer.status} as ${type}, which the document does not know`)
  const key = `${operation.operationId} ${answer.status} ${type}`
  let validate = validators.get(key)
  if (validate === undefined) validators.set(key, (validate = ajv.compile({ ...schema, components: document.components })))
  assert.ok(validate(answer.body), `${key}: ${ajv.errorsText(validate.errors)} in ${answer.text}`)
}

function findOperation(document: Document, method: string, path: string): Operation | undefined {
  const bare = path.split('?', 1)[0]!.replace(/^\/api\/(auth|org)\//, '/api/v1/$1/')
  const matches = Object.entries(document.paths).filter(([template]) => new RegExp(`^${template.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(bare))
  // A literal path wins over a template.
  matches.sort(([a], [b]) => a.split('{').length - b.split('{').length)
  return matches[0]?.[1][method.toLowerCase()]
}
