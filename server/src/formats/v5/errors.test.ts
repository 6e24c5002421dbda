import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectRaw } from '../../../test/programs/raw-socket.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { createDescribedApp } from '../../../tools/reference/described-app.ts'
import { features } from '../../features.ts'
import { declare } from '../../platform/declarations.ts'
import { feature } from '../../platform/feature.ts'
import type { ProblemCode } from '../../platform/problems.ts'
import { bodyOf, byStatus, codeOf, codes } from './errors.ts'

const { problems } = declare(features)

// Red when: a feature declares a problem with a status that the table does not have.
test('every problem has exactly one code of v5, and every code stands for a problem', () => {
  const used = new Set<string>()
  for (const [code, [status]] of Object.entries(problems)) {
    assert.ok(status in byStatus, `${code} has the status ${status}: give it a code in errors.ts`)
    used.add(codeOf({ code: code as ProblemCode, status }))
  }
  assert.deepEqual([...used].sort(), [...codes].sort())
})

test('no message names a path of v1 that v5 has itself, or anything internal', () => {
  for (const [code, [status, title, detail]] of Object.entries(problems)) {
    const problem = { type: '', title, status, detail, code: code as ProblemCode, request_id: '' }
    const { success, error } = bodyOf(problem) as { success: boolean; error: { code: string; message: string } }
    assert.deepEqual([success, Object.keys(error)], [false, ['code', 'message']])
    assert.doesNotMatch(error.message, /\/api\/v1\/auth\/(login|refresh|logout|register|mfa\/verify)\b/, code)
  }
})

test('invalid fields are named as v5 names them', () => {
  const problem = { type: '', title: '', status: 422, detail: '', code: 'invalid-fields', request_id: '' } as const
  const errors = ['/given_name', '/workspacePath', '/workspace_path', '/custom/a~1b', '', '?limit', '#Idempotency-Key']
  const { error } = bodyOf({ ...problem, errors: errors.map(pointer => ({ pointer, detail: 'is wrong' })) }) as {
    error: { message: string }
  }
  assert.equal(
    error.message,
    [
      'firstName: is wrong',
      'workspacePath: is wrong',
      'workspacePath: is wrong',
      'custom.a/b: is wrong',
      'body: is wrong',
      'limit: is wrong',
      'Idempotency-Key: is wrong',
    ].join('; '),
  )
})

// Red when: errors.ts of the platform answers them before it looks at the path.
test('failures, unavailable databases and unreadable requests are answered in the envelope as well', async () => {
  const broken = feature({
    name: 'broken',
    format: {
      ...features.find(({ name }) => name === 'v5')!.format!,
      path: '/api/v6',
      alias: '/v6',
      routes: [
        app =>
          app.get('/broken', { access: 'public' }, async () => {
            throw new Error('select secret from users')
          }),
      ],
    },
  })
  const { call, app } = await createTestApp({}, [...features, broken])
  const { statusCode, body } = await app.inject('/v6/broken')
  assert.deepEqual([statusCode, JSON.parse(body).error.code], [500, 'INTERNAL_ERROR'])
  assert.doesNotMatch(body, /secret/)

  const down = await createDescribedApp()
  for (const path of ['/v5/health', '/v5/ready']) {
    const unavailable = await down.inject(path)
    assert.deepEqual([unavailable.statusCode, unavailable.json().error.code], [503, 'SERVICE_UNAVAILABLE'])
  }
  await down.close()

  const send = await connectRaw(app)
  for (const [request, status, code] of [
    ['GET /v5/health HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n', 400, 'BAD_REQUEST'],
    ['BREW /v5/health HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'METHOD_NOT_ALLOWED'],
    [`GET /api/v5/health HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['GET /v5/health HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n', 400, 'BAD_REQUEST'],
  ] as const) {
    const answer = await send(request)
    assert.equal(answer.status, status, answer.text)
    assert.match(answer.headers['content-type']!, /^application\/json/)
    const text = answer.text.slice(answer.text.indexOf('{'), answer.text.lastIndexOf('}') + 1)
    assert.equal(JSON.parse(text).error.code, code)
  }
  assert.equal((await call('GET', '/v5/health')).status, 200)
})
