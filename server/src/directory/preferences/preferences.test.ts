import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const { admin, signUp, logIn } = await createTestApp()
const path = '/api/v1/users/me/preferences'

const defaults = {
  theme: 'system',
  language: null,
  time_zone: null,
  date_format: 'auto',
  time_format: 'auto',
  editor_font_size: 14,
  editor_tab_size: 4,
  editor_word_wrap: false,
  terminal_font_size: 14,
  custom: {},
}

test('a new account has the defaults, PATCH merges, PUT resets, and another user sees none of it', async () => {
  const [person, stranger] = [await signUp(), await signUp()]
  const first = await person.call('GET', path)
  const { created_at: _created, updated_at: _updated, ...values } = first.body
  assert.deepEqual(values, defaults)

  const custom = { sidebar: 'left', zoom: 1.5, beta: true }
  const changed = await person.call('PATCH', path, { theme: 'dark', time_zone: 'Europe/Berlin', custom })
  assert.deepEqual(
    [changed.body.theme, changed.body.time_zone, changed.body.custom, changed.body.editor_tab_size],
    ['dark', 'Europe/Berlin', custom, 4],
  )
  const merged = await person.call('PATCH', path, { custom: { zoom: null, beta: false } })
  assert.deepEqual(merged.body.custom, { sidebar: 'left', beta: false })
  assert.equal(merged.body.theme, 'dark')
  // In another organization and session, they are the same.
  assert.equal((await (await logIn(person)).call('GET', path)).body.theme, 'dark')

  const replaced = await person.call('PUT', path, { language: 'de-AT', custom: { only: 1, never: null } })
  const { created_at: _c, updated_at: _u, ...rest } = replaced.body
  assert.deepEqual(rest, { ...defaults, language: 'de-AT', custom: { only: 1 } })
  assert.equal((await stranger.call('GET', path)).body.language, null)
})

// Red when: conditionOf is left out of the routes.
test('a change under an old entity tag is refused', async () => {
  const person = await signUp()
  const { headers } = await person.call('GET', path)
  const tag = { 'if-match': headers['etag']! }
  assert.equal((await person.call('PATCH', path, { theme: 'dark' }, tag)).status, 200)
  assert.equal((await person.call('PATCH', path, { theme: 'light' }, tag)).body.code, 'entity-tag-stale')
  assert.equal((await person.call('PUT', path, {}, tag)).body.code, 'entity-tag-stale')
  assert.equal((await person.call('GET', path)).body.theme, 'dark')
})

test('each value that does not fit gets its own refusal', async () => {
  const person = await signUp()
  const refused: [object, string, RegExp][] = [
    [{ theme: 'pink' }, '/theme', /must be one of system, light, dark/],
    [{ time_zone: 'Mars/Olympus' }, '/time_zone', /IANA/],
    [{ time_zone: '+01:00' }, '/time_zone', /pattern/],
    [{ language: 'x'.repeat(36) }, '/language', /35/],
    [{ editor_font_size: 5 }, '/editor_font_size', />= 6/],
    [{ editor_tab_size: 2.5 }, '/editor_tab_size', /integer/],
    [{ custom: { nested: {} } }, '/custom/nested', /must be/],
    [{ custom: { long: 'x'.repeat(501) } }, '/custom/long', /500/],
    [{ custom: { 'a b': 1 } }, '/custom', /property name/],
    [{ custom: Object.fromEntries(Array.from({ length: 51 }, (_, at) => [`k${at}`, 1])) }, '/custom', /50/],
    [{ unknown: 1 }, '/unknown', /not known/],
  ]
  for (const [body, pointer, detail] of refused) {
    const answer = await person.call('PATCH', path, body)
    assert.equal(answer.status, 422, JSON.stringify(body))
    const found = answer.body.errors.find((error: { pointer: string }) => error.pointer === pointer)
    assert.ok(found !== undefined, answer.text)
    assert.ok(
      answer.body.errors.some((error: { detail: string }) => detail.test(error.detail)),
      answer.text,
    )
  }
})

// Red when: the table has no check, or it is not mapped to the field.
test('what clients store of their own is bounded, however many requests it takes', async () => {
  const person = await signUp()
  const fill = (turn: number) =>
    Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`k${turn}_${at}`, 'x'.repeat(500)]))
  assert.equal((await person.call('PATCH', path, { custom: fill(0) })).status, 200)
  const { status, body } = await person.call('PATCH', path, { custom: fill(1) })
  assert.equal(status, 422)
  assert.deepEqual(body.errors, [{ pointer: '/custom', detail: 'must not exceed 16 KiB in total' }])
})

// Red when: the feature declares no export. What erasure leaves: identity/leaving/erasure.test.ts.
test('preferences are in the export', async () => {
  const person = await signUp()
  await person.call('PATCH', path, { custom: { mark: 'exported-mark' } })
  const { body } = await person.call('GET', '/api/v1/users/me/export')
  assert.deepEqual(body.preferences[0].custom, { mark: 'exported-mark' })
})

// Red when: the trigger on users is missing.
test('every account has one row, also one that an operator or an import made', async () => {
  await admin.query(`insert into users (email) values ('made-' || gen_random_uuid() || '@example.com')`)
  const { rows } = await admin.query(
    'select count(*)::int as count from users where erased_at is null and id not in (select user_id from preferences)',
  )
  assert.equal(rows[0].count, 0)
})
