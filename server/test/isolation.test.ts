import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAttack, exceptions, nameOfPlace } from './isolation/attack.ts'
import { isOperators } from './isolation/operations.ts'
import { createTestApp } from './test-app.ts'

// Every operation of the OpenAPI document, every place in it that accepts an id, cursor, tag, key, address or name: the
// owner of another organization sends the victim's value there, and then a random one. Both responses must be the same,
// byte for byte, contain nothing of the victim's, and change nothing of it. How each part was made to fail:
// docs/testing.md.

const { operations, reach, attack, readLists } = await createAttack(await createTestApp())

test("the victim's own requests reach its rows, so there is something to steal", async () => {
  for (const operation of operations.filter(
    one => one.method === 'GET' && one.access !== 'public' && !isOperators(one),
  ))
    await reach(operation)
})

let attacked = 0
for (const operation of operations) {
  test(`${operation.id} answers a foreign value like a random one and changes nothing`, async () => {
    attacked += await attack(operation)
  })
}

test('every exception names an existing place', () => {
  const places = new Set(operations.flatMap(operation => operation.places.map(place => nameOfPlace(operation, place))))
  assert.deepEqual(
    Object.keys(exceptions).filter(name => !places.has(name)),
    [],
  )
})

test('lists and searches show nothing of another organization, in any order, with any filter', async () => {
  let answers = 0
  for (const operation of operations.filter(
    one => !isOperators(one) && one.places.some(({ kind }) => kind === 'cursor'),
  ))
    answers += await readLists(operation)
  assert.ok(answers > 30, `only ${answers} pages were read`)
})

test('the attack found something to attack', () => {
  assert.ok(attacked > 60, `only ${attacked} attacks were made`)
  for (const name of ['getProject', 'getWorkspace', 'v5GetSession', 'v5CreateSession', 'v5ListSessions'])
    assert.ok(operations.find(({ id }) => id === name)!.places.length > 0, name)
})
