import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kindsOf, listAllOperations } from './isolation/operations.ts'
import { buildRequest } from './isolation/requests.ts'
import { callerOf, createWorlds } from './isolation/world.ts'
import { randomWord } from './isolation/words.ts'
import { createTestApp, PASSWORD } from './test-app.ts'

// Secrets in a request must not appear in the log, in a problem or in the audit log. The log is the product's own, at
// its most verbose level. How it was made to fail: docs/testing.md.

const app = await createTestApp()
const operations = await listAllOperations(app.app)
const worlds = await createWorlds(app)

/** Everything in a body that no one else may read. */
const secretFields = [
  'password',
  'current_password',
  'new_password',
  'token',
  'refresh_token',
  'refreshToken',
  'mfa_token',
  'device_token',
  'code',
  'recovery_code',
]

/** Every text that the service stores, for all users: audit log, security events, stored responses. */
const written = async (): Promise<string> => {
  const { rows } = await app.admin.query<{ line: string }>(
    `select to_jsonb(a)::text as line from audit_log a union all select to_jsonb(e)::text from security_events e union all select result::text from idempotency_keys`,
  )
  return rows.map(({ line }) => line).join('\n')
}

test('secrets planted in requests appear in no log line, problem or audit log entry', async () => {
  const secret = (name: string): string => `Planted-${name}-${randomWord()}`
  const planted = new Set<string>()
  const plant = (name: string): string => {
    const value = secret(name)
    planted.add(value)
    return value
  }
  let answers = 0
  for (const operation of operations) {
    const world = await worlds(callerOf(operation), kindsOf(operation))
    const { method, path, body } = buildRequest(operation, world, new Map())
    const secretBody =
      body === undefined
        ? undefined
        : {
            ...body,
            ...Object.fromEntries(secretFields.filter(name => name in body).map(name => [name, plant(name)])),
          }
    const headers = {
      cookie: `session=${plant('cookie')}`,
      'proxy-authorization': plant('proxy'),
      'x-api-key': plant('api-key'),
    }
    const requests: [string, unknown, Record<string, string>][] = [
      // A forged token, an unknown field, an unknown parameter, broken JSON, a malformed tag: everything that is
      // refused.
      [path, secretBody, { ...headers, authorization: `Bearer ${plant('bearer')}` }],
      [path, secretBody, { ...headers, authorization: `Basic ${Buffer.from(plant('basic')).toString('base64')}` }],
      [path, { ...secretBody, unknown: plant('field') }, { ...headers, authorization: `Bearer ${world.access_token}` }],
      [
        `${path}${path.includes('?') ? '&' : '?'}access_token=${plant('query')}`,
        undefined,
        { ...headers, authorization: `Bearer ${world.access_token}` },
      ],
      [path, `{"password": "${plant('broken')}`, { ...headers, authorization: `Bearer ${world.access_token}` }],
      [
        path,
        secretBody,
        { ...headers, authorization: `Bearer ${world.access_token}`, 'if-match': `"${plant('tag')}"` },
      ],
    ]
    if (method === 'POST')
      requests.push([
        path,
        secretBody,
        { ...headers, authorization: `Bearer ${world.access_token}`, 'idempotency-key': `${plant('key')} \u00e9` },
      ])
    for (const [target, payload, given] of requests) {
      const answer = await app.call(method, target, method === 'GET' ? undefined : payload, given)
      answers++
      const told = [...planted].filter(
        value => answer.text.includes(value) || JSON.stringify(answer.headers).includes(value),
      )
      assert.deepEqual(told, [], `${operation.id}: ${answer.text}`)
    }
    for (const token of [world.access_token, world.refresh_token]) planted.add(token)
  }
  assert.ok(answers > 200)
  const places = { log: app.logged(), history: await written() }
  for (const [place, text] of Object.entries(places))
    assert.deepEqual(
      [...planted].filter(value => text.includes(value)),
      [],
      `in the ${place}`,
    )
  assert.ok(places.log.includes('"request"'), 'the log is not empty')
})

test('no secret appears from sign-up, sign-in, failure, refresh, step-up and sign-out either', async () => {
  const owner = await app.signUp('Acme')
  const key = `Key-${randomWord()}`
  const created = await owner.call('POST', '/api/v1/projects', { name: 'First' }, { 'idempotency-key': key })
  assert.equal(created.status, 201)
  const wrong = `Wrong-${randomWord()}`
  assert.equal((await app.call('POST', '/api/v1/auth/login', { email: owner.email, password: wrong })).status, 401)
  const stepped = await owner.call('POST', '/api/v1/auth/step-up', { password: owner.password })
  const refreshed = await app.call('POST', '/api/v1/auth/refresh', { refresh_token: owner.refresh_token })
  const again = await app.logIn(owner)
  assert.equal((await again.call('POST', '/api/v1/auth/logout', {})).status, 204)
  const { rows } = await app.admin.query<{ password_hash: string }>('select password_hash from users where id = $1', [
    owner.user_id,
  ])
  const secrets = [
    PASSWORD,
    wrong,
    key,
    rows[0]!.password_hash,
    owner.access_token,
    owner.refresh_token,
    again.access_token,
    again.refresh_token,
    stepped.body.access_token as string,
    refreshed.body.access_token as string,
    refreshed.body.refresh_token as string,
  ]
  assert.ok(secrets.every(secret => typeof secret === 'string' && secret.length > 8))
  for (const [place, text] of Object.entries({ log: app.logged(), history: await written() }))
    assert.deepEqual(
      secrets.filter(secret => text.includes(secret)),
      [],
      `in the ${place}`,
    )
  assert.doesNotMatch(app.logged(), /\$argon2|Bearer |eyJ[\w-]{10,}\./)
})

test('an internal error reveals neither to the caller nor to the log what was sent', async () => {
  const owner = await app.signUp('Acme')
  const word = `Planted-${randomWord()}`
  // A constraint that no route maps: the database's message contains the row.
  await app.admin.query(`alter table projects add constraint planted check (name not like 'Planted-%') not valid`)
  try {
    const answer = await owner.call('POST', '/api/v1/projects', { name: word, description: `secret of ${word}` })
    assert.equal(answer.status, 500)
    assert.ok(!answer.text.includes(word) && !/constraint|projects_|planted|sql/i.test(answer.text), answer.text)
    assert.ok(app.logged().includes('unexpected error'))
    assert.ok(!app.logged().includes(word))
  } finally {
    await app.admin.query('alter table projects drop constraint planted')
  }
})
