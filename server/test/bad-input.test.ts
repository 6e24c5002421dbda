import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkAnswer } from './documents/check-answer.ts'
import type { CheckedAnswer } from './documents/check-answer.ts'
import { connectRaw } from './programs/raw-socket.ts'
import { createTestApp } from './test-app.ts'
import { isOperators, listOperations } from './isolation/operations.ts'
import { createWorlds } from './isolation/world.ts'
import type { World } from './isolation/world.ts'
import { isTaken, RUNS, tellSeed } from './concurrency/sample.ts'

const SEED = 20_261_121

interface Operation {
  operationId: string
  method: string
  path: string
  isPublic: boolean
  /** The example body of the document, which is accepted unchanged. */
  example: Record<string, unknown> | undefined
  needsBody: boolean
  /** The names of all fields of the body. */
  fields: readonly string[]
  query: string[]
  headers: string[]
}

const testApp = await createTestApp()
const { app } = testApp
const worlds = await createWorlds(testApp)
const document = (await app.openApi()) as {
  paths: Record<
    string,
    Record<
      string,
      {
        operationId: string
        security: object[]
        parameters?: { $ref?: string; name?: string; in?: string }[]
        requestBody?: { required?: boolean; content: Record<string, { example: Record<string, unknown> }> }
      }
    >
  >
}

const listed = await listOperations(app)
const ofOperators = new Set(listed.filter(isOperators).map(({ id }) => id))
const fieldsOf = new Map(
  listed.map(({ id, plain = {}, places }): [string, string[]] => [
    id,
    [...Object.keys(plain), ...places.flatMap(({ where, name }) => (where === 'body' ? [name] : []))],
  ]),
)

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { operationId, security, parameters = [], requestBody }]): Operation => ({
    operationId,
    method: method.toUpperCase(),
    path,
    isPublic: security.length === 0,
    example: requestBody?.content['application/json']?.example,
    needsBody: requestBody?.required === true,
    fields: fieldsOf.get(operationId) ?? [],
    query: parameters.flatMap(({ in: place, name }) => (place === 'query' && name !== undefined ? [name] : [])),
    headers: parameters.flatMap(({ $ref }) => $ref?.split('/').at(-1) ?? []),
  })),
)
const writing = operations.filter(({ example, fields }) => example !== undefined && fields.length > 0)

/** What a hostile client may send as a text. */
const HOSTILE = [
  '',
  '\0',
  'a\0b',
  '\ud800',
  'x\udfffy',
  'A\u030a ｱ ﬁ \u202e', // not normalized, and right to left
  "'; drop table users; --",
  "' or '1'='1",
  '$1::uuid',
  'x\r\nSet-Cookie: a=b',
  '%00%0d%0a',
  '{{7*7}}${7*7}<script>alert(1)</script>',
  '../../../../etc/passwd',
  '__proto__',
  'constructor',
  '😀'.repeat(500),
  'x'.repeat(100_000),
]

/** Values of every wrong type, and some that look right. */
const WRONG: unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  [],
  [[]],
  {},
  { a: 1 },
  ['x'],
  { toString: 1 },
  { $ne: null },
  '',
  ' ',
  'null',
  '1',
]

/**
 * A separate user for each operation: some operations end the session when they succeed. What operators' routes do with a
 * request is seen only by a superuser.
 */
const people = new Map<string, Promise<World>>()
const personFor = (operationId: string): Promise<World> => {
  let person = people.get(operationId)
  if (person === undefined) people.set(operationId, (person = worlds({ superuser: ofOperators.has(operationId) })))
  return person
}

interface Request {
  path?: string
  payload?: string | Buffer
  headers?: Record<string, string>
}

/** Sends it signed in. The response must be documented, no 5xx, and reveal nothing internal. */
async function send(operation: Operation, request: Request): Promise<CheckedAnswer & { code: string | undefined }> {
  const { method, operationId } = operation
  const { path, payload, headers } = request
  const { access_token, organization_id } = await personFor(operationId)
  const url =
    path ??
    operation.path
      .replace('/organizations/{id}', `/organizations/${organization_id}`)
      .replace(/\{[^}]+\}/g, () => randomUUID())
  const response = await app.inject({
    method: method as 'GET',
    url,
    headers: {
      authorization: `Bearer ${access_token}`,
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(payload === undefined ? {} : { payload }),
  })
  const isJson = /json/.test(String(response.headers['content-type']))
  const answer = {
    status: response.statusCode,
    headers: response.headers as Record<string, string>,
    body: isJson ? response.json() : response.body,
    text: response.body,
  }
  const sent = `${method} ${url.slice(0, 200)} ${String(payload).slice(0, 200)}`
  assert.ok(answer.status < 500, `${sent}: ${answer.text}`)
  await checkAnswer(app, method, url, answer)
  if (answer.status >= 400) assertNothingInternal(answer.text, sent)
  const { code } = (answer.body ?? {}) as { code?: string }
  if (code === 'session-ended' || code === 'membership-ended') {
    // An earlier request revoked the session or deleted the organization, which is allowed.
    people.delete(operationId)
    return send(operation, request)
  }
  return { ...answer, code }
}

/** Pointers quote the request; all other text is the service's own. */
function assertNothingInternal(text: string, sent: string): void {
  const own =
    text === '' ? '' : JSON.stringify(JSON.parse(text), (key, value: unknown) => (key === 'pointer' ? '' : value))
  assert.doesNotMatch(
    own,
    /node_modules|\/src\/|\.ts:\d|\bat \w+ \(|\bselect\b.*\bfrom\b|relation |column |syntax error|ECONN|FST_|\bAjv\b|postgres|fastify/i,
    sent,
  )
}

/** Settings for one property: the same cases in every run, and many more of them in a long run. */
const settings = (numRuns: number) => ({ seed: SEED, numRuns: numRuns * RUNS, endOnFailure: true })

test('every route accepts or refuses any JSON without an error of the service', async () => {
  const value = fc.oneof(
    { arbitrary: fc.constantFrom(...HOSTILE), weight: 3 },
    { arbitrary: fc.constantFrom(...WRONG), weight: 2 },
    fc.jsonValue({ maxDepth: 4 }),
    fc.string({ unit: 'binary', maxLength: 50 }),
  )
  for (const operation of writing) {
    const changes = fc.dictionary(fc.constantFrom(...operation.fields), value, { minKeys: 1, maxKeys: 3 })
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          { arbitrary: changes.map(changed => ({ ...operation.example, ...changed })), weight: 4 },
          fc.jsonValue({ maxDepth: 3 }),
        ),
        async body => {
          await send(operation, { payload: JSON.stringify(body) })
        },
      ),
      settings(10),
    )
  }
})

// Red when: malformedTexts in platform/http/validation.ts checks nothing (PostgreSQL refuses the NUL: 500).
test('a field of a wrong type, or with NUL, is refused, and the problem names it', async () => {
  for (const operation of writing) {
    for (const name of operation.fields) {
      const { status, body } = await send(operation, {
        payload: JSON.stringify({ ...operation.example, [name]: { wrong: ['type'] } }),
      })
      assert.equal(status, 422, `${operation.operationId} ${name}`)
      const { errors } = body as { errors: { pointer: string }[] }
      assert.ok(
        errors.some(({ pointer }) => pointer.startsWith(`/${name}`)),
        `${operation.operationId} ${name}: ${JSON.stringify(errors)}`,
      )
      const malformed = typeof operation.example?.[name] === 'object' ? { note: 'a\0b' } : 'a\0b'
      const nul = await send(operation, { payload: JSON.stringify({ ...operation.example, [name]: malformed }) })
      assert.equal(nul.status, 422, `${operation.operationId} ${name} with NUL: ${nul.text}`)
    }
    const unknown = await send(operation, { payload: JSON.stringify({ ...operation.example, unknown_name: 1 }) })
    assert.equal(unknown.status, 422, operation.operationId)
  }
})

// Red when: isBodyOptional() is false for every schema, or true for a PUT.
test('a body that is left out is missed by name, unless nothing in it is required', async t => {
  const optional: string[] = []
  for (const operation of writing) {
    const { status, text, body } = await send(operation, {})
    const { errors = [] } = body as { errors?: { pointer: string; detail: string }[] }
    const about = `${operation.operationId}: ${status} ${text}`
    if (operation.needsBody)
      assert.ok(
        status === 422 && errors.length > 0 && errors.every(({ detail }) => detail.startsWith('is required')),
        about,
      )
    else {
      assert.notEqual(errors[0]?.pointer, '', about)
      optional.push(operation.operationId)
    }
    assert.ok(operation.needsBody || !['PUT', 'PATCH'].includes(operation.method), about)
  }
  t.diagnostic(`without a body: ${optional.join(', ')}`)
})

const ofSize = (kibibytes: number) => JSON.stringify({ a: 'x'.repeat(kibibytes * 1024) })

/** Operations that take more than 256 KiB, and how much, in KiB. */
const largerBodies: Readonly<Record<string, number>> = { createInvitations: 1024 } // a thousand rows

// Red when: a content type parser of another kind is added, bodyLimit is raised, or json.ts does not count levels.
test('a body that cannot be parsed is refused before anything else is checked', async t => {
  tellSeed(t)
  const broken: [name: string, request: Request, status: number][] = [
    ['no JSON', { payload: '{"a":' }, 400],
    ['text after JSON', { payload: '{} {}' }, 400],
    ['a word', { payload: 'undefined' }, 400],
    ['bytes that are no UTF-8', { payload: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) }, 400],
    ['a prototype', { payload: '{"__proto__":{"superuser":true}}' }, 400],
    ['a prototype, escaped', { payload: '{"\\u005f_proto__":{"superuser":true}}' }, 400],
    ['a constructor', { payload: '{"constructor":{"prototype":{"superuser":true}}}' }, 400],
    ['depth', { payload: '['.repeat(100_000) + ']'.repeat(100_000) }, 422],
    ['depth without an end', { payload: '{"a":'.repeat(40_000) }, 422],
    ['size', { payload: ofSize(300) }, 413],
    [
      'keys',
      {
        payload: JSON.stringify(
          Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, index])),
        ),
      },
      422,
    ],
    ['a form', { payload: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415],
    ['XML', { payload: '<a/>', headers: { 'content-type': 'application/xml' } }, 415],
    ['no media type', { payload: '{}', headers: { 'content-type': ';;;' } }, 415],
    ['a wrong length', { payload: '{}', headers: { 'content-length': '200000000' } }, 413],
  ]
  for (const [place, operation] of writing.entries()) {
    for (const [one, [name, given, status]] of broken.entries()) {
      if (!isTaken(place, one, 3)) continue
      const larger = name === 'size' ? largerBodies[operation.operationId] : undefined
      const request = larger === undefined ? given : { ...given, payload: ofSize(larger + 1) }
      const answer = await send(operation, request)
      assert.equal(answer.status, status, `${operation.operationId} with ${name}: ${answer.text.slice(0, 300)}`)
    }
  }
  assert.equal(({} as { superuser?: boolean }).superuser, undefined)
})

test('an unknown query parameter is refused, and the problem names it', async t => {
  tellSeed(t)
  const suspects = [
    'nobody_knows_this=1',
    '__proto__=1',
    '__proto__[superuser]=1',
    'constructor=1',
    'toString=1',
    '%00=1',
    'a%ed%a0%80=1',
    '%zz=%zz',
    'limit=1&limit=2',
    'cursor=a&cursor=b',
    'limit[]=1',
    `${'x'.repeat(10_000)}=1`,
  ]
  for (const [place, operation] of operations.entries()) {
    for (const [one, suspect] of suspects.entries()) {
      if (!isTaken(place, one, 3)) continue
      const path = operation.path.replace(/\{[^}]+\}/g, () => randomUUID())
      const answer = await send(operation, {
        path: `${path}?${suspect}`,
        ...(operation.example && { payload: JSON.stringify(operation.example) }),
      })
      assert.ok(
        answer.status === 422 || answer.status === 404,
        `${operation.operationId}?${suspect.slice(0, 50)}: ${answer.status} ${answer.text.slice(0, 300)}`,
      )
    }
  }
})

test('a query parameter accepts or refuses any text without an error of the service', async () => {
  const value = fc.oneof(
    fc.constantFrom(...HOSTILE.map(text => text.slice(0, 5000))),
    fc.constantFrom(
      '0',
      '-1',
      '101',
      '1e3',
      'NaN',
      '0x10',
      'true',
      'null',
      '2026-13-45',
      '2026-11-21T00:00:00Z',
      'infinity',
      '99999999999999999999',
    ),
    fc.string({ unit: 'binary', maxLength: 30 }),
  )
  for (const operation of operations.filter(({ query }) => query.length > 0)) {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom(...operation.query), value, { minKeys: 1, maxKeys: 3 }),
        async parameters => {
          const path = operation.path.replace('{id}', (await personFor(operation.operationId)).organization_id)
          const query = Object.entries(parameters).map(
            ([name, text]) => `${name}=${encodeURIComponent(text.toWellFormed())}`,
          )
          await send(operation, { path: `${path}?${query.join('&')}` })
        },
      ),
      settings(20),
    )
  }
})

// Red when: a list passes a year to PostgreSQL that it does not write, as listAllSessions did with `sort=last_seen_at`.
test('a range of time accepts or refuses every year, in every order of the list', async () => {
  const days = ['0000-01-01', '0001-01-01', '1969-12-31', '9999-12-31']
  const moments = [
    ...days.flatMap(day => [`${day}T00:00:00Z`, `${day}T23:59:59.999999999-23:59`, `${day}T00:00:00%2B23:59`]),
    '2016-12-31T23:59:60Z',
  ]
  let asked = 0
  for (const { id, plainQuery, schemas } of listed.filter(({ plainQuery: { from } }) => from !== undefined)) {
    const operation = operations.find(({ operationId }) => operationId === id)!
    const { organization_id } = await personFor(id)
    const orders = (schemas['sort']?.words ?? ['']).map(word => (word === '' ? '' : `&sort=${String(word)}`))
    assert.ok(plainQuery['to'], `${id} has a beginning, and no end`)
    for (const order of orders)
      for (const limit of ['from', 'to'])
        for (const time of [...moments, ...days]) {
          const path = operation.path.replace('{id}', organization_id)
          const { status, text } = await send(operation, { path: `${path}?${limit}=${time}${order}` })
          assert.ok(status === 200 || status === 422, `${id} ${limit}=${time}${order}: ${status} ${text}`)
          asked++
        }
  }
  assert.ok(asked > 200, `only ${asked} ranges`)
})

// Red when: rewriteUrl in platform/server/legacy.ts accepts undecodable paths (the router answers before any hook).
test('a malformed id in the path is not found', async t => {
  tellSeed(t)
  const undecodable = ['%zz', '%', '%c0%ae', '%ed%a0%80', '%ff%fe']
  const impossible = [
    '%00',
    'null',
    '%2e%2e%2f%2e%2e',
    '1%20or%201=1',
    '%0d%0aSet-Cookie:a=b',
    '😀'.repeat(20),
    'x'.repeat(5000),
    '00000000-0000-0000-0000-00000000000g',
    '__proto__',
    randomUUID().slice(1),
    `urn:uuid:${randomUUID()}`,
    `{${randomUUID()}}`,
  ]
  for (const [place, operation] of operations.filter(({ path }) => path.includes('{')).entries()) {
    for (const [one, segment] of [...undecodable, ...impossible].entries()) {
      if (!isTaken(place, one, 3)) continue
      const encoded = encodeURI(segment).replaceAll('%25', '%')
      const answer = await send(operation, {
        path: operation.path.replace(/\{[^}]+\}/g, encoded),
        ...(operation.example && { payload: JSON.stringify(operation.example) }),
      })
      assert.equal(
        answer.status,
        undecodable.includes(segment) ? 400 : 404,
        `${operation.operationId} ${segment.slice(0, 50)}: ${answer.text}`,
      )
    }
  }
})

test('a header field accepts or refuses any text without an error of the service', async () => {
  // What Node's parser accepts: tabs, visible ASCII and bytes above it.
  const text = fc.oneof(
    fc.constantFrom(
      '*',
      '""',
      'W/"x"',
      '"',
      ',,,',
      'Bearer',
      'Bearer  x',
      'Basic YTpi',
      'x'.repeat(10_000),
      '"0.1"',
      "'; drop table users; --",
    ),
    fc.string({
      unit: fc
        .integer({ min: 0x20, max: 0xff })
        .filter(code => code < 0x7f || code > 0xa0)
        .map(code => String.fromCharCode(code)),
      maxLength: 60,
    }),
  )
  const common = [
    'X-Request-ID',
    'Accept',
    'Accept-Language',
    'Origin',
    'User-Agent',
    'X-Forwarded-For',
    'X-Tenant-Id',
    'Cookie',
    'Authorization',
  ]
  for (const operation of operations) {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom(...common, ...operation.headers), text, { minKeys: 1, maxKeys: 4 }),
        async headers => {
          const lowered = Object.fromEntries(
            Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value.trim()]),
          )
          await send(operation, {
            headers: lowered,
            ...(operation.example && { payload: JSON.stringify(operation.example) }),
          })
        },
      ),
      settings(4),
    )
  }
})

test('malformed idempotency keys and entity tags that never existed are refused', async () => {
  for (const operation of operations.filter(({ headers }) => headers.includes('Idempotency-Key'))) {
    const payload = operation.example === undefined ? {} : { payload: JSON.stringify(operation.example) }
    for (const key of ['', 'a b', 'é', 'x'.repeat(256)]) {
      assert.equal(
        (await send(operation, { ...payload, headers: { 'idempotency-key': key } })).status,
        422,
        `${operation.operationId} ${key}`,
      )
    }
  }
  for (const operation of operations.filter(({ headers }) => headers.includes('If-Match'))) {
    const payload = operation.example === undefined ? {} : { payload: JSON.stringify(operation.example) }
    for (const tag of ['', '"', 'W/"x.1"', `"${randomUUID()}.1"`, '"99999999999999999999"']) {
      const { status } = await send(operation, { ...payload, headers: { 'if-match': tag } })
      // The proof in the example is not this account's, and it is checked first.
      const isProved = operation.example !== undefined && 'proof' in operation.example
      const refusals = [...(isProved ? [401] : []), 404, 409, 412, 422]
      assert.ok(refusals.includes(status), `${operation.operationId} ${tag}: ${status}`)
    }
  }
})

// Red when: unrouted.ts refuses in the handler, after the body was read (400, 415), or leaves QUERY to the framework.
test('a method that a path does not support is 405, with the methods that it supports', async () => {
  for (const path of Object.keys(document.paths)) {
    // A literal path in a collection, such as /auth/passkeys/login, also matches the template of its members.
    const known = Object.entries(document.paths)
      .filter(([other]) => new RegExp(`^${other.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(path))
      .flatMap(([, methods]) => Object.keys(methods).map(method => method.toUpperCase()))
    if (known.includes('GET')) known.push('HEAD')
    for (const method of METHODS.filter(name => !known.includes(name))) {
      const url = path.replace(/\{[^}]+\}/g, () => randomUUID())
      for (const [type, payload] of [[], ['application/json', '{}'], ['application/json', '{'], ['text/plain', 'x']]) {
        const body = type === undefined ? {} : { headers: { 'content-type': type }, payload: payload! }
        const response = await app.inject({ method: method as 'GET', url, ...body })
        const sent = `${method} ${url} ${payload}`
        assert.equal(response.statusCode, 405, sent)
        assert.deepEqual(
          String(response.headers['allow']).split(', '),
          [...new Set([...known, 'OPTIONS'])].sort(),
          sent,
        )
      }
    }
  }
})

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'SEARCH', 'QUERY', 'LINK']

// Red when: server.ts does not check the fields, or a field has another schema in the document.
test('a header field is refused exactly when it violates its schema in the document', async () => {
  const { components } = document as unknown as {
    components: { parameters: Record<string, { schema: { pattern: string; maxLength: number; minLength?: number } }> }
  }
  const values = [
    'x'.repeat(255),
    'x'.repeat(256),
    'x'.repeat(1000),
    'x'.repeat(1001),
    'x'.repeat(1200),
    'a\tb',
    '"a",\t"b"',
    'a b',
    '\u00e9',
    '*',
  ]
  let checked = 0
  for (const operation of operations) {
    for (const name of operation.headers) {
      const { pattern, maxLength, minLength = 0 } = components.parameters[name]!.schema
      for (const value of values) {
        const isGood = new RegExp(pattern).test(value) && value.length >= minLength && value.length <= maxLength
        const payload = operation.example === undefined ? {} : { payload: JSON.stringify(operation.example) }
        const answer = await send(operation, { ...payload, headers: { [name.toLowerCase()]: value } })
        const { errors = [] } = answer.body as { errors?: { pointer: string }[] }
        const isRefused = answer.status === 422 && errors.some(({ pointer }) => pointer === `#${name}`)
        assert.equal(isRefused, !isGood, `${operation.operationId} ${name}: ${value.slice(0, 20)} ${answer.text}`)
        checked++
      }
    }
  }
  assert.ok(checked > 200)
})

test('an unknown method is 405 too, on the path and on its older form', async () => {
  const raw = await connectRaw(app)
  for (const [path, allowed] of [
    ['/health', 'GET, HEAD, OPTIONS'],
    ['/api/v1/projects?limit=1', 'GET, HEAD, OPTIONS, POST'],
    ['/api/auth/login', 'OPTIONS, POST'],
  ]) {
    for (const method of ['FOO', 'get', 'X-TRY']) {
      const { status, headers, text } = await raw(`${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      assert.deepEqual([status, headers['allow']], [405, allowed], `${method} ${path}`)
      assert.equal((JSON.parse(text) as { code: string }).code, 'method-not-allowed')
    }
  }
})

test('bytes that are not HTTP are answered with a problem, and the connection is closed', async () => {
  const raw = await connectRaw(app)
  const login = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  const broken: [request: string, status: number][] = [
    ['FOO /nowhere HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['GET /health HTTP/1.1\r\nHost: x\r\nHost: x\r\nConnection: close\r\n\r\n', 400],
    ['GET /health HTTP/1.1\r\nHost: x\r\nhOSt: y\r\nConnection: close\r\n\r\n', 400],
    [
      'GET /health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\nConnection: close\r\n\r\n',
      400,
    ],
    [`${login}Content-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`, 400],
    ['GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\nExpect: nothing\r\nConnection: close\r\nX-A: a\0\r\n\r\n', 400],
    ['GET /he alth HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['\x16\x03\x01\x02\x00\x01\x00', 400], // TLS
    ['GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n', 400],
    ['GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\nX-B\r\n\r\n', 400],
    ['GET /health HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n', 400],
    [`GET /health HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    [`GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    [`GET /health HTTP/1.1\r\nHost: x\r\n${'X: 1\r\n'.repeat(5000)}\r\n`, 431],
    [`${login}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, 400],
    [`${login}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    [`${login}Content-Length: -1\r\n\r\n{}`, 400],
    [`${login}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
    [`${login}Transfer-Encoding: gzip\r\n\r\n{}`, 400],
  ]
  for (const [request, status] of broken) {
    const answer = await raw(request)
    const shown = JSON.stringify(request.slice(0, 120))
    assert.equal(answer.status, status, shown)
    assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/, shown)
    assert.equal(answer.headers['connection'], 'close', shown)
    const body = JSON.parse(answer.text) as { request_id: string; code: string }
    assert.equal(answer.headers['x-request-id'], body.request_id, shown)
    assert.equal(answer.headers['x-content-type-options'], 'nosniff', shown)
    assertNothingInternal(answer.text, shown)
  }
  const expecting = await raw(
    'POST /api/v1/auth/logout HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nConnection: close\r\n\r\n',
  )
  assert.deepEqual([expecting.status, (JSON.parse(expecting.text) as { code: string }).code], [401, 'not-signed-in'])
})
