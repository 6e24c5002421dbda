import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const { admin, signUp, addMember } = await createTestApp()
const path = '/api/v1/workspaces'

test('a member creates, changes, archives and deletes a workspace, a viewer reads it, and it is on record', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  const viewer = await addMember(owner, 'viewer')
  const created = await member.call('POST', path, { name: 'Mine', workspace_path: '/workspace/test' })
  assert.equal(created.status, 201)
  const { id, status, project_id, created_by } = created.body
  assert.deepEqual([status, project_id, created_by], ['active', null, member.user_id])
  const own = `${path}/${id}`
  assert.equal(created.headers['location'], own)
  assert.equal((await viewer.call('GET', own)).body.workspace_path, '/workspace/test')
  assert.equal((await viewer.call('POST', path, { name: 'No', workspace_path: '/' })).body.code, 'permission-missing')

  const tag = { 'if-match': created.headers['etag']! }
  assert.equal((await member.call('PATCH', own, { status: 'archived' }, tag)).body.status, 'archived')
  assert.equal((await owner.call('PATCH', own, { name: 'Lost' }, tag)).status, 412)
  // A PUT without a status makes it active again.
  const replaced = await member.call('PUT', own, { name: 'Other', workspace_path: 'relative/dir' })
  assert.deepEqual([replaced.body.status, replaced.body.workspace_path], ['active', 'relative/dir'])
  assert.equal((await member.call('DELETE', own)).status, 204)
  assert.equal((await member.call('GET', own)).status, 404)
  const { body } = await owner.call('GET', `/api/v1/audit-logs?entity_id=${id}`)
  assert.deepEqual(
    body.items.map((entry: { action: string }) => entry.action),
    ['delete', 'update', 'update', 'insert'],
  )
})

test('the list is filtered by status, project and author', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  const project = await owner.call('POST', '/api/v1/projects', { name: 'Apollo' })
  const workspace_path = '/w'
  await owner.call('POST', path, { name: 'a', workspace_path, project_id: project.body.id })
  await owner.call('POST', path, { name: 'b', workspace_path, status: 'archived' })
  await member.call('POST', path, { name: 'c', workspace_path })
  const names = async (query: string) =>
    (await owner.call('GET', `${path}?sort=name&${query}`)).body.items
      .map((item: { name: string }) => item.name)
      .join('')
  assert.equal(await names(''), 'abc')
  assert.equal(await names('status=archived'), 'b')
  assert.equal(await names('status=active'), 'ac')
  assert.equal(await names(`project_id=${project.body.id}`), 'a')
  assert.equal(await names(`created_by=${member.user_id}`), 'c')
})

// Red when: the foreign key deletes the workspace with its project, or would empty organization_id as well.
test('a workspace remains when its project is deleted', async () => {
  const owner = await signUp('Acme')
  const project = await owner.call('POST', '/api/v1/projects', { name: 'Apollo' })
  const made = await owner.call('POST', path, { name: 'a', workspace_path: '/w', project_id: project.body.id })
  assert.equal((await owner.call('DELETE', `/api/v1/projects/${project.body.id}`)).status, 204)
  const { status, body } = await owner.call('GET', `${path}/${made.body.id}`)
  assert.deepEqual([status, body.project_id], [200, null])
})

// Red when: the key names the project's id alone, or its violation is not mapped.
test("another organization's project is refused like a random id", async () => {
  const [acme, globex] = [await signUp('Acme'), await signUp('Globex')]
  const theirs = await globex.call('POST', '/api/v1/projects', { name: 'Theirs' })
  const own = await acme.call('POST', path, { name: 'a', workspace_path: '/w' })
  for (const project_id of [theirs.body.id, randomUUID()]) {
    const refused = [
      await acme.call('POST', path, { name: 'a', workspace_path: '/w', project_id }),
      await acme.call('PATCH', `${path}/${own.body.id}`, { project_id }),
    ]
    for (const { status, body } of refused) {
      assert.equal(status, 422)
      assert.deepEqual(body.errors, [{ pointer: '/project_id', detail: 'is not a project of this organization' }])
    }
  }
})

// Red when: WorkspacePath has no pattern or no length, or the table has no check.
test('a path that leads upwards, is too long or has control characters is refused, by the table as well', async () => {
  const owner = await signUp('Acme')
  for (const workspace_path of [
    '..',
    '../up',
    '/a/../b',
    '/a/..',
    'a/../../b',
    '/a\u0000b',
    '/a\nb',
    '/\u202eb',
    '',
    ' ',
  ]) {
    const { status, body } = await owner.call('POST', path, { name: 'a', workspace_path })
    assert.equal(status, 422, JSON.stringify(workspace_path))
    assert.equal(body.errors[0].pointer, '/workspace_path')
  }
  const long = await owner.call('POST', path, { name: 'a', workspace_path: `/${'a'.repeat(5000)}` })
  assert.deepEqual(long.body.errors, [
    { pointer: '/workspace_path', detail: 'must NOT have more than 1024 characters' },
  ])
  for (const workspace_path of ['/', '.', 'a', '/workspace/test', '/a..b/...', '/wörk/空間', `/${'a'.repeat(1023)}`])
    assert.equal((await owner.call('POST', path, { name: 'a', workspace_path })).status, 201, workspace_path)
  for (const bad of ['..', '/a/../b', '/a/..', 'a\nb', '', 'a'.repeat(1025)])
    await assert.rejects(
      admin.query('insert into workspaces (organization_id, name, workspace_path) values ($1, $2, $3)', [
        owner.organization_id,
        'a',
        bad,
      ]),
      /workspaces_workspace_path_check/,
      JSON.stringify(bad),
    )
})
