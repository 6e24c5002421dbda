import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import { permissionsOf } from '../../platform/gate/permissions.ts'

const { call, signUp, join, logIn, addMember, tokens, admin, services } = await createTestApp()
const api = '/api/v1/auth'
const unique = () => `u${process.pid}-${Date.now()}-${Math.random().toString(36).slice(2, 8)}`

test('signing up creates the named organization and signs in at once', async () => {
  const name = unique()
  const { status, body, headers } = await call('POST', `${api}/signup`, {
    email: `${name}@Example.com`,
    username: name.toUpperCase(),
    password: 'SecureP@ss123',
    full_name: 'John Doe',
    organization_name: 'Acme Corp',
    organization_slug: name,
  })
  assert.equal(status, 201)
  assert.equal(headers['cache-control'], 'no-store')
  assert.deepEqual(
    [body.user.email, body.user.username, body.user.full_name],
    [`${name}@example.com`, name, 'John Doe'],
  )
  assert.deepEqual(
    [body.organization.kind, body.organization.slug, body.token_type, body.expires_in],
    ['team', name, 'bearer', 900],
  )
  const claims = tokens.verify(body.access_token)
  assert.deepEqual([claims.sub, claims.user_id, claims.role], [body.user.id, body.user.id, 'owner'])
  assert.deepEqual([claims.organization_id, claims.tenant_id], [body.organization.id, body.organization.id])
})

test('registering creates a personal organization whose id is derived from the user’s', async () => {
  const name = unique()
  const { status, body } = await call('POST', `${api}/register`, {
    email: `${name}@example.com`,
    password: PASSWORD,
    given_name: 'Ada',
    family_name: 'Lovelace',
  })
  assert.equal(status, 201)
  assert.deepEqual(
    [body.organization.kind, body.organization.id[14], body.user.full_name],
    ['personal', '5', 'Ada Lovelace'],
  )
})

// Red when: createAccount joins names without a limit: a name that is too long for the response schema causes a 500
// each time.
test('two long names give a full name that is not too long', async () => {
  const email = `${unique()}@example.com`
  const names = { given_name: 'a'.repeat(200), family_name: '\u{1F600}'.repeat(200) }
  const { status, body } = await call('POST', `${api}/register`, { email, password: PASSWORD, ...names })
  assert.equal(status, 201)
  assert.equal([...body.user.full_name].length, 200)
  assert.equal((await call('POST', `${api}/login`, { email, password: PASSWORD })).status, 200)
})

test('a taken name is a conflict, except for a slug that is made from a name', async () => {
  const name = unique()
  const body = { email: `${name}@example.com`, username: name, password: PASSWORD, organization_name: name }
  assert.equal((await call('POST', `${api}/signup`, body)).status, 201)
  assert.equal((await call('POST', `${api}/signup`, body)).body.code, 'email-taken')
  assert.equal(
    (await call('POST', `${api}/signup`, { ...body, email: `2${name}@example.com` })).body.code,
    'username-taken',
  )
  const other = { email: `3${name}@example.com`, password: PASSWORD, organization_name: name }
  assert.equal(
    (await call('POST', `${api}/signup`, { ...other, organization_slug: name })).body.code,
    'organization-slug-taken',
  )
  const made = await call('POST', `${api}/signup`, other)
  assert.match(made.body.organization.slug, new RegExp(`^${name}-[0-9a-f]{8}$`))
})

test('a weak password is refused with all reasons', async () => {
  const lacks = async (password: string, extra: object = {}) => {
    const { status, body } = await call('POST', `${api}/register`, {
      email: `${unique()}@example.com`,
      password,
      ...extra,
    })
    assert.deepEqual([status, body.code], [422, 'weak-password'])
    return body.errors.map((error: { detail: string }) => error.detail).join('; ')
  }
  assert.match(await lacks('password123'), /upper-case.*special.*most used/)
  assert.match(await lacks('Lovelace-1!', { family_name: 'Lovelace' }), /must not contain/)
  // Red when: policyOf has no words.
  assert.match(await lacks('My-freehold-1!'), /must not contain/, 'what the product is called')
  assert.match(await lacks('Aa1!'), /at least 8/)
})

test('a user signs in by email address or username, in any case, and the response does not say which part was wrong', async () => {
  const name = unique()
  await call('POST', `${api}/register`, { email: `${name}@example.com`, username: name, password: PASSWORD })
  assert.equal(
    (await call('POST', `${api}/login`, { email: `${name.toUpperCase()}@EXAMPLE.com`, password: PASSWORD })).status,
    200,
  )
  assert.equal((await call('POST', `${api}/login`, { username: name.toUpperCase(), password: PASSWORD })).status, 200)
  const wrong = await call('POST', `${api}/login`, { email: `${name}@example.com`, password: 'Wrong-horse-7' })
  const unknown = await call('POST', `${api}/login`, { email: `${unique()}@example.com`, password: PASSWORD })
  for (const answer of [wrong, unknown]) delete answer.body.request_id
  assert.deepEqual(wrong.body, unknown.body)
  assert.equal(wrong.status, 401)
  assert.equal((await call('POST', `${api}/login`, { password: PASSWORD })).status, 422)
  const { rows } = await admin.query(
    `select count(*)::int as failures from security_events e join users u on u.id = e.user_id where u.email = $1 and e.type = 'login-failed'`,
    [`${name}@example.com`],
  )
  assert.equal(rows[0].failures, 1)
})

test('a sign-in goes to the organization asked for, else the last active one, else the oldest team', async () => {
  const owner = await signUp('Acme')
  const person = await signUp()
  await join(owner, person, 'member')
  assert.equal((await logIn(person)).organization_id, person.organization_id, 'the last active')
  const switched = await person.call('POST', `${api}/switch-organization`, { organization_id: owner.organization_id })
  assert.deepEqual([switched.status, switched.body.organization.id], [200, owner.organization_id])
  assert.equal((await logIn(person)).organization_id, owner.organization_id, 'the one switched to')
  assert.equal(
    (await logIn(person, person.organization_id)).organization_id,
    person.organization_id,
    'the one asked for',
  )

  const refreshed = await call('POST', `${api}/refresh`, { refresh_token: person.refresh_token })
  assert.equal(refreshed.body.organization.id, owner.organization_id, 'the session remembers the switch')

  const stranger = await signUp('Globex')
  const foreign = await person.call('POST', `${api}/switch-organization`, { organization_id: stranger.organization_id })
  assert.deepEqual([foreign.status, foreign.body.errors[0].pointer], [422, '/organization_id'])
  const login = await call('POST', `${api}/login`, {
    email: person.email,
    password: PASSWORD,
    organization_id: stranger.organization_id,
  })
  assert.equal(login.status, 422)
})

test('/me shows the user, the organization, the role with its permissions, and the session', async () => {
  const owner = await signUp('Acme')
  const viewer = await addMember(owner, 'viewer')
  const { status, body } = await viewer.call('GET', `${api}/me`)
  assert.equal(status, 200)
  assert.deepEqual(
    [body.user.id, body.organization.id, body.role, body.session.current],
    [viewer.user_id, owner.organization_id, 'viewer', true],
  )
  assert.deepEqual(body.permissions, permissionsOf(services.declared.permissions, 'viewer'))
  assert.ok(body.permissions.includes('projects:read') && !body.permissions.includes('projects:write'))
})

test('signing out revokes the session at once, even with an expired access token', async () => {
  const person = await signUp()
  assert.equal((await person.call('POST', `${api}/logout`)).status, 204)
  const after = await person.call('GET', `${api}/me`)
  assert.deepEqual([after.status, after.body.code], [401, 'session-ended'])
  assert.match(after.headers['www-authenticate']!, /^Bearer error="invalid_token"/)
  assert.equal((await call('POST', `${api}/refresh`, { refresh_token: person.refresh_token })).status, 401)

  const other = await logIn(person)
  assert.equal((await call('POST', `${api}/logout`, { refresh_token: other.refresh_token })).status, 204)
  assert.equal((await other.call('GET', `${api}/me`)).status, 401)
  assert.equal(
    (await call('POST', `${api}/logout`, { refresh_token: other.refresh_token })).status,
    204,
    'twice does no harm',
  )
  assert.equal((await call('POST', `${api}/logout`, { refresh_token: 'rubbish' })).status, 401)
  assert.equal((await call('POST', `${api}/logout`)).status, 401)
})

// Red when: the route throws session-ended, or does not look at the refresh token then.
test('signing out twice is no error, with whatever the client still has', async () => {
  const person = await signUp()
  assert.equal((await person.call('POST', `${api}/logout`)).status, 204)
  assert.equal((await person.call('POST', `${api}/logout`)).status, 204, 'with the access token')
  const { refresh_token } = person
  assert.equal((await person.call('POST', `${api}/logout`, { refresh_token })).status, 204, 'with both')
  assert.equal((await person.call('POST', `${api}/logout`, { refresh_token: 'rubbish' })).status, 204)
  // The session of an old access token has ended, that of the refresh token has not.
  const other = await logIn(person)
  const mixed = await person.call('POST', `${api}/logout`, { refresh_token: other.refresh_token })
  assert.equal(mixed.status, 204)
  assert.equal((await other.call('GET', `${api}/me`)).status, 401)
  // A live access token decides alone.
  const [first, second] = [await logIn(person), await logIn(person)]
  assert.equal((await first.call('POST', `${api}/logout`, { refresh_token: second.refresh_token })).status, 204)
  assert.deepEqual(
    [(await first.call('GET', `${api}/me`)).status, (await second.call('GET', `${api}/me`)).status],
    [401, 200],
  )
})

test('signing out everywhere revokes every session of the user and no others', async () => {
  const [person, bystander] = [await signUp(), await signUp()]
  const second = await logIn(person)
  assert.equal((await second.call('POST', `${api}/logout-all`)).status, 204)
  for (const tab of [person, second]) assert.equal((await tab.call('GET', `${api}/me`)).status, 401)
  assert.equal((await bystander.call('GET', `${api}/me`)).status, 200)
})

test('sensitive operations require a recent sign-in, which the password renews', async () => {
  const owner = await signUp('Acme')
  const old = tokens.sign({ ...tokens.verify(owner.access_token), auth_time: Math.floor(Date.now() / 1000) - 601 })
  const asOld = (method: string, path: string, body?: unknown) =>
    call(method, path, body, { authorization: `Bearer ${old}` })
  const path = `/api/v1/organizations/${owner.organization_id}`
  const refused = await asOld('DELETE', path)
  assert.deepEqual([refused.status, refused.body.code], [401, 'step-up-required'])
  assert.match(refused.headers['www-authenticate']!, /insufficient_user_authentication/)
  assert.equal((await asOld('POST', `${api}/step-up`, { password: 'Wrong-horse-7' })).body.code, 'invalid-credentials')
  const proven = await asOld('POST', `${api}/step-up`, { password: PASSWORD })
  assert.equal(proven.status, 200)
  const fresh = { authorization: `Bearer ${proven.body.access_token}` }
  assert.equal((await call('DELETE', path, undefined, fresh)).status, 204)
  const gone = await owner.call('GET', '/api/v1/projects')
  assert.deepEqual([gone.status, gone.body.code], [401, 'membership-ended'])
})

test('a disabled user loses access at once and cannot sign in', async () => {
  const person = await signUp()
  await admin.query('update users set disabled_at = now() where id = $1', [person.user_id])
  assert.equal((await person.call('GET', `${api}/me`)).body.code, 'session-ended')
  assert.equal((await call('POST', `${api}/refresh`, { refresh_token: person.refresh_token })).status, 401)
  assert.equal(
    (await call('POST', `${api}/login`, { email: person.email, password: PASSWORD })).body.code,
    'invalid-credentials',
  )
})
