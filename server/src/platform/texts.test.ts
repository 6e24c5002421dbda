import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createTestApp } from '../../test/test-app.ts'
import { isLine, LINE, LINES, PATH, readLine, STORABLE } from './texts.ts'

const SEED = 20_261_128
const { app, call, signUp, admin } = await createTestApp()

type Schema = {
  $ref?: string
  type?: string | string[]
  format?: string
  pattern?: string
  enum?: unknown[]
  const?: unknown
  properties?: Record<string, Schema>
  [keyword: string]: unknown
}
interface Operation {
  operationId: string
  parameters?: { name?: string; in?: string; schema?: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema; example: Record<string, unknown> }> }
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>
}
const { paths, components } = (await app.openApi()) as {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/** Every text of a schema, under the name of its field. */
function* textsOf(
  schema: Schema | undefined,
  name: string,
  within: readonly string[] = [],
): Generator<[string, Schema]> {
  if (typeof schema !== 'object' || schema === null) return
  if (schema.$ref !== undefined) {
    const named = schema.$ref.split('/').at(-1) as string
    // A schema that refers to itself, such as a tree, says nothing new there.
    if (!within.includes(named)) yield* textsOf(components.schemas[named], name, [...within, named])
    return
  }
  if ([schema.type].flat().includes('string')) yield [name, schema]
  for (const [field, inner] of Object.entries(schema.properties ?? {})) yield* textsOf(inner, field, within)
  const inner = ['anyOf', 'oneOf', 'allOf'].flatMap(keyword => (schema[keyword] as Schema[] | undefined) ?? [])
  const members = Object.values((schema['patternProperties'] as Record<string, Schema> | undefined) ?? {})
  for (const part of [schema['items'], schema['additionalProperties'], ...inner, ...members])
    yield* textsOf(part as Schema | undefined, name, within)
}

const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
)
const contentsOf = (part: { content?: Record<string, { schema: Schema }> } | undefined, name: string) =>
  Object.values(part?.content ?? {}).flatMap(({ schema }) => [...textsOf(schema, name)])
const asked = operations.flatMap(({ operation: { parameters = [], requestBody } }) => [
  ...parameters.flatMap(({ name = '', schema }) => [...textsOf(schema, name)]),
  ...contentsOf(requestBody, 'body'),
])
const answered = operations.flatMap(({ operation: { responses } }) =>
  Object.values(responses).flatMap(response => contentsOf(response, 'body')),
)

/** Fields of requests that take any text, by why nothing else is wanted of them. */
const anyText: Record<string, readonly string[]> = {
  'secrets of people, compared by their hash': ['password', 'new_password', 'current_password'],
  'made by us or by a provider, and compared': [
    'refresh_token',
    'device_token',
    'mfa_token',
    'challenge_token',
    'token',
    'cursor',
    'code',
    'state',
    'iss',
    'error',
  ],
  'typed or compared, never shown': [
    'recovery_code',
    'text',
    'action',
    'entity_type',
    'request_id',
    'key',
    'plan',
    'product',
    'entitlements',
    'ip',
    'operation',
    'type',
  ],
  'an address, checked letter by letter': ['redirect_to'],
  'a value of the client alone': ['custom', 'metadata'],
  'CSV, whose values are checked one by one': ['body'],
}
const isAnyText = (name: string) => Object.values(anyText).some(names => names.includes(name))

/** What a text is, as far as its schema says. */
function kindOf({ enum: words, const: constant, format, pattern = '' }: Schema): string | undefined {
  if (words !== undefined || constant !== undefined) return 'word'
  if (pattern === PATH) return 'path'
  if (pattern === LINE || format === 'line') return pattern === LINE && format === 'line' ? 'line' : undefined
  if (pattern === LINES) return 'lines'
  if (['uuid', 'email', 'date', 'date-time', 'uri'].includes(String(format))) return 'form'
  const isAscii = ['ä', '\u0000', '\u0085', '\u2028', '\u202e', '\u200b'].every(
    text => !new RegExp(pattern, 'u').test(text),
  )
  return pattern !== STORABLE && isAscii ? 'form' : undefined
}

// Red when: a name in a body is Type.String({ maxLength: 200 }), or `Name` loses its pattern.
test('every text of the document is of a known kind, and none of them takes a NUL', () => {
  assert.ok(asked.length > 100 && answered.length > 250, `${asked.length} and ${answered.length} texts were found`)
  const unknown = asked.filter(([name, schema]) => kindOf(schema) === undefined && !isAnyText(name))
  assert.deepEqual(
    [...new Set(unknown.map(([name, { pattern, format }]) => `${name}: ${pattern ?? format}`))],
    [],
    'give it one of the kinds in platform/schemas.ts: Name for what is shown in one line, Text for several lines',
  )
  const names = Object.values(anyText).flat()
  assert.deepEqual(
    names.filter(name => !asked.some(([field, schema]) => field === name && kindOf(schema) === undefined)),
    [],
    'take what is of a kind, or is not asked, off the list',
  )
  for (const [name, schema] of [...asked, ...answered]) {
    if (kindOf(schema) === 'word' || ['uuid', 'email', 'date', 'date-time', 'uri'].includes(String(schema.format)))
      continue
    assert.ok(schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test('a\0b'), `${name} takes a NUL`)
  }
  for (const kind of ['line', 'lines', 'word', 'form'])
    assert.ok(
      asked.some(([, schema]) => kindOf(schema) === kind),
      kind,
    )
})

/** Shown alone, these show nothing; in a line, the first ones end it or turn it around. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u
const invisible = /^[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}\u2800\ufff9-\ufffb]+$/u
const pointOf = (code: number) => String.fromCodePoint(code)
const points = Array.from({ length: 0x110000 }, (_, code) => code).filter(code => code < 0xd800 || code > 0xdfff)

test('a line is what Unicode says that can be seen in one', () => {
  const [pattern, plain] = [new RegExp(LINE, 'u'), new RegExp(LINE)]
  for (const code of points) {
    const text = pointOf(code)
    assert.equal(isLine(text), !invisible.test(text), `U+${code.toString(16)} alone`)
    assert.equal(isLine(`a${text}b`), !unprintable.test(text), `U+${code.toString(16)} within`)
    if (code < 0x10000) assert.equal(pattern.test(text), isLine(text), `U+${code.toString(16)} in the document`)
  }
  const text = fc.string({
    unit: fc.oneof(
      fc
        .nat(0x10ffff)
        .filter(code => code < 0xd800 || code > 0xdfff)
        .map(pointOf),
      fc.constantFrom(' ', '\u200b', 'é'),
    ),
  })
  fc.assert(
    fc.property(text, value => {
      assert.equal(pattern.test(value), plain.test(value), 'with and without the flag')
      const read = readLine(value)
      assert.ok(read === undefined || (isLine(read) && read === read.trim()))
    }),
    { seed: SEED, numRuns: 2000 },
  )
})

const hostile: Record<string, readonly string[]> = {
  line: [
    'a\nb',
    'a\tb',
    'a\u0085b',
    'a\u2028b',
    'a\u2029b',
    'a\u202eb',
    'a\u2066b',
    'a\u007fb',
    'a\0b',
    'a\u009bb',

    '',
    ' ',
    '\u200b',
    '\u2060\u200d',
    '\u3164',
    '\u00ad',
    '\ufeff',
    '\u2800',
    '\u{e0041}',
    '\ufe0f',
    '\u115f\u1160',
  ],
  lines: ['a\0b', 'a\u0007b', 'a\u001bb', 'a\u007fb'],
}
const welcome: Record<string, readonly string[]> = {
  line: ['Zoë', '山田 太郎', 'محمد علی', 'می‌خواهم', '👩‍👩‍👧', 'א׳', '.', '\u200eabc', '🏴\u{e0067}\u{e0062}\u{e007f}'],
  lines: ['', 'one\ntwo\r\n\tthree', '\u202eright to left'],
}

// Red when: a route validates a name by another schema than the document shows.
test('wherever a line or lines are written, the server takes what is one and refuses what is none by its field', async () => {
  const person = await signUp('Texts')
  let [tried, turn] = [0, 0]
  for (const { path, method, operation } of operations) {
    const media = operation.requestBody?.content['application/json']
    if (media === undefined) continue
    const schema =
      media.schema.$ref === undefined ? media.schema : components.schemas[media.schema.$ref.split('/').at(-1)!]!
    const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
      const kind = kindOf(field)
      return kind === 'line' || kind === 'lines' ? [[name, kind] as const] : []
    })
    if (fields.length === 0) continue
    for (const [name, kind] of fields) {
      const errorsOf = async (value: string): Promise<string[]> => {
        const url = path.replace('/organizations/{id}', `/organizations/${person.organization_id}`)
        const body = { ...media.example, [name]: value }
        const answer = await person.call(
          method,
          url.replace(/\{[^}]+\}/g, () => crypto.randomUUID()),
          body,
        )
        tried++
        return ((answer.body?.errors ?? []) as { pointer: string }[]).map(({ pointer }) => pointer)
      }
      // All of them in turn: each field gets some.
      const some = (values: readonly string[]) => values.filter((_value, index) => index % 4 === turn % 4)
      turn++
      for (const value of some(hostile[kind]!))
        assert.ok(
          (await errorsOf(value)).includes(`/${name}`),
          `${operation.operationId} ${name} takes ${JSON.stringify(value)}`,
        )
      for (const value of some(welcome[kind]!))
        assert.ok(
          !(await errorsOf(value)).includes(`/${name}`),
          `${operation.operationId} ${name} refuses ${JSON.stringify(value)}`,
        )
    }
  }
  assert.ok(tried > 100, `${tried} requests`)
})

// Red when: Nullable makes a choice of an object, which is then compared with its schema when it is sent.
test('a name of the time before is shown as it is, and can be changed', async () => {
  const owner = await signUp('Before')
  const { body: project } = await owner.call('POST', '/api/v1/projects', { name: 'Old', description: 'x' })
  const old = 'line\u2028break\u202e\u0085'
  await admin.query('update organizations set name = $2 where id = $1', [owner.organization_id, old])
  await admin.query('update users set full_name = $2, given_name = $2 where id = $1', [owner.user_id, old])
  await admin.query(`update memberships set title = $2 where user_id = $1`, [owner.user_id, '\u200b'])
  await admin.query(`update projects set name = $2, description = e'bell\\007' where id = $1`, [project.id, old])
  const { email, password } = owner
  const login = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password } })
  assert.equal(login.statusCode, 200, login.body)
  const authorization = `Bearer ${login.json().access_token}`
  for (const path of [
    '/api/v1/auth/me',
    '/api/v1/users/me',
    '/api/v1/organizations',
    `/api/v1/organizations/${owner.organization_id}`,
    `/api/v1/organizations/${owner.organization_id}/members`,
    '/api/v1/projects',
    `/api/v1/projects/${project.id}`,
  ]) {
    const answer = await app.inject({ url: path, headers: { authorization } })
    assert.equal(answer.statusCode, 200, path)
    assert.ok(/line\u2028break/.test(answer.body), path)
  }
  const changes = { full_name: 'New', given_name: null }
  assert.equal((await call('PATCH', '/api/v1/users/me', changes, { authorization })).status, 200)
})

test('what a device calls itself is one line too', async () => {
  const person = await signUp()
  const headers = { 'user-agent': 'Phone\u0085Set-Cookie: a=b\t\u009b31m' }
  const { body } = await call('POST', '/api/v1/auth/login', { email: person.email, password: person.password }, headers)
  const { body: list } = await call('GET', '/api/v1/auth/devices', undefined, {
    authorization: `Bearer ${body.access_token}`,
  })
  assert.equal(list.items[0].user_agent, 'Phone Set-Cookie: a=b 31m')
})
