import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'

const { call, signUp, logIn, admin } = await createTestApp()
const api = '/api/v1/auth'

interface Device {
  id: string
  user_agent: string
  current: boolean
  trusted_until: string | null
}

test('a user sees their own devices, the newest first, and which one is current', async () => {
  const person = await signUp()
  const from = (user_agent: string, more: object = {}) =>
    call('POST', `${api}/login`, { email: person.email, password: PASSWORD, ...more }, { 'user-agent': user_agent })
  const phone = await from('phone')
  await from('tablet')
  // Signing in again from a known device creates no new one.
  await from('phone, renewed', { device_token: phone.body.device_token })
  const authorization = `Bearer ${phone.body.access_token}`
  const list = await call('GET', `${api}/devices`, undefined, { authorization })
  assert.deepEqual(
    list.body.items.map(({ user_agent, current }: Device) => [user_agent, current]),
    [
      ['tablet', false],
      ['phone, renewed', true],
      ['lightMyRequest', false],
    ],
  )
  const page = await call('GET', `${api}/devices?limit=2`, undefined, { authorization })
  const next = await call('GET', `${api}/devices?limit=2&cursor=${page.body.next_cursor}`, undefined, { authorization })
  assert.deepEqual([...page.body.items, ...next.body.items], list.body.items)
})

// Red when: revokeDevice omits the sessions, or revokes those of all devices.
test('a revoked device leaves the list and loses its trust, its sessions are revoked at once, and others stay', async () => {
  const person = await signUp()
  const [lost, again] = [await logIn(person), await signUp()]
  const devices = async () => (await person.call('GET', `${api}/devices`)).body.items as Device[]
  const { id } = (await devices()).find(({ current }) => !current)!
  await admin.query(`update devices set trusted_until = now() + interval '1 day' where id = $1`, [id])
  assert.notEqual((await devices()).find(device => device.id === id)?.trusted_until, null)
  assert.equal((await again.call('DELETE', `${api}/devices/${id}`)).status, 404)
  assert.equal((await lost.call('GET', `${api}/me`)).status, 200)
  assert.equal((await person.call('DELETE', `${api}/devices/${id}`)).status, 204)
  assert.equal((await lost.call('GET', `${api}/me`)).body.code, 'session-ended')
  assert.equal((await person.call('GET', `${api}/me`)).status, 200)
  assert.equal((await person.call('DELETE', `${api}/devices/${id}`)).status, 404)
  const { rows } = await admin.query(
    `select details ->> 'reason' as reason from security_events where user_id = $1 and type = 'session-revoked'`,
    [person.user_id],
  )
  assert.deepEqual(rows, [{ reason: 'device-revoked' }])
})

// Red when: revokeDevice does not check the session again after waiting.
test('a user can revoke the current device, which revokes the current session, too', async () => {
  const person = await signUp()
  const [{ id }] = (await person.call('GET', `${api}/devices`)).body.items as [Device]
  const answers = await Promise.all([1, 2].map(() => person.call('DELETE', `${api}/devices/${id}`)))
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [204, 401])
  assert.equal((await person.call('GET', `${api}/devices`)).body.code, 'session-ended')
})

// Red when: neither lockUser locks the account nor findDevice the device: revokeDevice then does not wait for a sign-in on it.
test('no session remains on a device that is revoked during a sign-in on it', async () => {
  for (let round = 0; round < 5; round++) {
    const person = await signUp()
    const { body } = await call('POST', `${api}/login`, { email: person.email, password: PASSWORD })
    const { device_token } = body
    const device_id = (
      await admin.query<{ device_id: string }>(
        'select device_id from sessions where user_id = $1 order by id desc limit 1',
        [person.user_id],
      )
    ).rows[0]!.device_id
    const logins = [1, 2, 3, 4].map(() =>
      call('POST', `${api}/login`, { email: person.email, password: PASSWORD, device_token }),
    )
    await Promise.race(logins)
    assert.equal((await person.call('DELETE', `${api}/devices/${device_id}`)).status, 204)
    await Promise.all(logins)
    const { rows } = await admin.query('select from sessions where device_id = $1 and revoked_at is null', [device_id])
    assert.equal(rows.length, 0)
  }
})
