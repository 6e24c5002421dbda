import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'

// What one owner does, and the others get by email. In each test, Anna acts, and Ben and Cleo are owners as well.

const { admin, call, database, signUp, addMember, mailTo, verify } = await createTestApp()

const NAME = 'Acme of owners'

async function createTeam() {
  const anna = await signUp(NAME)
  await admin.query(`update users set full_name = 'Anna Berg', email_verified_at = now() where id = $1`, [anna.user_id])
  const [ben, cleo] = [await addMember(anna, 'owner'), await addMember(anna, 'owner')]
  await admin.query(`update users set locale = 'de' where id = $1`, [cleo.user_id])
  const dora = await addMember(anna, 'member')
  const place = `/api/v1/organizations/${anna.organization_id}`
  return { anna, ben, cleo, dora, place, people: [anna, ben, cleo, dora] as const }
}
type Team = Awaited<ReturnType<typeof createTeam>>

const done = async (answering: ReturnType<Person['call']>): Promise<void> => {
  const { status, text } = await answering
  assert.ok(status < 300, text)
}
/** The subjects of the emails about owners that each of them has got since the last call: to Anna, Ben, Cleo and Dora. */
const told = ({ people }: Team) =>
  Promise.all(
    people.map(async ({ email }) => {
      const mails = await mailTo(email)
      return mails.map(({ subject }) => subject.replace(NAME, 'Acme')).join('; ')
    }),
  )
const memberOf = ({ place }: Team, { user_id }: Person) => `${place}/members/${user_id}`

// Red when: tell_owners_of_owner() does not look at one of the columns, leaves out the former owner, or tells the acting one.
test('the other owners get an email about each change of who is an owner, in their language', async () => {
  const team = await createTeam()
  const { anna, ben, cleo, dora, place } = team
  const path = memberOf(team, dora)
  assert.deepEqual(await told(team), ['', '', '', ''], 'joining as anything else is not told')
  for (const [body, subject, german, toHerself] of [
    [{ role: 'owner' }, 'Acme has another owner', 'Acme hat einen weiteren Eigentümer', false],
    [{ title: 'Boss' }, '', '', false],
    [{ role: 'admin' }, 'Acme has one owner fewer', 'Acme hat einen Eigentümer weniger', true],
    [{ role: 'viewer' }, '', '', false],
    [{ role: 'owner' }, 'Acme has another owner', 'Acme hat einen weiteren Eigentümer', false],
    [{ status: 'disabled' }, 'An owner of Acme was disabled', 'Ein Eigentümer von Acme wurde deaktiviert', true],
    [{ status: 'active' }, 'Acme has another owner', 'Acme hat einen weiteren Eigentümer', false],
  ] as const) {
    await done(anna.call('PATCH', path, body))
    assert.deepEqual(await told(team), ['', subject, german, toHerself ? subject : ''], JSON.stringify(body))
  }
  await done(anna.call('DELETE', path))
  const removed = await mailTo(ben.email)
  assert.match(removed[0]!.subject, /An owner of .* was removed/)
  const text = removed[0]!.text.replaceAll('\u2060', '')
  assert.match(text, new RegExp(`Anna Berg \\(${anna.email}\\) removed ${dora.email} from ${NAME}`))
  assert.match(text, /If the owners did not agree on this, ask Anna Berg/)
  const [own] = await mailTo(dora.email)
  assert.match(own!.text, /removed you from .*\. You were an owner\.[^]*another owner of the organization/)
  await told(team)
  await done(anna.call('POST', `${path}/restore`))
  assert.match((await told(team))[1]!, /has another owner/)

  // What owners do to themselves, and what concerns no owner.
  await done(cleo.call('PATCH', memberOf(team, cleo), { role: 'admin' }))
  await done(dora.call('POST', `${place}/leave`))
  assert.ok((await told(team)).every(subjects => !/owner|Eigentümer/.test(subjects)))
})

test('the other owners get an email when the organization is transferred, to a member or to an owner', async () => {
  const team = await createTeam()
  const { anna, ben, dora, place } = team
  await done(anna.call('POST', `${place}/transfer`, { user_id: dora.user_id }))
  const [mail] = await mailTo(dora.email)
  assert.match(mail!.text, /to you: you are an owner now, and Anna Berg .* is an administrator/)
  assert.deepEqual(await told(team), ['', 'Acme was transferred', 'Acme wurde übertragen', ''])
  await done(ben.call('POST', `${place}/transfer`, { user_id: dora.user_id }))
  assert.deepEqual(await told(team), ['', '', 'Acme wurde übertragen', 'Acme was transferred'])
})

test('the other owners get an email when the organization is deleted, or requires no second factor any more', async () => {
  const team = await createTeam()
  const { anna, place } = team
  await admin.query(
    `with factor as (update sessions set second_factor_at = now() where user_id = $1)
    update organizations set second_factor_required = true where id = $2`,
    [anna.user_id, anna.organization_id],
  )
  assert.deepEqual(await told(team), ['', '', '', ''])
  for (let time = 0; time < 2; time++) await done(anna.call('PATCH', place, { second_factor_required: false }))
  const subjects = ['Acme requires no second factor any more', 'Acme verlangt keinen zweiten Faktor mehr']
  assert.deepEqual(await told(team), ['', ...subjects, ''], 'once')
  await done(anna.call('DELETE', place))
  assert.deepEqual(await told(team), ['', 'Acme was deleted', 'Acme wurde gelöscht', ''])
})

// Red when: the trigger `owner_added` is missing, or asks for a session.
test('a person who accepts an invitation as an owner, with an account or without, is made known to the owners', async () => {
  const team = await createTeam()
  const { anna, place } = team
  const known = await signUp()
  await verify(known)
  for (const email of [known.email, `new-${randomUUIDv7()}@example.com`]) {
    await done(anna.call('POST', `${place}/invitations`, { email, role: 'owner' }))
    const { token } = (await mailTo(email)).at(-1)!
    if (email === known.email) await done(known.call('POST', '/api/v1/invitations/accept', { token }))
    else await done(call('POST', '/api/v1/invitations/accept', { token, password: PASSWORD }))
    const [mail] = await mailTo(team.ben.email)
    assert.match(
      mail!.text.replaceAll('\u2060', ''),
      new RegExp(`${email} became an owner of .*by accepting an invitation`),
    )
    const [own] = await mailTo(anna.email)
    assert.match(own!.subject, /has another owner/, 'Anna invited, and did not accept')
  }
})

// Red when: tell_owners() takes the actor from the context, or a trigger asks for the address of the client.
test('raw SQL changes no owner unseen, and names no one else', async () => {
  const team = await createTeam()
  const { anna, ben, dora } = team
  const client = await database.tenant.pool.connect()
  try {
    const { rows } = await admin.query('select id from sessions where user_id = $1 order by id limit 1', [anna.user_id])
    await client.query('begin')
    await client.query(
      `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', 'members:write', true),
        set_config('app.context', jsonb_build_object('user_id', $3::uuid, 'ip', '', 'request_id', 'x')::text, true)`,
      [rows[0].id, anna.organization_id, ben.user_id],
    )
    await client.query(`update memberships set role = 'owner' where organization_id = $1 and user_id = $2`, [
      anna.organization_id,
      dora.user_id,
    ])
    await client.query('commit')
  } finally {
    client.release()
  }
  const [mail] = await mailTo(ben.email)
  assert.match(mail!.text, /through Anna Berg/)
})

// Red when: tell_owners() does not count, or counts the events of operators.
test('an owner who changes the same again and again is told ten times an hour', async () => {
  const team = await createTeam()
  const { anna, ben, dora } = team
  const path = memberOf(team, dora)
  for (let time = 0; time < 12; time++)
    for (const role of ['owner', 'viewer']) await done(anna.call('PATCH', path, { role }))
  assert.equal((await mailTo(ben.email)).length, 20)
  const { rowCount } = await admin.query(`select from security_events where user_id = $1 and type = 'owner-added'`, [
    ben.user_id,
  ])
  assert.equal(rowCount, 12)
})
