import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemFor } from '../src/platform/database/runners.ts'
import { statements } from '../src/platform/observation/channels.ts'
import { kindsOf, listAllOperations } from './isolation/operations.ts'
import { buildRequest } from './isolation/requests.ts'
import type { Request } from './isolation/requests.ts'
import { callerOf, createWorlds } from './isolation/world.ts'
import type { World } from './isolation/world.ts'
import { randomWord } from './isolation/values.ts'
import { startPeer } from './programs/peer.ts'
import { waitUntil } from './programs/service-process.ts'
import { createTestApp, PASSWORD } from './test-app.ts'

// Secrets in a request must not appear in the log, in a problem or in the audit log, and not in statements, traces,
// reports to Sentry and metrics either, which have no address of an email. The log is the product's own, at its most
// verbose level. How it was made to fail: docs/testing.md.

const [collector, sentry] = [await startPeer(), await startPeer()]
const app = await createTestApp({
  ENABLE_METRICS: 'true',
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  SENTRY_DSN: `http://key@${sentry.host}/1`,
})
/** The texts of all statements, as slow ones are logged. */
const texts = new Set<string>()
statements.subscribe(({ text }) => texts.add(text))
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
  'key', // of a license
]

/** Every text that the service stores, for all users: audit log, security events, stored responses. */
const written = async (): Promise<string> => {
  const { rows } = await app.admin.query<{ line: string }>(
    `select to_jsonb(a)::text as line from audit_log a union all select to_jsonb(e)::text from security_events e union all select result::text from idempotency_keys`,
  )
  return rows.map(({ line }) => line).join('\n')
}

/** What leaves the service for operators, or stays with it. */
const sinks = async (): Promise<Record<string, string>> => ({
  log: app.logged(),
  history: await written(),
  statements: [...texts].join('\n'),
  traces: collector.received.map(({ body }) => body).join('\n'),
  reports: sentry.received.map(({ body }) => body).join('\n'),
  metrics: await app.services.metrics!.render(systemFor(app.database, 'scrape')),
})

const plant = (name: string): string => `Planted-${name}-${randomWord()}`
/** The tokens of the callers. */
const tokens = new Set<string>()
/** Whatever of it is in the text: what was planted, also in Base64, and tokens. */
const findSecrets = (text: string): string[] => [
  ...(text.match(/Planted-[\w-]+|UGxhbnRlZC1[\w=]*/g) ?? []),
  ...[...tokens].filter(token => text.includes(token)),
]
/** The body with a planted value in each field that is secret. */
const withSecrets = (body: Record<string, unknown> | undefined) =>
  body && {
    ...body,
    ...Object.fromEntries(secretFields.filter(name => name in body).map(name => [name, plant(name)])),
  }

test('secrets planted in requests appear in no log line, problem or audit log entry', async () => {
  let answers = 0
  for (const operation of operations) {
    const world = await worlds(callerOf(operation), kindsOf(operation))
    const { method, path, body } = buildRequest(operation, world, new Map())
    const secretBody = withSecrets(body)
    const headers = {
      cookie: `session=${plant('cookie')}`,
      tracestate: `vendor=${plant('tracestate')}`,
      baggage: `user=${plant('baggage')}`,
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
    // What has the key of a license is answered, too, and not only refused.
    if (body !== undefined && 'key' in body) requests.push([path, body, headers])
    for (const [target, payload, given] of requests) {
      const answer = await app.call(method, target, method === 'GET' ? undefined : payload, given)
      answers++
      const told = findSecrets(answer.text + JSON.stringify(answer.headers))
      assert.deepEqual(told, [], `${operation.id}: ${answer.text}`)
    }
    for (const token of [world.access_token, world.refresh_token, world.license_key]) tokens.add(token)
  }
  assert.ok(answers > 200)
  const places = await sinks()
  for (const [place, text] of Object.entries(places)) assert.deepEqual(findSecrets(text), [], `in the ${place}`)
  assert.ok(places['log']!.includes('"request"'), 'the log is not empty')
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

// Red when: an error is logged or reported with its message as it is, or with its details (`err` without a serializer).
test('even if PostgreSQL quotes whole rows, the log and Sentry have no secret and no address', async () => {
  const requests: { id: string; caller: World; request: Request }[] = []
  for (const operation of operations) {
    const caller = await worlds(callerOf(operation), kindsOf(operation))
    requests.push({ id: operation.id, caller, request: buildRequest(operation, caller, new Map()) })
  }
  await app.admin.query(`create function quote_row() returns trigger language plpgsql as $$
    begin raise exception 'not accepted: %, it''s %', to_jsonb(new), old; end $$;
    do $$ declare name text; begin
      for name in select relname from pg_class where relnamespace = 'freehold'::regnamespace and relkind in ('r', 'p') and not relispartition loop
        execute format('create trigger zz_quote_row before insert or update on %I for each row execute function quote_row()', name);
      end loop;
    end $$`)
  const failed = new Set<string>()
  try {
    for (const { id, caller, request } of requests) {
      const headers = { ...request.headers, authorization: `Bearer ${caller.access_token}` }
      const { status } = await app.call(request.method, request.path, withSecrets(request.body), headers)
      if (status === 500) failed.add(id)
    }
  } finally {
    await app.admin.query('drop function quote_row cascade')
  }
  assert.ok(failed.size > 50, `only ${failed.size} operations failed`)
  // They are reported one after the other; the end waits for two seconds only.
  await waitUntil(() => sentry.received.length > 20)
  await app.services.errorReports!.close()
  await app.services.tracing!.close()
  const places = await sinks()
  assert.match(places['log']!, /not accepted: \{/)
  assert.ok(sentry.received.length > 20 && collector.received.length > 5)
  assert.match(places['reports']!, /not accepted: \{/)
  for (const [place, text] of Object.entries(places)) {
    assert.deepEqual(findSecrets(text), [], `in the ${place}`)
    if (place !== 'history') assert.doesNotMatch(text, /[\w.+-]+@(?!\d)[\w-]+\.\w+|\$argon2|eyJ[\w-]{10,}\./, place)
  }
  assert.ok(places['traces']!.includes('db.query.text') && places['metrics']!.includes('freehold_problems_total'))
})
