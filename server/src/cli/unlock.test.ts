import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createTestApp, PASSWORD } from '../../test/test-app.ts'
import { onTestDatabase } from '../../test/programs/service-process.ts'
import { TEST_SECRET } from '../../test/test-database.ts'

const bin = fileURLToPath(new URL('../../bin/freehold.js', import.meta.url))
const unlock = (...names: string[]) =>
  spawnSync(process.execPath, [bin, 'unlock', ...names], {
    cwd: tmpdir(),
    env: { PATH: process.env['PATH'], SECRET_KEY: TEST_SECRET, ...onTestDatabase() },
    encoding: 'utf8',
    timeout: 180_000,
  })

test('an operator unlocks an account by its address or its username', async () => {
  const { admin, call, signUp } = await createTestApp()
  const person = await signUp()
  const username = `u-${randomUUID()}`
  await admin.query('update users set username = $1 where id = $2', [username, person.user_id])
  const logIn = (password: string) => call('POST', '/api/v1/auth/login', { username, password })
  for (const name of [person.email.toUpperCase(), username]) {
    for (let guess = 0; guess < 5; guess++) await logIn('Wrong-horse-7')
    assert.equal((await logIn(PASSWORD)).status, 401)
    const { status, stdout, stderr } = unlock(name)
    assert.deepEqual([status, stdout, stderr], [0, `${name} can sign in again\n`, ''])
    assert.equal((await logIn(PASSWORD)).status, 200)
  }
  const { rows } = await admin.query(
    `select details ->> 'by' as by from security_events where user_id = $1 and type = 'sign-in-unlocked'`,
    [person.user_id],
  )
  assert.deepEqual(rows, [{ by: 'operator' }, { by: 'operator' }])

  assert.deepEqual([unlock(username).status, unlock(username).stdout], [0, `${username} was not locked\n`])
  const unknown = unlock('nobody@example.com')
  assert.equal(unknown.status, 1)
  assert.match(unknown.stderr, /no account has the email address or username nobody@example\.com/)
  assert.equal(unlock().status, 2)
  assert.equal(unlock('one', 'two').status, 2)
})
