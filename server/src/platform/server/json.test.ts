import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createTestApp } from '../../../test/test-app.ts'

const { app, signUp } = await createTestApp()

// Red when: json.ts decodes without `fatal`, or keeps the framework's text parser.
test('bytes that are not UTF-8 are refused, and so is every body that is not JSON', async () => {
  const owner = await signUp('Acme')
  const send = async (type: string, payload: Buffer) => {
    const headers = { authorization: `Bearer ${owner.access_token}`, 'content-type': type }
    const answer = await app.inject({ method: 'POST', url: '/api/v1/projects', headers, payload })
    return [answer.statusCode, answer.json().code]
  }
  const latin = Buffer.from('{"name":"\xff"}', 'latin1')
  assert.deepEqual(await send('application/json', latin), [400, 'malformed-request'])
  assert.deepEqual(await send('text/plain', Buffer.from('{"name":"t"}')), [415, 'unsupported-media-type'])
  assert.equal((await send('application/json; charset=utf-8', Buffer.from('{"name":"é"}')))[0], 201)
})

const SEED = 20_261_128

interface Operation {
  operationId: string
  method: string
  url: string
  example: Record<string, unknown>
}

const { paths } = (await app.openApi()) as {
  paths: Record<
    string,
    Record<string, { operationId: string; requestBody?: { content: Record<string, { example: never }> } }>
  >
}
const writing = Object.entries(paths).flatMap(([path, operations]) =>
  Object.entries(operations).flatMap(([method, { operationId, requestBody }]): Operation[] => {
    const media = requestBody?.content['application/json']
    const url = path.replace('{provider}', 'github').replace(/\{[^}]+\}/g, () => crypto.randomUUID())
    return media === undefined ? [] : [{ operationId, method: method.toUpperCase(), url, example: media.example }]
  }),
)

/** So many levels around nothing: arrays, objects, or both in turn. */
const nested = fc
  .tuple(
    fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(500, 2000, 8000, 40_000)),
    fc.constantFrom('[]', '{}', 'both'),
  )
  .map(([levels, kind]): [number, string] => {
    const isObject = (level: number) => kind === '{}' || (kind === 'both' && level % 2 === 0)
    const parts = Array.from({ length: levels }, (_, level) => (isObject(level) ? ['{"a":', '}'] : ['[', ']']))
    const [begin, end] = [
      parts.map(([open]) => open).join(''),
      parts
        .toReversed()
        .map(([, close]) => close)
        .join(''),
    ]
    return [levels, `${begin}null${end}`]
  })

/** Every place of an example where a value stands, as the body with that value replaced. */
function placesOf(value: unknown, wrap: (text: string) => string = text => text): ((text: string) => string)[] {
  if (typeof value !== 'object' || value === null) return [wrap]
  return [
    wrap,
    ...Object.entries(value).flatMap(([name, inner]) =>
      placesOf(inner, text => {
        const entries = Object.entries(value).map(([other, kept]) =>
          Array.isArray(value)
            ? other === name
              ? text
              : JSON.stringify(kept)
            : `${JSON.stringify(other)}:${other === name ? text : JSON.stringify(kept)}`,
        )
        return wrap(Array.isArray(value) ? `[${entries.join(',')}]` : `{${entries.join(',')}}`)
      }),
    ),
    ...(Array.isArray(value)
      ? []
      : [(text: string) => wrap(JSON.stringify({ ...value, more: 0 }).replace(/0}$/, `${text}}`))]),
  ]
}

// Red when: json.ts counts no levels (a RangeError of what walks over the body: 500).
test('no depth or breadth of a body is a fault, at any place of any, signed in or not', async () => {
  assert.ok(writing.length > 25)
  const { access_token } = await signUp('Deep')
  for (const { operationId, method, url, example } of writing) {
    const places = placesOf(example)
    const ask = async (payload: string, isSignedIn: boolean) => {
      const headers = {
        'content-type': 'application/json',
        ...(isSignedIn && { authorization: `Bearer ${access_token}` }),
      }
      const began = process.cpuUsage()
      const { statusCode, body } = await app.inject({ method: method as 'POST', url, headers, payload })
      assert.ok(statusCode < 500, `${operationId}: ${statusCode} ${body} to ${payload.slice(0, 300)}`)
      // Of this process: how long others keep it waiting does not count.
      return { statusCode, body, milliseconds: process.cpuUsage(began).user / 1000 }
    }
    await fc.assert(
      fc.asyncProperty(nested, fc.nat(places.length - 1), fc.boolean(), async ([levels, text], place, isSignedIn) => {
        const { statusCode, body } = await ask(places[place]!(text), isSignedIn)
        if (levels > 32 && statusCode !== 401 && statusCode !== 404 && statusCode !== 413)
          assert.match(body, /must not be nested deeper than 32 levels/, `${operationId}: ${statusCode} ${body}`)
      }),
      { seed: SEED, numRuns: 15 },
    )
    // 256 KiB is the longest body; as many members as it holds.
    for (const wide of [
      `[${'0,'.repeat(125_000)}0]`,
      `{${Array.from({ length: 22_000 }, (_, index) => `"k${index}":0`)}}`,
    ])
      for (const place of [places.length - 1]) {
        const { milliseconds } = await ask(places[place]!(wide), false)
        assert.ok(milliseconds < 3000, `${operationId} computes for ${milliseconds} ms with one body`)
      }
  }
})
