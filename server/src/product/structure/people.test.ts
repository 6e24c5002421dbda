import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'

const { signUp, addMember, admin, database } = await createTestApp()

const LOST = '01a20000-0000-7000-8000-000000000000'

// Red when: people.ts lists former members, or guard_assignment() is dropped.
test('people are assigned to departments and listed by them while they are members', async () => {
  const owner = await signUp('Acme')
  const make = async (kind: string, body: object): Promise<string> =>
    (await owner.call('POST', `/api/v1/org/${kind}`, { name: 'Any', ...body })).body.id
  const branch_id = await make('branches', { company_id: await make('companies', { code: 'A' }), code: 'B' })
  const [b, c] = [
    await make('departments', { branch_id, code: 'B' }),
    await make('departments', { branch_id, code: 'C' }),
  ]
  const person = await addMember(owner, 'member')
  const path = `/api/v1/org/departments/${c}/people/${person.user_id}`
  assert.equal((await person.call('PUT', path)).status, 403)
  assert.equal((await owner.call('PUT', path)).status, 204)
  assert.equal((await owner.call('PUT', path)).status, 204, 'repeated')
  await owner.call('PUT', path.replace(c, b))
  const listed = async () => {
    const people = await owner.call('GET', `/api/v1/org/departments/${c}/people?include_total=true`)
    const departments = await owner.call('GET', `/api/v1/org/people/${person.user_id}/departments`)
    return [people.body.items.map(({ email }: Person) => email), people.body.total, departments.body.items?.length]
  }
  assert.deepEqual(await listed(), [[person.email], 1, 2])

  const member = `/api/v1/organizations/${owner.organization_id}/members/${person.user_id}`
  await owner.call('DELETE', member)
  assert.deepEqual(await listed(), [[], 0, undefined])
  assert.equal((await owner.call('PUT', path)).status, 404, 'not a current member')
  await owner.call('POST', `${member}/restore`)
  assert.deepEqual(await listed(), [[person.email], 1, 2], 'restored with the membership')

  assert.equal((await owner.call('DELETE', path)).status, 204)
  assert.equal((await owner.call('DELETE', path)).status, 404)
  const stranger = await signUp('Globex')
  for (const [department, user] of [
    [LOST, person.user_id],
    [c, LOST],
    [c, stranger.user_id],
  ])
    assert.equal((await owner.call('PUT', `/api/v1/org/departments/${department}/people/${user}`)).status, 404)
  assert.equal((await stranger.call('PUT', path)).status, 404)
})

// Red when: a foreign key of the structure does not cascade with the organization.
test('a personal organization is deleted with its structure and the people in it', async () => {
  const owner = await signUp()
  const make = async (kind: string, body: object): Promise<string> =>
    (await owner.call('POST', `/api/v1/org/${kind}`, { name: 'Any', ...body })).body.id
  const branch_id = await make('branches', { company_id: await make('companies', { code: 'A' }), code: 'B' })
  const above = await make('departments', { branch_id, code: 'A' })
  const below = await make('departments', { branch_id, code: 'B', parent_id: above })
  await owner.call('PUT', `/api/v1/org/departments/${below}/people/${owner.user_id}`)

  const client = await database.system.pool.connect()
  await client.query('begin')
  await client.query(`select set_config('app.organization_id', $1, true)`, [owner.organization_id])
  await client.query('delete from organizations where id = $1', [owner.organization_id])
  await client.query('commit')
  client.release()
  const { rows } = await admin.query(
    `select (select count(*) from companies where organization_id = $1) + (select count(*) from branches where organization_id = $1)
      + (select count(*) from departments where organization_id = $1) + (select count(*) from department_people where organization_id = $1) as count`,
    [owner.organization_id],
  )
  assert.equal(Number(rows[0].count), 0)
})
