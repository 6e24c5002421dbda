import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'

// The organization of a session: a session stores the organization that it chose last, and a sign-in chooses one.

const app = await createTestApp()
const { admin, call, mailTo, signUp, verify, tokens } = app
const auth = '/api/v1/auth'

/** Someone who may invite: the own address is verified. */
async function newOwner(name: string): Promise<Person> {
  const owner = await signUp(name)
  await verify(owner)
  return owner
}

/** Invites an address and accepts by the link in the mail; with a password, an account is made for it. */
async function join(owner: Person, email: string, password?: string): Promise<void> {
  const invitations = `/api/v1/organizations/${owner.organization_id}/invitations`
  assert.equal((await owner.call('POST', invitations, { email, role: 'member' })).status, 202)
  const { token } = (await mailTo(email)).at(-1)!
  const accepted = await call('POST', '/api/v1/invitations/accept', { token, ...(password && { password }) })
  assert.equal(accepted.status, 200, accepted.text)
}

/** Someone with a verified address, who is signed in where they signed up. */
async function newMember(): Promise<Person> {
  const person = await signUp()
  await verify(person)
  return person
}

/** A session of its own: signs in, and names the organization of each step. */
async function newSession({ email }: { email: string }, organization_id?: string) {
  const login = await call('POST', `${auth}/login`, { email, password: PASSWORD, organization_id })
  assert.equal(login.status, 200, login.text)
  let { access_token, refresh_token } = login.body
  return {
    organization_id: login.body.organization.id as string,
    call: (method: string, path: string, body?: unknown) =>
      call(method, path, body, { authorization: `Bearer ${access_token}` }),
    /** @returns the organization of the answer, which is that of the token */
    refresh: async (named?: string): Promise<string> => {
      const { status, body, text } = await call('POST', `${auth}/refresh`, { refresh_token, organization_id: named })
      assert.equal(status, 200, text)
      ;({ access_token, refresh_token } = body)
      assert.equal(tokens.verify(access_token).organization_id, body.organization.id)
      return body.organization.id
    },
    switchTo: async (id: string): Promise<void> => {
      const { status, body, text } = await call(
        'POST',
        `${auth}/switch-organization`,
        { organization_id: id },
        { authorization: `Bearer ${access_token}` },
      )
      assert.equal(status, 200, text)
      ;({ access_token } = body)
    },
  }
}

const leave = (person: Person, owner: Person) =>
  owner.call('DELETE', `/api/v1/organizations/${owner.organization_id}/members/${person.user_id}`)

// Red when: switchOrganization leaves the session as it is; rotate prefers the account's last organization to the session's.
test('a session stays in the organization that it switched to, and other sessions do not change', async () => {
  const person = await newMember()
  const owner = await newOwner('Acme')
  await join(owner, person.email)
  const [tab, elsewhere] = [
    await newSession(person, person.organization_id),
    await newSession(person, person.organization_id),
  ]
  await tab.switchTo(owner.organization_id)
  assert.equal(await tab.refresh(), owner.organization_id)
  const made = await tab.call('POST', '/api/v1/projects', { name: 'Written after the refresh' })
  assert.equal(made.body.organization_id, owner.organization_id)
  assert.equal(await tab.refresh(), owner.organization_id)
  assert.equal(await elsewhere.refresh(), person.organization_id)
  assert.equal((await newSession(person)).organization_id, owner.organization_id, 'where a session was active last')
})

// Red when: rotate stores no organization, or overwrites that of the session although none was requested.
test('a refresh that names an organization is remembered, and tabs that name theirs do not move each other', async () => {
  const owner = await signUp('Acme')
  const second: string = (await owner.call('POST', '/api/v1/organizations', { name: 'Second' })).body.id
  const session = await newSession(owner, owner.organization_id)
  assert.equal(await session.refresh(second), second)
  assert.equal(await session.refresh(), second)
  for (const named of [owner.organization_id, second, owner.organization_id])
    assert.equal(await session.refresh(named), named)
  assert.equal(await session.refresh(), owner.organization_id)
  assert.equal((await newSession(owner)).organization_id, owner.organization_id)
})

// Red when: handOn writes only for the next generation.
test('a refresh that is repeated remembers the organization that it names, too', async () => {
  const owner = await signUp('Acme')
  const second: string = (await owner.call('POST', '/api/v1/organizations', { name: 'Second' })).body.id
  const { refresh_token } = owner
  await call('POST', `${auth}/refresh`, { refresh_token })
  const again = await call('POST', `${auth}/refresh`, { refresh_token, organization_id: second })
  assert.equal(again.body.organization.id, second)
  const next = await call('POST', `${auth}/refresh`, { refresh_token: again.body.refresh_token })
  assert.equal(next.body.organization.id, second)
})

// Red when: chooseOrganization ignores deleted_at of the membership; rotate does not store the organization that it
// chose instead.
test('when the membership of the stored organization has ended, the sign-in rule decides and the response shows it', async () => {
  const person = await newMember()
  const [owner, other] = [await newOwner('Acme'), await newOwner('Globex')]
  await join(owner, person.email)
  await join(other, person.email)
  const session = await newSession(person, owner.organization_id)
  assert.equal((await leave(person, owner)).status, 204)
  assert.equal(await session.refresh(), other.organization_id, 'joined by invitation, and opened by no session yet')
  assert.equal((await session.call('GET', '/api/v1/projects')).status, 200)
  await join(owner, person.email)
  assert.equal(await session.refresh(), other.organization_id, 'what it chose instead, it remembers')
  assert.equal((await leave(person, other)).status, 204)
  assert.equal(await session.refresh(), owner.organization_id)
  assert.equal((await leave(person, owner)).status, 204)
  assert.equal(await session.refresh(), person.organization_id, 'nothing is left but the personal one')
})

// Red when: acceptInvitation does not announce the organization; preferredOrganizations omits the unopened ones.
test('an invited user signs in to the organization that they have just joined, with or without an earlier account', async () => {
  const owner = await newOwner('Acme')
  const email = `invited-${randomUUID()}@example.com`
  await join(owner, email, PASSWORD)
  assert.equal((await newSession({ email })).organization_id, owner.organization_id)

  const person = await newMember()
  await join(owner, person.email)
  const kept = await call('POST', `${auth}/refresh`, { refresh_token: person.refresh_token })
  assert.equal(kept.body.organization.id, person.organization_id, 'a session that is open stays where it is')
  const session = await newSession(person)
  assert.equal(session.organization_id, owner.organization_id)
  await session.switchTo(person.organization_id)
  assert.equal((await newSession(person)).organization_id, person.organization_id, 'opened once, it is one of several')
})

// Red when: preferredOrganizations puts the oldest first, or open_organization() empties the list.
test('of several joined organizations the newest comes first, each until a session has opened it', async () => {
  const person = await newMember()
  const owners = [await newOwner('One'), await newOwner('Two'), await newOwner('Three'), await newOwner('Four')]
  for (const owner of owners) await join(owner, person.email)
  const [one, two, three, four] = owners.map(({ organization_id }) => organization_id) as [
    string,
    string,
    string,
    string,
  ]
  const session = await newSession(person, person.organization_id)
  await session.switchTo(four)
  assert.equal(await session.refresh(two), two)
  assert.equal((await newSession(person)).organization_id, three, 'four was opened by switching')
  assert.equal((await newSession(person)).organization_id, one, 'two by a refresh, three by a sign-in')
  assert.equal((await newSession(person)).organization_id, one, 'now all are open, and this was the last')
})

// Red when: announceOrganization does not remove an earlier entry, or join does not announce a former member.
test('a user who joins again after a removal signs in to that organization again', async () => {
  const person = await newMember()
  const [owner, other] = [await newOwner('Acme'), await newOwner('Globex')]
  await join(owner, person.email)
  await join(other, person.email)
  assert.equal((await leave(person, owner)).status, 204)
  assert.equal((await newSession(person)).organization_id, other.organization_id)
  await join(owner, person.email)
  const { rows } = await admin.query('select unopened_organization_ids as ids from users where id = $1', [
    person.user_id,
  ])
  assert.deepEqual(rows, [{ ids: [owner.organization_id] }])
  assert.equal((await newSession(person)).organization_id, owner.organization_id)
})

// Red when: chooseOrganization uses only the name or the age.
test('without a hint a sign-in goes to the oldest team, and to the personal organization where there is no team', async () => {
  const person = await newMember()
  const teams: string[] = []
  for (const name of ['Older', 'Newer'])
    teams.push((await person.call('POST', '/api/v1/organizations', { name })).body.id)
  const forget = () => admin.query('update users set last_organization_id = null where id = $1', [person.user_id])
  await forget()
  assert.equal((await newSession(person)).organization_id, teams[0])
  await admin.query('update organizations set deleted_at = now() where id = any ($1)', [teams])
  assert.equal((await newSession(person)).organization_id, person.organization_id)
})

// Red when: the policy `choice` does not compare the session; the tenant login is granted another column of sessions.
test('a session can change only its own organization', async () => {
  const owner = await signUp('Acme')
  const second: string = (await owner.call('POST', '/api/v1/organizations', { name: 'Second' })).body.id
  const [session, other] = [
    await newSession(owner, owner.organization_id),
    await newSession(owner, owner.organization_id),
  ]
  const sid = async ({ call: request }: typeof session) =>
    (await request('GET', `${auth}/me`)).body.session.id as string
  const [own_id, other_id] = [await sid(session), await sid(other)]
  const scope = { session_id: own_id, origin: { request_id: 'test', ip: '', user_agent: '' } }
  const move = (id: string) => ({
    sql: 'update sessions set organization_id = $2 where id = $1 returning id',
    parameters: [id, second],
    read: (rows: object[]) => rows.length,
    refusals: {},
  })
  const moved = (id: string) => app.database.tenant.run(scope, move(id) as never).catch(({ code }) => code as string)
  assert.equal(await moved(own_id), 1)
  assert.equal(await moved(other_id), '42501')
  assert.equal(await other.refresh(), owner.organization_id)
})
