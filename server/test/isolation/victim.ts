import { giveFixtures, makeResources } from './fixtures.ts'
import { listResources } from './operations.ts'
import type { Operation } from './operations.ts'
import { randomWord } from './values.ts'
import type { Person, TestApp } from '../test-app.ts'

export interface Victim {
  owner: Person
  /** A resource of the victim, by its kind. */
  values: Record<string, string>
  /** The key of its license. */
  license_key: string
  rowsOf: { organization_ids: string[]; ids: string[] }
  /** Everything that must never be in a response to another organization. */
  marks: string[]
}

/** Creates a victim by its own requests, with two of everything that lists show. */
export async function createVictim(app: TestApp, operations: readonly Operation[]): Promise<Victim> {
  const word = `globex${randomWord()}`
  const owner = await app.signUp(`Victim ${word}`)
  await app.verify(owner)
  const member = await app.addMember(owner, 'member')
  await owner.call('PATCH', '/api/v1/users/me', { username: word, full_name: `Owner ${word}` })
  await owner.call('PATCH', '/api/v1/users/me/preferences', { custom: { note: word } })
  await app.logIn(owner, owner.organization_id)
  const second = await owner.call('POST', '/api/v1/organizations', { name: `Second ${word}`, slug: `second-${word}` })
  await owner.call('PATCH', `/api/v1/organizations/${owner.organization_id}`, { slug: word })
  const request = `request-${word}`
  const key = `key-${word}`
  const project = await owner.call(
    'POST',
    '/api/v1/projects',
    { name: `Secret ${word}`, slug: word },
    { 'x-request-id': request, 'idempotency-key': key },
  )
  await owner.call('POST', '/api/v1/projects', { name: `Other ${word}` })
  const sessions = await owner.call('GET', '/api/v1/users/sessions')
  const session: string = sessions.body.items.find((one: { current: boolean }) => !one.current).id

  const { user_id, organization_id } = owner
  const { recovery } = app.services.keys
  const { own: fixtures, license_key } = await giveFixtures(app.admin, recovery, { user_id, organization_id, word })
  const own: Record<string, string> = {
    organization: organization_id,
    user: member.user_id,
    project: project.body.id,
    session,
    ...fixtures,
  }
  // Two of each, so that there is a cursor to steal.
  await giveFixtures(app.admin, recovery, { user_id, organization_id, word: `second-${word}` })
  const resources = listResources(operations)
  await makeResources(owner.call, resources, own, `second-${word}`)
  await makeResources(owner.call, resources, own, word)
  // Two people in each department, and two departments for each of them.
  await app.admin.query(
    `insert into department_people (organization_id, department_id, user_id)
    select d.organization_id, d.id, m.user_id from departments d join memberships m using (organization_id) where organization_id = $1`,
    [organization_id],
  )

  const owned = await app.admin.query<{ id: string }>('select id from sessions where user_id = any ($1)', [
    [owner.user_id, member.user_id],
  ])
  const rowsOf = {
    organization_ids: [organization_id, second.body.id as string],
    ids: [organization_id, second.body.id as string, user_id, member.user_id, ...owned.rows.map(({ id }) => id)],
  }
  return {
    owner,
    values: {
      ...own,
      email: owner.email,
      username: word,
      slug: word,
      code: word.toUpperCase(),
      request,
      text: word,
      key,
    },
    license_key,
    rowsOf,
    marks: [...new Set([word, word.toUpperCase(), owner.email, member.email, ...Object.values(own), ...rowsOf.ids])],
  }
}
