import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

// Red when: the MAC of a cursor leaves out the list (pagination.ts, macOf), or is not compared.

const { app, signUp, logIn, addMember } = await createTestApp()
const owner = await signUp('Acme')
for (const name of ['a', 'b', 'c']) await owner.call('POST', '/api/v1/projects', { name })
const cursorOf = async (path: string): Promise<string> => (await owner.call('GET', path)).body.next_cursor as string

test('a cursor goes on only where it was made: the same route, order and filters', async () => {
  const cursor = await cursorOf('/api/v1/projects?limit=1')
  assert.equal(
    (await owner.call('GET', `/api/v1/projects?limit=2&cursor=${cursor}`)).status,
    200,
    'the size of a page is free',
  )
  for (const elsewhere of [
    '/api/v1/projects?sort=name&',
    '/api/v1/projects?sort=created_at&',
    '/api/v1/projects?status=active&',
    '/api/v1/audit-logs?',
    '/api/v1/organizations?',
    '/api/v1/users/sessions?',
    `/api/v1/organizations/${owner.organization_id}/members?`,
  ]) {
    const answer = await owner.call('GET', `${elsewhere}cursor=${cursor}`)
    assert.deepEqual([answer.status, answer.body.code], [422, 'invalid-cursor'], elsewhere)
  }
})

// Red when: CURSOR_LENGTH (schemas.ts) is less than what the longest name becomes.
test('a list sorted by the longest names goes on', async () => {
  const writer = await signUp('Names')
  for (const character of ['\u{1F600}', '"'])
    await writer.call('POST', '/api/v1/projects', { name: `a${character.repeat(199)}` })
  const first = await writer.call('GET', '/api/v1/projects?sort=name&limit=1')
  const second = await writer.call('GET', `/api/v1/projects?sort=name&limit=1&cursor=${first.body.next_cursor}`)
  assert.deepEqual([first.status, second.status, second.body.next_cursor], [200, 200, null])
  const back = await writer.call('GET', '/api/v1/projects?sort=-name&limit=1')
  assert.equal(
    (await writer.call('GET', `/api/v1/projects?sort=-name&limit=1&cursor=${back.body.next_cursor}`)).body.items.length,
    1,
  )
})

// Red when: createPages (platform/http/cursors.ts) binds the user's own list to the organization of the token.
test('a list of one’s own goes on after switching to another organization, and for no one else', async () => {
  const person = await signUp('Mine')
  const { body: second } = await person.call('POST', '/api/v1/organizations', { name: 'Second' })
  const switched = await logIn(person, second.id)
  const { body } = await person.call('GET', '/api/v1/users/sessions?limit=1')
  const path = `/api/v1/users/sessions?cursor=${body.next_cursor}`
  assert.equal((await switched.call('GET', path)).status, 200)
  const colleague = await addMember(person, 'member')
  assert.equal((await colleague.call('GET', path)).body.code, 'invalid-cursor')
})

test('a cursor that was changed anywhere is refused like a random one', async () => {
  const cursor = await cursorOf('/api/v1/projects?limit=1')
  const bytes = Buffer.from(cursor, 'base64url')
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
    const answer = await owner.call('GET', `/api/v1/projects?cursor=${changed.toString('base64url')}`)
    assert.deepEqual([answer.status, answer.body.code], [422, 'invalid-cursor'], `byte ${at}`)
  }
  for (const odd of [
    'x',
    '-',
    '%00',
    'AAAA',
    bytes.subarray(0, 16).toString('base64url'),
    bytes.subarray(0, -1).toString('base64url'),
  ]) {
    assert.equal((await owner.call('GET', `/api/v1/projects?cursor=${odd}`)).status, 422, odd)
  }
})

// Red when: cursors.ts refuses a cursor before the list has asked the gate.
test('whether a cursor is genuine is told to those alone who may read the list', async () => {
  const { paths } = (await app.openApi()) as {
    paths: Record<string, Record<string, { operationId: string; parameters?: { name?: string }[] }>>
  }
  // Those of an organization; the lists within another resource would need one.
  const lists = Object.entries(paths).filter(
    ([path, { get }]) =>
      get?.parameters?.some(({ name }) => name === 'cursor') &&
      !path.replace('/organizations/{id}', '').includes('{') &&
      !path.startsWith('/api/v1/admin/'),
  )
  assert.ok(lists.length >= 8, `${lists.length} lists were found`)
  const boss = await signUp('Cursors')
  const admin = await addMember(boss, 'admin')
  for (const name of ['a', 'b', 'c']) await boss.call('POST', '/api/v1/projects', { name })
  const again = [await logIn(admin, boss.organization_id), await logIn(admin, boss.organization_id)]
  const signedOut = again[0]!
  const pathOf = (template: string) => template.replace('{id}', boss.organization_id)
  const genuine = new Map<string, string | null>()
  for (const [path] of lists) {
    const answer = await signedOut.call('GET', `${pathOf(path)}?limit=1`)
    assert.equal(answer.status, 200, path)
    genuine.set(path, answer.body.next_cursor)
  }
  const known = [...genuine.values()].filter(cursor => cursor !== null)
  assert.ok(known.length >= 4, `${known.length} lists go on`)
  await signedOut.call('POST', '/api/v1/auth/logout')
  const removed = again[1]!
  await boss.call('DELETE', `/api/v1/organizations/${boss.organization_id}/members/${admin.user_id}`)
  const member = await addMember(boss, 'member')
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(80))).toString('base64url')
  for (const [path, { get }] of lists) {
    const cursors = [genuine.get(path) ?? known[0]!, random, known.at(-1)!, 'x']
    const codesOf = async (call: typeof boss.call) =>
      Promise.all(
        cursors.map(async cursor => {
          const { status, body } = await call('GET', `${pathOf(path)}?cursor=${cursor}`)
          return status === 200 ? 'read' : String(body.code)
        }),
      )
    assert.deepEqual(new Set(await codesOf(signedOut.call)), new Set(['session-ended']), get!.operationId)
    const ofRemoved = new Set(await codesOf(removed.call))
    const isOwn = ofRemoved.has('read') || ofRemoved.has('invalid-cursor')
    // The user's own rows stay visible after leaving an organization.
    if (!isOwn) assert.deepEqual(ofRemoved, new Set(['membership-ended']), get!.operationId)
    const ofMember = new Set(await codesOf(member.call))
    if (ofMember.has('permission-missing')) assert.equal(ofMember.size, 1, get!.operationId)
    // Whoever may read it is told.
    assert.ok((await codesOf(boss.call)).includes('invalid-cursor'), get!.operationId)
  }
})
