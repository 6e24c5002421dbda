import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { connectRaw } from '../../../test/programs/raw-socket.ts'
import { createTestApp } from '../../../test/test-app.ts'

const { app, signUp, logged } = await createTestApp({ RATE_LIMIT_ENABLED: 'false' })

/** What two answers to one request may differ in. */
const differing = ['date', 'x-request-id', 'set-cookie', 'location', 'transfer-encoding']

// Red when: rewriteUrl does not call answerHeadAsGet (405), or answers with the content (a proxy reads it as the next answer).
test('HEAD answers wherever GET does, with its header fields and without its content', async () => {
  const person = await signUp('Acme')
  const { body: project } = await person.call('POST', '/api/v1/projects', { name: 'Looked at' })
  const { paths } = (await app.openApi()) as { paths: Record<string, Record<string, object>> }
  const documented = Object.entries(paths).flatMap(([path, operations]) => ('get' in operations ? [path] : []))
  const urls = [
    ...documented.map(path =>
      path
        .replace('/organizations/{id}', `/organizations/${person.organization_id}`)
        .replace('/projects/{id}', `/projects/${project.id}`)
        .replace('{provider}', 'github')
        .replace(/\{[^}]+\}/g, () => randomUUID()),
    ),

    '/docs',
    '/docs/static/swagger-ui.css',
    '/redoc',
    '/problems',
    '/api/v1/openapi.json',
    '/account/reset-password',
    '/nowhere',
    '/api/v1/projects?limit=0',
    '/api/v1/projects?cursor=none',
    '/%zz',
    '/api/org/companies',
  ]
  assert.ok(urls.length > 30)
  const statuses = new Set<number>()
  for (const url of urls) {
    const ask = (method: 'GET' | 'HEAD') =>
      app.inject({ method, url, headers: { authorization: `Bearer ${person.access_token}` } })
    const [get, head] = [await ask('GET'), await ask('HEAD')]
    statuses.add(get.statusCode)
    assert.equal(head.statusCode, get.statusCode, url)
    assert.equal(head.body, '', url)
    const fields = ({ headers }: typeof get) =>
      Object.fromEntries(Object.entries(headers).filter(([name]) => !differing.includes(name)))
    const { 'content-length': length, ...rest } = fields(head)
    const { 'content-length': whole, ...others } = fields(get)
    assert.deepEqual(rest, others, url)
    // A problem names the request and a probe the time; both are as long every time. Details of the health are not.
    if (!/\/(?:api\/health|health\/detailed|health\/database)$/.test(url)) assert.equal(length, whole, url)
  }
  for (const status of [200, 302, 400, 404, 422]) assert.ok(statuses.has(status), `no answer was ${status}`)

  const etag = (
    await app.inject({
      url: `/api/v1/projects/${project.id}`,
      headers: { authorization: `Bearer ${person.access_token}` },
    })
  ).headers['etag']
  const known = await app.inject({
    method: 'HEAD',
    url: `/api/v1/projects/${project.id}`,
    headers: { authorization: `Bearer ${person.access_token}`, 'if-none-match': String(etag) },
  })
  assert.deepEqual([known.statusCode, known.headers['etag'], known.headers['content-length']], [304, etag, undefined])
})

test('a connection goes on after HEAD, and the log says which method it was', async () => {
  const raw = await connectRaw(app)
  const ask = (method: string, end: string) =>
    `${method} /ready HTTP/1.1\r\nHost: x\r\nX-Request-ID: kept-${method}\r\nConnection: ${end}\r\n\r\n`
  const { text } = await raw(`${ask('HEAD', 'keep-alive')}${ask('GET', 'close')}`)
  // What follows the head of the first answer is the second answer.
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(text, /\{"status":"ready"\}$/)
  const line = logged()
    .split('\n')
    .find(entry => entry.includes('kept-HEAD'))
  assert.equal((JSON.parse(line ?? '{}') as { method: string }).method, 'HEAD')
})
