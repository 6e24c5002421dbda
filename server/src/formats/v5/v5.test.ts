import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Answer } from '../../../test/test-app.ts'

const app = await createTestApp()
const { call, signUp, admin, tokens } = app

let serial = 0
const newEmail = () => `v5-${process.pid}-${Date.now()}-${serial++}@example.com`
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const register = (base = '/api/v5', email = newEmail()) =>
  call('POST', `${base}/auth/register`, { email, password: PASSWORD, firstName: 'Test', lastName: 'User' })
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
const errorOf = ({ status, body, headers }: Answer) => {
  assert.match(headers['content-type']!, /^application\/json/)
  assert.deepEqual([Object.keys(body), body.success], [['success', 'error'], false])
  return [status, body.error.code, body.error.message]
}

for (const base of ['/api/v5', '/v5']) {
  test(`${base} registers, signs in, and creates, lists, opens and deletes a session`, async () => {
    const email = newEmail()
    const registered = await register(base, email)
    assert.equal(registered.status, 201)
    const { success, data } = registered.body
    assert.deepEqual([success, data.user.firstName, data.user.lastName, data.user.email], [true, 'Test', 'User', email])
    assert.deepEqual([data.tenant.type, data.tenant.id, data.expiresIn], ['personal', data.tenantId, 86_400])
    assert.equal(data.tenantId[14], '5', 'a UUID of version 5')

    const signedIn = await call('POST', `${base}/auth/login`, { email, password: PASSWORD })
    assert.deepEqual([signedIn.status, signedIn.body.data.tenantId], [200, data.tenantId])
    const { sub, tenant_id, email: claimed, exp, iat } = claimsOf(signedIn.body.data.token)
    assert.deepEqual([sub, tenant_id, claimed, exp - iat], [data.user.id, data.tenantId, email, 86_400])

    const headers = bearer(signedIn.body.data.token)
    const body = { name: 'My Project', workspacePath: '/workspace/test' }
    const made = await call('POST', `${base}/sessions`, body, headers)
    assert.deepEqual(
      [made.status, made.body.data.name, made.body.data.workspacePath, made.body.data.tenantId],
      [201, body.name, body.workspacePath, data.tenantId],
    )
    const { id } = made.body.data
    const listed = await call('GET', `${base}/sessions`, undefined, headers)
    assert.deepEqual(listed.body, { success: true, data: [made.body.data] })
    const opened = await call('GET', `${base}/sessions/${id}`, undefined, headers)
    assert.deepEqual(opened.body, made.body)
    // The same row in v1.
    const workspace = await call('GET', `/api/v1/workspaces/${id}`, undefined, headers)
    assert.equal(workspace.body.workspace_path, body.workspacePath)
    const deleted = await call('DELETE', `${base}/sessions/${id}`, undefined, headers)
    assert.deepEqual([deleted.status, deleted.body], [200, { success: true, data: null }])
    assert.equal((await call('GET', `${base}/sessions/${id}`, undefined, headers)).status, 404)
  })

  test(`${base} tells its health, its user and its document`, async () => {
    assert.deepEqual((await call('GET', `${base}/health`)).body, { success: true, data: { status: 'healthy' } })
    assert.deepEqual((await call('GET', `${base}/ready`)).body, { success: true, data: { status: 'ready' } })
    const { token, user } = (await register(base)).body.data
    const me = await call('GET', `${base}/users/me`, undefined, bearer(token))
    assert.deepEqual(me.body, { success: true, data: user })
    const document = await call('GET', `${base}/openapi.json`)
    assert.deepEqual(
      document.body.servers.map(({ url }: { url: string }) => url),
      ['/api/v5', '/v5'],
    )
  })
}

test('PUT changes only the names and preferences that it sends', async () => {
  const { token } = (await register()).body.data
  const headers = bearer(token)
  const put = await call('PUT', '/v5/users/me', { firstName: 'Ada', unknown: 1 }, headers)
  assert.deepEqual([put.body.data.firstName, put.body.data.lastName], ['Ada', 'User'])
  assert.equal((await call('PUT', '/v5/users/me', {}, headers)).body.data.firstName, 'Ada')
  assert.equal((await call('PUT', '/v5/users/me', { lastName: null }, headers)).body.data.lastName, null)

  const path = '/v5/users/me/preferences'
  await call('PUT', path, { theme: 'dark', editorFontSize: 20 }, headers)
  const { data } = (await call('PUT', path, { timeZone: 'Europe/Berlin', unknown: 1 }, headers)).body
  assert.deepEqual([data.theme, data.editorFontSize, data.timeZone], ['dark', 20, 'Europe/Berlin'])
  assert.deepEqual((await call('GET', path, undefined, headers)).body.data, data)
  assert.deepEqual(errorOf(await call('PUT', path, { timeZone: 'Mars/Base' }, headers)), [
    422,
    'VALIDATION_ERROR',
    'timeZone: must be a name of the IANA time zone database, such as Europe/Berlin',
  ])
})

// Red when: the token outlives its session, or logout does not revoke.
test('a token is refused at once when its session ends, and logout always succeeds', async () => {
  const { token, refreshToken } = (await register()).body.data
  const again = await call('POST', '/v5/auth/refresh', { refreshToken })
  assert.equal(again.body.data.expiresIn, 86_400)
  const done = { success: true, data: null }
  assert.deepEqual((await call('POST', '/v5/auth/logout', undefined, bearer(token))).body, done)
  for (const one of [token, again.body.data.token])
    assert.deepEqual(errorOf(await call('GET', '/v5/sessions', undefined, bearer(one))).slice(0, 2), [
      401,
      'UNAUTHORIZED',
    ])
  assert.deepEqual(errorOf(await call('POST', '/v5/auth/refresh', { refreshToken })).slice(0, 2), [401, 'UNAUTHORIZED'])
  for (const [body, headers] of [
    [undefined, bearer(token)],
    [undefined, {}],
    [{}, bearer('no.token.at-all')],
    [{ refreshToken }, {}],
    [{ refreshToken: 'unknown' }, {}],
  ] as const)
    assert.deepEqual((await call('POST', '/v5/auth/logout', body, headers)).body, done)

  const other = (await register()).body.data
  await call('POST', '/v5/auth/logout', { refreshToken: other.refreshToken })
  assert.equal((await call('GET', '/v5/sessions', undefined, bearer(other.token))).status, 401)
})

test('each bad input gets its own answer in the envelope', async () => {
  const { token, user, tenantId } = (await register()).body.data
  const headers = bearer(token)
  const post = (body: unknown, more = headers) => call('POST', '/v5/sessions', body, more)
  const valid = { name: 'a', workspacePath: '/w' }
  const stranger = await signUp('Globex')
  const theirs = await stranger.call('POST', '/api/v1/workspaces', { name: 'a', workspace_path: '/w' })
  const theirProject = await stranger.call('POST', '/api/v1/projects', { name: 'a' })

  const missing = await call('GET', '/v5/sessions')
  assert.deepEqual(errorOf(missing), [
    401,
    'UNAUTHORIZED',
    'Send a valid access token: Authorization: Bearer <access_token>.',
  ])
  assert.equal(missing.headers['www-authenticate'], 'Bearer')

  const { rows } = await admin.query('select id from sessions where user_id = $1', [user.id])
  const claims = { sub: user.id, jti: 'old', sid: rows[0].id, auth_time: 1, email: user.email, user_id: user.id }
  const { now } = Date
  Date.now = () => now() - 25 * 3600 * 1000
  const old = tokens.sign({ ...claims, organization_id: tenantId, tenant_id: tenantId, role: 'owner' }, 86_400)
  Date.now = now
  assert.deepEqual(errorOf(await call('GET', '/v5/sessions', undefined, bearer(old))), [
    401,
    'TOKEN_EXPIRED',
    'The token has expired. Sign in again, or exchange the refreshToken with POST auth/refresh.',
  ])

  const unknown = await call('GET', `/v5/sessions/${randomUUID()}`, undefined, headers)
  assert.deepEqual(errorOf(unknown), [404, 'NOT_FOUND', 'There is nothing here, or it is not yours to see.'])
  for (const path of [
    `/v5/sessions/${theirs.body.id}`,
    '/v5/sessions/no-id',
    `/v5/sessions/${randomUUID()}/files`,
    '/v5/agents',
    '/api/v5',
    '/v5',
  ])
    assert.equal((await call('GET', path, undefined, headers)).text, unknown.text, path)
  assert.deepEqual(errorOf(await call('DELETE', `/v5/sessions/${theirs.body.id}`, undefined, headers)).slice(0, 2), [
    404,
    'NOT_FOUND',
  ])
  assert.deepEqual(errorOf(await post({ ...valid, projectId: theirProject.body.id })), [
    422,
    'VALIDATION_ERROR',
    'projectId: is not a project of this organization',
  ])

  for (const text of ['{"name": ', 'name=a', '{"name":"a"}}'])
    assert.deepEqual(errorOf(await post(text)).slice(0, 2), [400, 'BAD_REQUEST'], text)
  assert.deepEqual(errorOf(await post('<a/>', { ...headers, 'content-type': 'text/xml' } as never)).slice(0, 2), [
    415,
    'UNSUPPORTED_MEDIA_TYPE',
  ])
  assert.equal((await post({ ...valid, unknown: { deep: [1] }, status: 'archived' })).body.data.status, 'active')
  assert.equal((await call('GET', '/v5/sessions?page=1&unknown=2', undefined, headers)).status, 200)
  assert.deepEqual(errorOf(await post({ name: 'a' })), [422, 'VALIDATION_ERROR', 'workspacePath: is required'])
  assert.deepEqual(errorOf(await post({ name: 'a', workspacePath: `/${'a'.repeat(5000)}` })), [
    422,
    'VALIDATION_ERROR',
    'workspacePath: must NOT have more than 1024 characters',
  ])
  assert.deepEqual(errorOf(await post({ name: 'a', workspacePath: '/a/../b' })), [
    422,
    'VALIDATION_ERROR',
    'workspacePath: must be a path in one line, without the segment `..`, control characters or changes of the text direction',
  ])
  assert.deepEqual(errorOf(await post(undefined)).slice(0, 2), [422, 'VALIDATION_ERROR'])
  assert.deepEqual(errorOf(await call('PATCH', '/v5/sessions', {}, headers)).slice(0, 2), [405, 'METHOD_NOT_ALLOWED'])
  assert.deepEqual(errorOf(await call('GET', '/v5/sessions/%E0%A4%A', undefined, headers)).slice(0, 2), [
    400,
    'BAD_REQUEST',
  ])
  assert.deepEqual(
    errorOf(await call('POST', '/v5/auth/login', { email: user.email, password: 'Wrong-horse-7' })).slice(0, 2),
    [401, 'INVALID_CREDENTIALS'],
  )
  assert.deepEqual(errorOf(await register('/v5', user.email)).slice(0, 2), [409, 'EMAIL_TAKEN'])
  const weak = await call('POST', '/v5/auth/register', { email: newEmail(), password: 'password123', firstName: 'T' })
  assert.deepEqual(errorOf(weak).slice(0, 2), [422, 'VALIDATION_ERROR'])
  assert.match(weak.body.error.message, /^password: .*; password: /)
  // Nothing of v5 outside its two base paths, and nothing of others within them.
  assert.equal((await call('GET', '/v55/health')).body.code, 'not-found')
  assert.equal((await call('GET', '/api/v5x/health')).body.code, 'not-found')
})
