import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { features } from '../../features.ts'
import { declare } from '../declarations.ts'
import { feature } from '../feature.ts'
import { createDescribedApp } from '../../../tools/reference/described-app.ts'
import { describeLegacy } from './legacy.ts'

interface Media {
  schema: object
  example?: unknown
  examples?: Record<string, { $ref: string }>
}
interface Response {
  $ref?: string
  description: string
  headers: Record<string, object>
  content?: Record<string, Media>
}
interface Operation {
  operationId: string
  summary: string
  description: string
  tags: string[]
  deprecated?: boolean
  'x-permission'?: string
  'x-problems': string[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, Response>
}
interface Document {
  paths: Record<string, Record<string, Operation>>
  tags: { name: string }[]
  components: { responses: Record<string, Response>; examples: Record<string, { value: unknown }>; schemas: object }
}

const declared = declare(features)
const { permissions, problems } = declared
const app = await createDescribedApp(declared)
after(() => app.close())
const document = (await app.openApi()) as Document
const operationsOf = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) => Object.values(methods).map(operation => ({ path, operation })))
const resolve = (response: Response, { components }: Document): Response =>
  response.$ref === undefined ? response : components.responses[response.$ref.slice('#/components/responses/'.length)]!

// Red when: a route leaves out summary, tags or operationId, or an answer is described by nothing.
test('every operation says what it is, who may call it and how each of its answers looks', () => {
  const ids = new Set<string>()
  for (const { path, operation } of operationsOf(document)) {
    const { operationId, summary, description, tags, responses } = operation
    assert.ok(!ids.has(operationId), operationId)
    ids.add(operationId)
    assert.ok(summary.length > 5 && description.length > 5, operationId)
    assert.ok(
      document.tags.some(({ name }) => name === tags[0]),
      operationId,
    )
    assert.ok(operation['x-permission'] === undefined || operation['x-permission'] in permissions, operationId)
    for (const [status, named] of Object.entries(responses)) {
      const response = resolve(named, document)
      assert.ok(response.description, `${path} ${status}`)
      for (const name of ['X-Request-ID', 'RateLimit', 'RateLimit-Policy', 'Access-Control-Allow-Origin'])
        assert.ok(name in response.headers, `${path} ${status}: ${name}`)
      for (const media of Object.values(response.content ?? {}))
        assert.ok(media.example !== undefined || media.examples !== undefined, `${path} ${status}: no example`)
    }
    for (const code of operation['x-problems'])
      assert.ok(String(problems[code]?.[0]) in responses, `${operationId}: ${code}`)
    for (const status of ['400', '408', '422', '429', '431', '500', '503'])
      assert.ok(status in responses, `${operationId}: ${status}`)
  }
  assert.ok(ids.size > 40)
})

// Red when: exampleOfSchema gives every string 'text'.
test('every example is one that its schema accepts', () => {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv).addFormat('line', true)
  let checked = 0
  const check = (name: string, schema: object, example: unknown) => {
    const validate = ajv.compile({ ...schema, components: document.components })
    assert.ok(validate(example), `${name}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(example)}`)
    checked++
  }
  for (const { operation } of operationsOf(document)) {
    const media = [operation.requestBody, ...Object.values(operation.responses)].flatMap(part =>
      Object.values(part?.content ?? {}),
    )
    for (const { schema, example } of media) if (example !== undefined) check(operation.operationId, schema, example)
  }
  for (const [code, { value }] of Object.entries(document.components.examples))
    check(code, { $ref: '#/components/schemas/Problem' }, value)
  assert.ok(checked > 80)
})

/** The schemas of all properties with this name, wherever the document has them. */
function propertiesOf(node: unknown, names: readonly string[]): object[] {
  if (typeof node !== 'object' || node === null) return []
  const { properties } = node as { properties?: Record<string, object> }
  return [
    ...names.flatMap(name => properties?.[name] ?? []),
    ...Object.values(node).flatMap(inner => propertiesOf(inner, names)),
  ]
}

// Red when: a schema declares a permission as a string, or permissionSchemaOf lists anything but what is declared.
test('wherever a permission is named, the document enumerates those that the features declare', async () => {
  const notes = feature({ name: 'notes', permissions: { 'notes:read': 'viewer' } as never })
  const more = declare([...features, notes])
  const other = await createDescribedApp(more)
  after(() => other.close())
  for (const [described, table] of [
    [document, permissions],
    [(await other.openApi()) as Document, more.permissions],
  ] as const) {
    const schemas = described.components.schemas as Record<string, { enum?: string[]; description?: string }>
    assert.deepEqual(schemas['Permission']?.enum, Object.keys(table).sort())
    assert.match(schemas['Permission']?.description ?? '', /not a breaking change/)
    const lists = propertiesOf(described, ['permissions', 'permission'])
    assert.ok(lists.length >= 6, 'me, its explanation, roles (read, created, changed) and the problem')
    const words = lists.map(list => ('items' in list ? list.items : list) as { $ref?: string; enum?: string[] })
    for (const word of words)
      if (word.$ref !== '#/components/schemas/Permission')
        assert.ok(
          (word.enum ?? []).length > 0 && word.enum!.every(name => name in table),
          `${JSON.stringify(word)} enumerates no permissions`,
        )
  }
})

// Red when: the tags keep the order of the features, or an operation of firstSteps is renamed.
test('the operations that a newcomer calls first exist, and their groups come first', () => {
  const ids = operationsOf(document).map(({ operation }) => operation.operationId)
  assert.ok(declared.firstSteps.length > 3)
  for (const id of declared.firstSteps) assert.ok(ids.includes(id), id)
  const tagOf = (id: string) =>
    operationsOf(document).find(({ operation }) => operation.operationId === id)!.operation.tags[0]
  const first = [...new Set(declared.firstSteps.map(tagOf))]
  assert.deepEqual(
    document.tags.slice(0, first.length).map(({ name }) => name),
    first,
  )
  assert.equal(document.tags.length, new Set(operationsOf(document).flatMap(({ operation }) => operation.tags)).size)
})

test('the older paths have a document of their own, in which each is deprecated and names its successor', () => {
  const legacy = describeLegacy(document) as Document
  const older = operationsOf(legacy)
  const current = new Set(operationsOf(document).map(({ operation }) => operation.operationId))
  assert.ok(older.some(({ path }) => path === '/api/auth/login'))
  assert.ok(older.every(({ path }) => /^\/api\/(auth|org)\//.test(path)))
  assert.ok(Object.keys(document.paths).every(path => !/^\/api\/(auth|org)\//.test(path)))
  for (const { operation } of older) {
    assert.equal(operation.deprecated, true)
    assert.ok(!current.has(operation.operationId))
    for (const response of Object.values(operation.responses))
      for (const name of ['Deprecation', 'Sunset', 'Link'])
        assert.ok(name in resolve(response, legacy).headers, operation.operationId)
  }
})
