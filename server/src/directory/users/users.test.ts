import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const { signUp, addMember, admin } = await createTestApp()

for (const path of ['/api/v1/users/me', '/api/v1/users/profile']) {
  test(`${path} reads, changes and replaces the current user's names, and nothing else`, async () => {
    const person = await signUp()
    const read = await person.call('GET', path)
    assert.equal(read.body.email, person.email)
    const patched = await person.call(
      'PATCH',
      path,
      { given_name: 'Ada', full_name: 'Ada Lovelace' },
      { 'if-match': read.headers['etag']! },
    )
    assert.deepEqual([patched.status, patched.body.full_name], [200, 'Ada Lovelace'])
    assert.equal(
      (await person.call('PATCH', path, { given_name: 'x' }, { 'if-match': read.headers['etag']! })).status,
      412,
    )
    const replaced = await person.call('PUT', path, { full_name: 'Countess' })
    assert.deepEqual([replaced.body.given_name, replaced.body.full_name], [null, 'Countess'])
    for (const field of ['email', 'superuser', 'email_verified', 'password_hash', 'id']) {
      const refused = await person.call('PATCH', path, { [field]: 'x' })
      assert.deepEqual(
        [refused.status, refused.body.errors[0]],
        [422, { pointer: `/${field}`, detail: 'is not known here' }],
      )
    }
    const { rows } = await admin.query(
      `select details from security_events where user_id = $1 and type = 'account-changed' order by id`,
      [person.user_id],
    )
    assert.deepEqual(
      rows[0].details,
      { changed: ['full_name', 'given_name'] },
      'the event names the fields, not the values',
    )
  })
}

test('an unchanged resource is not sent again', async () => {
  const person = await signUp()
  const { headers } = await person.call('GET', '/api/v1/users/me')
  const again = await person.call('GET', '/api/v1/users/me', undefined, { 'if-none-match': headers['etag']! })
  assert.deepEqual([again.status, again.text], [304, ''])
})

test('a username is compared in lower case', async () => {
  const [one, other] = [await signUp(), await signUp()]
  const username = `Name${Date.now()}`
  assert.equal((await one.call('PATCH', '/api/v1/users/me', { username })).body.username, username.toLowerCase())
  assert.equal(
    (await other.call('PATCH', '/api/v1/users/me', { username: username.toUpperCase() })).body.code,
    'username-taken',
  )
})

test('a sign-in to another organization does not change the version of the account', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  const before = await member.call('GET', '/api/v1/users/me')
  await member.call('POST', '/api/v1/auth/switch-organization', { organization_id: member.organization_id })
  assert.equal((await member.call('GET', '/api/v1/users/me')).headers['etag'], before.headers['etag'])
})
