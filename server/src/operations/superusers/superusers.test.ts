import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import { TEST_SECRET } from '../../../test/test-database.ts'
import { tokenKeyOf } from '../../platform/tokens/one-time-tokens.ts'
import { createPasswords } from '../../identity/passwords/passwords.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { ensureFirstSuperuser } from './superusers.ts'

const { call, signUp, database, admin } = await createTestApp()
const services = {
  keys: { oneTime: tokenKeyOf(TEST_SECRET) },
  passwords: await createPasswords(),
  passwordPolicy: { rule: 'composition', words: [] },
} as const
const unique = () => `root-${process.pid}-${Date.now()}-${Math.random().toString(36).slice(2, 8)}@example.com`

const ensure = async (email: string, password = PASSWORD): Promise<string> => {
  let lines = ''
  const log = pino({}, { write: line => void (lines += line) })
  await ensureFirstSuperuser(systemFor(database, 'superuser', 'freehold'), { ...services, log }, { email, password })
  return lines
}

test('the first superuser is created once, even if many processes start', async () => {
  const email = unique()
  await Promise.all(Array.from({ length: 4 }, () => ensure(email)))
  const signedIn = await call('POST', '/api/v1/auth/login', { email, password: PASSWORD })
  assert.deepEqual([signedIn.status, signedIn.body.user.superuser], [200, true])
  await ensure(email, 'Another-horse-7')
  assert.equal(
    (await call('POST', '/api/v1/auth/login', { email, password: 'Another-horse-7' })).status,
    401,
    'the password stays',
  )
})

// Red when: AuditEntry (directory/history/history.ts) requires an address.
test('the history of an organization that no request created can be read', async () => {
  const email = unique()
  await ensure(email)
  const { body } = await call('POST', '/api/v1/auth/login', { email, password: PASSWORD })
  const headers = { authorization: `Bearer ${body.access_token}` }
  const history = await call('GET', '/api/v1/audit-logs?entity_type=organizations', undefined, headers)
  assert.deepEqual(
    history.body.items.map(({ ip, user_agent }: { ip: string; user_agent: string }) => [ip, user_agent]),
    [['', 'freehold']],
  )
})

test('an existing account is not promoted, and a warning says so', async () => {
  const person = await signUp()
  assert.match(await ensure(person.email), /it was not changed/)
  const { rows } = await admin.query('select superuser from users where id = $1', [person.user_id])
  assert.equal(rows[0].superuser, false)
})

test('a weak first password stops the start', async () => {
  await assert.rejects(ensure(unique(), 'password'), /FIRST_SUPERUSER_PASSWORD must have an upper-case letter/)
})

test('a superuser cannot read other organizations through the routes of members', async () => {
  const owner = await signUp('Acme')
  const email = unique()
  await ensure(email)
  const root = await call('POST', '/api/v1/auth/login', { email, password: PASSWORD })
  const headers = { authorization: `Bearer ${root.body.access_token}` }
  assert.equal((await call('GET', `/api/v1/organizations/${owner.organization_id}`, undefined, headers)).status, 404)
})
