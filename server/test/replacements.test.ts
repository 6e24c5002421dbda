import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kindsOf, listOperations } from './isolation/operations.ts'
import { buildRequest } from './isolation/requests.ts'
import { callerOf, createWorlds } from './isolation/world.ts'
import type { World } from './isolation/world.ts'
import { randomWord } from './isolation/values.ts'
import { createTestApp } from './test-app.ts'

// PUT replaces: fields that are left out are reset, except those that users sign in with and those that protect users.
// The operations come from the OpenAPI document; PATCH sets what PUT then leaves out.

const app = await createTestApp()
const worlds = await createWorlds(app)
const all = await listOperations(app.app)
const replacements = all.filter(({ method }) => method === 'PUT')

/** Fields that a PUT does not reset, each with the reason. */
const kept: Readonly<Record<string, string>> = {
  'replaceMember status': 'a replacement of the role and the title does not enable a disabled member',
  'replacePerson status': 'the same',
  username: 'users sign in with it',
  second_factor_required: 'it protects the organization, and an old client does not know it',
}

/** A value for each optional field that differs from its default. */
const values: Readonly<Record<string, (world: World) => unknown>> = {
  username: () => `put-${randomWord()}`,
  locale: () => 'de',
  second_factor_required: () => true,
  status: () => 'archived',
  parent_id: async ({ call, own }) => {
    const department = { branch_id: own['branch'], code: 'ABOVE', name: 'Above' }
    return (await call('POST', '/api/v1/org/departments', department)).body.id
  },
  'replaceMember status': () => 'disabled',
  'replacePerson status': () => 'disabled',
  theme: () => 'dark',
  language: () => 'de',
  time_zone: () => 'Europe/Berlin',
  date_format: () => 'iso',
  time_format: () => '24h',
  editor_font_size: () => 20,
  editor_tab_size: () => 2,
  editor_word_wrap: () => true,
  terminal_font_size: () => 20,
  custom: () => ({ sidebar: 'left' }),
  metadata: () => ({ order: 'B-7' }),
  is_default: () => true,
  seats: () => 20,
  max_activations: () => 20,
  overage_percent: () => 10,
  quotas: () => ({ projects: 20 }),
  entitlements: () => ['audit-export'],
  activation: () => 'floating',
  heartbeat_seconds: () => 600,
  heartbeat_grace_seconds: () => 600,
  duration_days: () => 365,
  expiry_basis: () => 'first-validation',
  on_expiry: () => 'read-only',
}

/** Fields of which one is required, although the schema requires none of them. */
const oneOf: Readonly<Record<string, readonly string[]>> = {
  replaceMember: ['role', 'role_id'],
  replacePerson: ['role', 'role_id'],
}

test('some operations replace', () => {
  const ids = replacements.map(({ id }) => id)
  for (const id of [
    'replaceOwnProfile',
    'replaceOwnProfileAlias',
    'replaceOrganization',
    'replaceMember',
    'replaceProject',
    'replaceRole',
  ])
    assert.ok(ids.includes(id), `${id} is not among ${ids.join(', ')}`)
})

// Red when: a route resets a field of `kept`, or does not reset another one.
for (const operation of replacements) {
  test(`${operation.id} resets the optional fields that are left out, and no others`, async () => {
    const world = await worlds({ ...callerOf(operation), secondFactor: 'proved' }, kindsOf(operation))
    const { path, body } = buildRequest(operation, world, new Map())
    const fields = Object.entries(operation.schemas)
    const isRequired = (name: string): boolean =>
      operation.schemas[name]?.required === true || oneOf[operation.id]?.includes(name) === true
    const optional = fields.map(([name]) => name).filter(name => !isRequired(name))
    const required = Object.fromEntries(Object.entries(body ?? {}).filter(([name]) => isRequired(name)))
    if (optional.length === 0) return // all fields are required
    const refers = (name: string) => operation.places.some(place => place.where === 'body' && place.name === name)
    // A reference keeps the caller's own resource.
    const valueOf = (name: string) =>
      (values[`${operation.id} ${name}`] ?? values[name] ?? (() => (refers(name) ? body?.[name] : `Set ${name}`)))(
        world,
      )
    const given: Record<string, unknown> = {}
    for (const name of optional) given[name] = await valueOf(name)
    const patched = await world.call('PATCH', path, given)
    assert.equal(patched.status, 200, patched.text)
    const replaced = await world.call('PUT', path, required)
    assert.equal(replaced.status, 200, replaced.text)
    for (const name of optional) {
      const [before, after] = [patched.body[name], replaced.body[name]]
      const reason = kept[`${operation.id} ${name}`] ?? kept[name]
      if (reason !== undefined) assert.deepEqual(after, before, `${name} is kept: ${reason}`)
      else assert.notDeepEqual(after, before, `${name} is reset`)
    }
    // Null resets every field.
    const nullable = optional.filter(name => operation.schemas[name]?.nullable === true)
    const emptied = await world.call('PUT', path, {
      ...required,
      ...Object.fromEntries(nullable.map(name => [name, null])),
    })
    assert.equal(emptied.status, 200, emptied.text)
    for (const name of nullable) assert.equal(emptied.body[name], null, name)
  })
}
