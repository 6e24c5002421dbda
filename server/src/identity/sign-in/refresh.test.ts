import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

const { admin, call, signUp, logIn, tokens } = await createTestApp({ DATABASE_POOL_SIZE: '40' })

const refresh = (refresh_token: string) => call('POST', '/api/v1/auth/refresh', { refresh_token })
const sessionOf = ({ access_token }: { access_token: string }) => tokens.verify(access_token).sid

async function readSession(id: string): Promise<{ generation: number; live: boolean; revoked_reason: string | null }> {
  const { rows } = await admin.query(
    'select generation, revoked_at is null as live, revoked_reason from sessions where id = $1',
    [id],
  )
  return rows[0]
}

/** As if every hand-over of the session had happened so much earlier. */
const shift = (id: string, seconds: number) =>
  admin.query(
    'update sessions set rotated_at = array(select moment - make_interval(secs => $2) from unnest(rotated_at) with ordinality as m (moment, place) order by place) where id = $1',
    [id, seconds],
  )

/** Presents the token and demands the next one. */
async function follow(refresh_token: string): Promise<string> {
  const { status, body } = await refresh(refresh_token)
  assert.equal(status, 200, JSON.stringify(body))
  return body.refresh_token
}

// Red when: refresh.ts does not lock the session's row, or rotates at each use (`age === 0` is omitted).
test('a hundred concurrent refreshes of one token give the same successor', async t => {
  const person = await signUp()
  let token = person.refresh_token
  for (let round = 1; round <= 3; round++) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => refresh(token)))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    const successors = new Set(answers.map(({ body }) => body.refresh_token))
    t.diagnostic(`${answers.length} answers, ${successors.size} successor`)
    assert.equal(successors.size, 1)
    assert.deepEqual(new Set(answers.map(({ body }) => sessionOf(body))), new Set([sessionOf(person)]))
    assert.equal((await readSession(sessionOf(person))).generation, 1 + round)
    token = [...successors][0] as string
  }
  assert.equal((await person.call('GET', '/api/v1/users/sessions?include_total=true')).body.total, 1)
})

// Red when: there is no grace period (GRACE_SECONDS = 0 in refresh.ts), or a generation gives a different successor the
// second time.
test('tabs that refresh concurrently, each with its own token, are never signed out', async () => {
  const person = await signUp()
  const tabs = Array.from({ length: 8 }, async () => {
    let token = person.refresh_token
    for (let round = 0; round < 15; round++) {
      token = await follow(token)
      if (round % 4 === 0) await delay(Math.random() * 20)
    }
  })
  await Promise.all(tabs)
  const { live, generation } = await readSession(sessionOf(person))
  assert.equal(live, true)
  assert.ok(generation >= 16, `every tab moved on fifteen times; the session stands at ${generation}`)
})

// Red when: refresh.ts counts the ten seconds also for the previous generation (`age > 1` becomes `age > 0`).
test('a lost response is repeated, however late, until its token is used', async () => {
  const person = await signUp()
  const lost = await follow(person.refresh_token)
  await shift(sessionOf(person), 60)
  assert.equal(await follow(person.refresh_token), lost)
  await shift(sessionOf(person), 3 * 86_400)
  assert.equal(await follow(person.refresh_token), lost)
  assert.equal((await readSession(sessionOf(person))).generation, 2)
  await follow(lost)
})

// Red when: GRACE_SECONDS in refresh.ts is 8 or 11; when the refusal is thrown inside the transaction, which rolls the
// revocation back; when `rotated_at` is read at another place.
test('an older generation is accepted for ten seconds after the rotation of its successor, then it revokes the session', async () => {
  for (const { seconds, generations, isHonoured } of [
    { seconds: 8, generations: 2, isHonoured: true },
    { seconds: 10, generations: 2, isHonoured: false },
    { seconds: 8, generations: 5, isHonoured: true },
    { seconds: 10, generations: 5, isHonoured: false },
  ]) {
    const [person, other] = [await signUp(), await signUp()]
    const second = await logIn(person)
    const id = sessionOf(person)
    const handed = [person.refresh_token]
    for (let n = 0; n < generations; n++) handed.push(await follow(handed.at(-1) as string))
    await shift(id, seconds)
    const replayed = await refresh(person.refresh_token)
    const events = await admin.query(
      `select session_id, details from security_events where type = 'refresh-token-reused' and user_id = $1`,
      [person.user_id],
    )
    const label = `${seconds} s, ${generations} generations`
    if (isHonoured) {
      assert.deepEqual([replayed.status, replayed.body.refresh_token], [200, handed[1]], label)
      assert.deepEqual(events.rows, [], label)
      await follow(handed.at(-1) as string)
      continue
    }
    assert.deepEqual([replayed.status, replayed.body.code], [401, 'invalid-refresh-token'], label)
    assert.deepEqual(await readSession(id), {
      generation: generations + 1,
      live: false,
      revoked_reason: 'refresh-token-reused',
    })
    assert.deepEqual(events.rows, [{ session_id: id, details: { generation: 1, current: generations + 1 } }])
    // The session is revoked for thief and owner, with any token; other users are not affected.
    for (const token of handed) assert.equal((await refresh(token)).body.code, 'invalid-refresh-token')
    assert.equal((await person.call('GET', '/api/v1/auth/me')).body.code, 'session-ended')
    await follow(second.refresh_token)
    await follow(other.refresh_token)
  }
})

// Red when: refresh.ts reads the newest time of `rotated_at` for every generation.
test('a later rotation does not extend the ten seconds of a generation', async () => {
  const person = await signUp()
  const second = await follow(person.refresh_token)
  const third = await follow(second)
  await shift(sessionOf(person), 30)
  await follow(third)
  assert.equal((await refresh(second)).body.code, 'invalid-refresh-token')
  assert.equal((await readSession(sessionOf(person))).revoked_reason, 'refresh-token-reused')
})

const endings: { name: string; end: (person: Person, elsewhere: Person) => Promise<Answer>; everywhere: boolean }[] = [
  {
    name: 'a revocation',
    end: (person, elsewhere) => elsewhere.call('DELETE', `/api/v1/users/sessions/${sessionOf(person)}`),
    everywhere: false,
  },
  { name: 'a logout', end: person => person.call('POST', '/api/v1/auth/logout'), everywhere: false },
  {
    name: 'a logout by refresh token',
    end: person => call('POST', '/api/v1/auth/logout', { refresh_token: person.refresh_token }),
    everywhere: false,
  },
  {
    name: 'a logout everywhere',
    end: (_person, elsewhere) => elsewhere.call('POST', '/api/v1/auth/logout-all'),
    everywhere: true,
  },
]

for (const { name, end, everywhere } of endings) {
  // Red when: refresh.ts's `lockSession` leaves out `revoked_at is null` or the lock.
  test(`refreshes that race ${name} leave no session live that should be revoked, and revoke nothing else`, async t => {
    let [honoured, refused] = [0, 0]
    for (let round = 0; round < 8; round++) {
      const person = await signUp()
      const elsewhere = await logIn(person)
      let token = person.refresh_token
      for (let n = 0; n < round % 3; n++) token = await follow(token)
      const racing = Array.from({ length: 12 }, async (_, n) => {
        await delay(n % 4)
        return refresh(token)
      })
      const ended = delay(round % 4).then(() => end(person, elsewhere))
      const answers = await Promise.all(racing)
      assert.equal((await ended).status, 204)

      const alive = answers.filter(({ status }) => status === 200)
      honoured += alive.length
      refused += answers.length - alive.length
      assert.deepEqual(
        new Set(answers.filter(({ status }) => status !== 200).map(({ body }) => body.code)).difference(
          new Set(['invalid-refresh-token']),
        ),
        new Set(),
      )
      assert.ok(new Set(alive.map(({ body }) => body.refresh_token)).size <= 1, 'no fork')
      assert.equal((await readSession(sessionOf(person))).live, false)
      for (const { body } of alive.slice(0, 2)) {
        assert.equal((await refresh(body.refresh_token)).status, 401)
        const headers = { authorization: `Bearer ${body.access_token}` }
        assert.equal((await call('GET', '/api/v1/auth/me', undefined, headers)).body.code, 'session-ended')
      }
      assert.equal((await refresh(elsewhere.refresh_token)).status, everywhere ? 401 : 200)
      const { rows } = await admin.query(
        `select count(*) from security_events where type = 'refresh-token-reused' and user_id = $1`,
        [person.user_id],
      )
      assert.deepEqual(rows, [{ count: 0 }], 'a race is no theft')
    }
    t.diagnostic(`${honoured} refreshes were in time, ${refused} were not`)
  })
}

test('a token that was tampered with, or signed with another key, is refused and revokes nothing', async () => {
  const person = await signUp()
  const bytes = Buffer.from(person.refresh_token, 'base64url')
  for (const place of [0, 19, 25, bytes.length - 1]) {
    const forged = Buffer.from(bytes)
    forged.writeUInt8(forged.readUInt8(place) ^ 1, place)
    assert.equal((await refresh(forged.toString('base64url'))).body.code, 'invalid-refresh-token')
  }
  for (const token of ['x', person.access_token, `${person.refresh_token}AA`])
    assert.equal((await refresh(token)).body.code, 'invalid-refresh-token')
  await follow(person.refresh_token)
})
