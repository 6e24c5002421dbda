import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { recordStatements } from '../../../test/statements.ts'
import { createTestApp } from '../../../test/test-app.ts'

const origin = { request_id: 'test', ip: '', user_agent: '' }

// Red when: `transaction` opens before its `try`, so that nothing rolls back what has begun.
test('a transaction that fails to open leaves its connection to the next request as it was', async () => {
  const { database, signUp } = await createTestApp({ DATABASE_POOL_SIZE: '2' }) // one connection for each login
  const person = await signUp('Acme')
  await assert.rejects(
    database.tenant.transaction({ session_id: 'no uuid', origin }, async () => {}),
    { code: '22P02' },
  )
  assert.equal((await person.call('GET', '/api/v1/projects')).status, 200)
})

// Red when: `asksGate` is `gated` alone.
test('what runs for a session on the system login ends with the session, even an answer that was kept', async () => {
  const { call, signUp } = await createTestApp()
  const person = await signUp()
  const found = () => person.call('POST', '/api/v1/organizations', { name: 'Acme' }, { 'idempotency-key': 'acme' })
  assert.equal((await found()).status, 201)
  await call('POST', '/api/v1/auth/logout', { refresh_token: person.refresh_token })
  const late = await found()
  assert.deepEqual([late.status, late.body.code], [401, 'session-ended'])
})

/** A statement in SQL that counts its rows. */
const counting = (sql: string, ...parameters: unknown[]) =>
  ({ sql, parameters, read: (rows: object[]) => rows.length, refusals: {} }) as never

// Red when: trip-query.ts splits an array at a comma inside a text, or reads a null as the text NULL.
test('arrays of texts arrive as they are', async () => {
  const { database } = await createTestApp()
  const arrays = fc.array(
    fc.option(fc.oneof(fc.string(), fc.constantFrom('NULL', 'null', '{', '}', ',', '"', '\\', 'a:read', ''))),
  )
  const read = (texts: (string | null)[]) =>
    database.system.run({ origin }, {
      sql: 'select array_agg(value) as texts from jsonb_array_elements_text($1::jsonb)',
      parameters: [JSON.stringify(texts)],
      read: ([row]: { texts: unknown }[]) => row?.texts,
      refusals: {},
    } as never)
  await fc.assert(
    fc.asyncProperty(arrays, async texts => {
      const sent = texts.map(text => text?.toWellFormed().replaceAll('\0', '') ?? null)
      assert.deepEqual(await read(sent), sent.length === 0 ? null : sent)
    }),
    { numRuns: 60 },
  )
  assert.deepEqual(
    await database.system.run({ origin }, {
      sql: `select '{}'::text[] as texts, '{{a},{b}}'::text[] as pairs`,
      parameters: [],
      read: ([row]: object[]) => row,
      refusals: {},
    } as never),
    { texts: [], pairs: [['a'], ['b']] },
  )
})

// Red when: finish sends no commit, sends it before the statement, or leaves a failed transaction open.
test('the last statement of a transaction takes the commit along, and undoes everything where it fails', async () => {
  const { admin, database } = await createTestApp()
  const statements = recordStatements(database)
  const key = randomUUID()
  const insert = (name: string) => counting('insert into throttles (key) values ($1) returning key', `${key} ${name}`)
  const stored = async () =>
    (await admin.query('select key from throttles where key like $1 order by key', [`${key}%`])).rows.map(
      (row: { key: string }) => row.key.split(' ')[1],
    )
  const both = database.system.transaction({ origin }, async transaction => {
    await transaction.run(insert('one'))
    assert.equal(await transaction.finish(insert('two')), 1)
    assert.deepEqual(await stored(), ['one', 'two'], 'it is committed')
  })
  await both
  assert.equal(statements.take().length, 2)
  const failing = database.system.transaction({ origin }, async transaction => {
    await transaction.run(insert('three'))
    await transaction.finish(insert('two'))
  })
  await assert.rejects(failing, { code: '23505' })
  assert.deepEqual(await stored(), ['one', 'two'])
  assert.equal(await database.system.run({ origin }, counting('select 1')), 1, 'the connection is as good as before')
})

// Red when: what follows finish opens another transaction, or runs in none.
test('nothing runs in a transaction after its last statement, and one without statements takes no trip', async () => {
  const { database } = await createTestApp()
  const statements = recordStatements(database)
  const late = database.system.transaction({ origin }, async transaction => {
    await transaction.finish(counting('select 1'))
    await transaction.run(counting('select 2'))
  })
  await assert.rejects(late, /the transaction is over/)
  assert.equal(statements.take().filter(text => text === 'select 2').length, 0)
  assert.equal(await database.system.transaction({ origin }, async () => 'nothing'), 'nothing')
  assert.deepEqual(statements.take(), [])
})
