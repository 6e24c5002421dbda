import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { Scope } from '../src/platform/database/scope.ts'
import { Problem } from '../src/platform/problems.ts'
import { onTestDatabase, request, startServiceProcess, waitUntil } from './programs/service-process.ts'
import { say } from './concurrency/tenant-load.ts'
import { createTestApp } from './test-app.ts'
import type { Person } from './test-app.ts'

const { admin, database, signUp, logIn, addMember, tokens } = await createTestApp({ DATABASE_POOL_SIZE: '16' })
const [here, there] = await Promise.all([startServiceProcess(onTestDatabase()), startServiceProcess(onTestDatabase())])
after(() => Promise.all([here.end('SIGTERM'), there.end('SIGTERM')]))

/** A test that takes longer waits for something that does not happen. */
const limit = { timeout: 300_000 }

/**
 * An operator's transaction that stays open while `work` runs; `blocks` resolves when another transaction waits for it.
 * It always ends with `work`, so that nothing waits for it forever.
 */
async function holding<Result>(
  work: (client: pg.PoolClient, blocks: () => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const client = await admin.connect()
  try {
    const { rows } = await client.query(`select pg_backend_pid() as pid, set_config('lock_timeout', '60s', false)`)
    const waiting = 'select from pg_stat_activity where $1 = any (pg_blocking_pids(pid))'
    await client.query('begin')
    return await work(client, () => waitUntil(async () => (await admin.query(waiting, [rows[0].pid])).rowCount !== 0))
  } finally {
    client.release(true) // closes the connection, and so ends an open transaction
  }
}

const as = ({ access_token }: Person) => ({ authorization: `Bearer ${access_token}` })
const scopeOf = ({ access_token, organization_id, user_id }: Person, permission = 'projects:write'): Scope => {
  const { sid } = tokens.verify(access_token)
  return {
    session_id: sid,
    organization_id,
    permission,
    origin: { user_id, request_id: 'revocation', ip: '', user_agent: '' },
  }
}
const codeOf = (error: unknown): string => (error instanceof Problem ? error.code : String(error))

/**
 * Every way to remove a member's right to write: what does it, in one process, and how the other process then refuses.
 */
const revocations: {
  name: string
  code: string
  revoke: (owner: Person, member: Person, url: string) => Promise<unknown>
}[] = [
  {
    name: 'revoking the session',
    code: 'session-ended',
    revoke: async (_owner, member, url) => {
      const elsewhere = await logIn(member)
      return expect204(
        request(
          url,
          'DELETE',
          `/api/v1/users/sessions/${tokens.verify(member.access_token).sid}`,
          undefined,
          as(elsewhere),
        ),
      )
    },
  },
  {
    name: 'logging out',
    code: 'session-ended',
    revoke: (_owner, member, url) => expect204(request(url, 'POST', '/api/v1/auth/logout', undefined, as(member))),
  },
  {
    name: 'logging out everywhere',
    code: 'session-ended',
    revoke: (_owner, member, url) => expect204(request(url, 'POST', '/api/v1/auth/logout-all', undefined, as(member))),
  },
  {
    name: 'disabling the user',
    code: 'session-ended',
    revoke: (_owner, member) => admin.query('update users set disabled_at = now() where id = $1', [member.user_id]),
  },
  {
    name: 'ending the membership',
    code: 'membership-ended',
    revoke: (owner, member, url) =>
      expect204(
        request(
          url,
          'DELETE',
          `/api/v1/organizations/${owner.organization_id}/members/${member.user_id}`,
          undefined,
          as(owner),
        ),
      ),
  },
  {
    name: 'lowering the role',
    code: 'permission-missing',
    revoke: async (owner, member, url) => {
      const { status } = await request(
        url,
        'PATCH',
        `/api/v1/organizations/${owner.organization_id}/members/${member.user_id}`,
        { role: 'viewer' },
        as(owner),
      )
      assert.equal(status, 200)
    },
  },
  {
    name: 'removing the permission from the custom role',
    code: 'permission-missing',
    revoke: async (owner, member, url) => {
      const path = await giveCustomRole(owner, member)
      assert.equal((await request(url, 'PATCH', path, { permissions: [] }, as(owner))).status, 200)
    },
  },
  {
    name: 'giving a custom role without the permission',
    code: 'permission-missing',
    revoke: async (owner, member, url) => {
      const path = `/api/v1/organizations/${owner.organization_id}`
      const { body } = await request(url, 'POST', `${path}/roles`, { name: 'Guests', permissions: [] }, as(owner))
      const change = { role_id: (body as { id: string }).id }
      assert.equal((await request(url, 'PATCH', `${path}/members/${member.user_id}`, change, as(owner))).status, 200)
    },
  },
  {
    name: 'closing the organization',
    code: 'membership-ended',
    revoke: (owner, _member, url) =>
      expect204(request(url, 'DELETE', `/api/v1/organizations/${owner.organization_id}`, undefined, as(owner))),
  },
  {
    name: 'requiring a second factor',
    code: 'second-factor-required',
    revoke: (owner, _member, url) => demandSecondFactor(url, owner),
  },
  {
    name: 'losing the required second factor',
    code: 'second-factor-required',
    revoke: async (owner, member, url) => {
      await proveSecondFactor(member)
      await demandSecondFactor(url, owner)
      await admin.query('update sessions set second_factor_at = null where user_id = $1', [member.user_id])
    },
  },
]

/** Gives the member a custom role that may write projects. @returns the path of the role */
async function giveCustomRole(owner: Person, member: Person): Promise<string> {
  const path = `/api/v1/organizations/${owner.organization_id}`
  const role = await owner.call('POST', `${path}/roles`, { name: 'Writers', permissions: ['projects:write'] })
  const given = await owner.call('PATCH', `${path}/members/${member.user_id}`, { role_id: role.body.id })
  assert.equal(given.status, 200, given.text)
  return `${path}/roles/${role.body.id}`
}

const proveSecondFactor = ({ user_id }: Person) =>
  admin.query('update sessions set second_factor_at = now() where user_id = $1', [user_id])

async function demandSecondFactor(url: string, owner: Person): Promise<void> {
  await proveSecondFactor(owner)
  const path = `/api/v1/organizations/${owner.organization_id}`
  const { status, body } = await request(url, 'PATCH', path, { second_factor_required: true }, as(owner))
  assert.equal(status, 200, JSON.stringify(body))
}

async function expect204(answer: ReturnType<typeof request>): Promise<void> {
  const { status, body } = await answer
  assert.equal(status, 204, JSON.stringify(body))
}

const countOf = async (person: Person, slug: string): Promise<number[]> => {
  const { rows } = await admin.query(
    `select (select count(*) from projects where organization_id = $1 and slug = $2) as projects,
      (select count(*) from audit_log where organization_id = $1 and after ->> 'slug' = $2) as events`,
    [person.organization_id, slug],
  )
  return [rows[0].projects, rows[0].events]
}

/** Every way to close a user's gate, as one statement of another user. */
const closings = {
  session: (person: Person) => [
    'update sessions set revoked_at = now() where id = $1',
    [tokens.verify(person.access_token).sid],
  ],
  person: ({ user_id }: Person) => ['update users set disabled_at = now() where id = $1', [user_id]],
  membership: ({ organization_id, user_id }: Person) => [
    'update memberships set deleted_at = now() where organization_id = $1 and user_id = $2',
    [organization_id, user_id],
  ],
  role: ({ organization_id, user_id }: Person) => [
    `update memberships set role = 'viewer' where organization_id = $1 and user_id = $2`,
    [organization_id, user_id],
  ],
  permission: ({ organization_id, user_id }: Person) => [
    `delete from custom_role_permissions where permission = 'projects:write'
      and (organization_id, role_id) in (select organization_id, role_id from memberships where organization_id = $1 and user_id = $2)`,
    [organization_id, user_id],
  ],
  organization: ({ organization_id }: Person) => [
    'update organizations set deleted_at = now() where id = $1',
    [organization_id],
  ],
  secondFactor: ({ organization_id }: Person) => [
    'update organizations set second_factor_required = true where id = $1',
    [organization_id],
  ],
} satisfies Record<string, (person: Person) => [string, string[]]>

for (const { name, code, revoke } of revocations) {
  // Red when: platform/gate/gate.sql's `gate` or `self` leaves out the condition on what is revoked, or something
  // stores the gate's answer for later, such as a cache of sessions in platform/database/database.ts.
  test(`after ${name} at one process, the very next requests at the other are refused`, limit, async () => {
    for (let round = 0; round < 4; round++) {
      const owner = await signUp('Acme')
      const member = await addMember(owner, 'member')
      const ask = (url: string, method: string, body?: object) =>
        request(url, method, '/api/v1/projects', body, as(member))
      // Both processes have served this token.
      for (const { url } of [here, there]) assert.equal((await ask(url, 'POST', { name: 'Before' })).status, 201)
      await revoke(owner, member, here.url)
      const next = await Promise.all(
        [there, there, here, there, here].map(({ url }) => ask(url, 'POST', { name: 'After' })),
      )
      assert.deepEqual(
        next.map(answer => answer.body.code),
        Array(5).fill(code),
      )
      if (code !== 'permission-missing') assert.equal((await ask(there.url, 'GET')).body.code, code)
    }
  })

  // Red when: platform/gate/organization-table.sql creates no `still_open` trigger, or makes it immediate instead of
  // deferred.
  test(`what runs during ${name} commits nothing after it`, limit, async () => {
    const owner = await signUp('Acme')
    const member = await addMember(owner, 'member')
    const insert = (slug: string) =>
      say(
        'insert into projects (organization_id, name, slug, created_by) values ($1, $2, $2, $3) returning id',
        member.organization_id,
        slug,
        member.user_id,
      )
    const refused = await holding(async (client, blocks) => {
      await client.query('select pg_advisory_xact_lock(1)')
      // The row is written first and the statement waits after it: the gate was open for everything that it did.
      const statement = database.tenant.run(
        scopeOf(member),
        say(
          `with written as (insert into projects (organization_id, name, slug, created_by) values ($1, 'slow', 'slow', $2) returning id),
            waited as materialized (select id, pg_advisory_xact_lock_shared(1) from written)
          select id from waited`,
          member.organization_id,
          member.user_id,
        ),
      )
      const [written, revoked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const transaction = database.tenant.transaction(scopeOf(member), async ({ run }) => {
        await run(insert('held'))
        written.resolve()
        await revoked.promise
      })
      const outcomes = Promise.all([statement, transaction].map(work => work.then(() => 'committed', codeOf)))
      await blocks()
      await Promise.race([written.promise, transaction])
      await revoke(owner, member, here.url).finally(revoked.resolve)
      await client.query('commit')
      return outcomes
    })
    assert.deepEqual(refused, [code, code])
    assert.deepEqual(
      [await countOf(member, 'slow'), await countOf(member, 'held')],
      [
        [0, 0],
        [0, 0],
      ],
    )
  })
}

// Red when: `still_open` accepts a transaction because it has changed the organization's row or its own membership.
test('a change of the rows that the gate reads does not count as closing the caller’s own gate', limit, async () => {
  const changes = [
    // The ways that are left out would wait for the row that is being changed.
    {
      permission: 'organization:write',
      change: `update organizations set name = 'Taken over' where id = $1 and $2 <> '' returning id`,
      ways: ['session', 'person', 'membership', 'role'],
    },
    {
      permission: 'members:write',
      change: `update memberships set title = 'Usurper' where organization_id = $1 and user_id::text = $2 returning title`,
      ways: ['session', 'person', 'organization'],
    },
  ] as const
  for (const { permission, change, ways } of changes) {
    for (const way of ways) {
      const member = await addMember(await signUp('Acme'), 'admin')
      const work = database.tenant.transaction(scopeOf(member, permission), async ({ run }) => {
        assert.equal((await run(say(change, member.organization_id, member.user_id))).length, 1)
        await admin.query(...closings[way](member))
      })
      assert.match(
        await work.then(() => 'committed', codeOf),
        /^(session-ended|membership-ended|permission-missing)$/,
        `${permission} ${way}`,
      )
    }
  }
})

// Red when: `lock_revocation` in platform/gate/gate.sql does not check the gate again once it has the lock.
test('an owner who loses the role at the same time cannot transfer the organization', limit, async () => {
  const first = await signUp('Acme')
  const [second, friend] = [await addMember(first, 'owner'), await addMember(first, 'member')]
  const handing = await holding(async (client, blocks) => {
    await client.query(`update memberships set role = 'viewer' where organization_id = $1 and user_id = $2`, [
      second.organization_id,
      second.user_id,
    ])
    const answer = second.call('POST', `/api/v1/organizations/${second.organization_id}/transfer`, {
      user_id: friend.user_id,
    })
    await blocks()
    await client.query('commit')
    return answer
  })
  assert.equal(handing.status, 403)
  const { rows } = await admin.query('select user_id from memberships where organization_id = $1 and role = $2', [
    first.organization_id,
    'owner',
  ])
  assert.deepEqual(rows, [{ user_id: first.user_id }])
})

// Red when: `lockMember` in directory/members/members.ts takes the role from the gate, or does not lock the caller's
// row.
test('an owner who loses the role at the same time can make no one an owner, not even themself', limit, async () => {
  const first = await signUp('Acme')
  const path = `/api/v1/organizations/${first.organization_id}/members`
  const rowOf = 'from memberships where organization_id = $1 and user_id = $2'
  for (const whom of ['friend', 'self']) {
    // Rows are locked in the order of users' ids: the friend, who is older, before the caller.
    const [friend, second] = [await addMember(first, 'member'), await addMember(first, 'owner')]
    const { user_id } = whom === 'self' ? second : friend
    const { status, body } = await holding(async (client, blocks) => {
      await client.query(`select ${rowOf} for update`, [first.organization_id, user_id])
      const promoting = second.call('PATCH', `${path}/${user_id}`, { role: 'owner' })
      await blocks()
      const lowered = `update memberships set role = 'admin' where organization_id = $1 and user_id = $2`
      await (whom === 'self' ? client : admin).query(lowered, [first.organization_id, second.user_id])
      await client.query('commit')
      return promoting
    })
    assert.deepEqual([status, body.code], [403, 'owner-required'], whom)
  }
  const owners = await first.call('GET', `${path}?role=owner`)
  assert.deepEqual(
    owners.body.items.map((member: { user_id: string }) => member.user_id),
    [first.user_id],
  )
})

// A strict order without clocks: before it commits, the revoking transaction itself reads everything that has been
// committed so far. Every row that exists in the end and is missing there was committed after the revocation.
// Red when: the triggers named `revocation` in platform/gate/gate.sql do not take the lock, or `still_open` does not
// share it.
test('of many writers that race a revocation, none commits after it', limit, async t => {
  let [written, refused] = [0, 0]
  for (const [name, close] of Object.entries(closings)) {
    for (let round = 0; round < 6; round++) {
      const owner = await signUp('Acme')
      const member = await addMember(owner, 'member')
      if (name === 'permission') await giveCustomRole(owner, member)
      const insert = () =>
        say(
          'insert into projects (organization_id, name, slug) values ($1, $2, $2) returning id',
          member.organization_id,
          crypto.randomUUID(),
        )
      const writers = Array.from({ length: 10 }, async (_, writer) => {
        for (let n = 0; n < 500; n++) {
          const work =
            writer % 2 === 0
              ? database.tenant.run(scopeOf(member), insert())
              : database.tenant.transaction(scopeOf(member), async ({ run }) => {
                  await run(insert())
                  if (n % 3 === 0) await delay(Math.random() * 5)
                  await run(insert())
                })
          const code = await work.then(() => 'written', codeOf)
          if (code !== 'written') return code
          written++
        }
        return 'never refused'
      })
      await delay(20 + Math.random() * 60)
      const [before, codes, afterwards] = await holding(async client => {
        const read = (where: string, ...values: unknown[]) =>
          client.query(`select id from audit_log where organization_id = $1 ${where} order by id`, [
            member.organization_id,
            ...values,
          ])
        await client.query(...close(member))
        const { rows: seen } = await read('')
        await delay(Math.random() * 20)
        await client.query('commit')
        const ends = await Promise.all(writers)
        const own = `entity_type = 'projects' and xmin <> (select xmin from audit_log where id = $2)`
        return [seen, ends, (await read(`and ${own}`, seen.at(-1).id)).rows]
      })
      const known = new Set(before.map(({ id }) => id))
      assert.deepEqual(
        afterwards.filter(({ id }) => !known.has(id)),
        [],
        `${name}, round ${round}`,
      )
      assert.ok(
        codes.every(code =>
          ['session-ended', 'membership-ended', 'permission-missing', 'second-factor-required'].includes(code),
        ),
        codes.join(),
      )
      refused += codes.length
    }
  }
  t.diagnostic(`${written} writes committed before a revocation, ${refused} writers refused by it`)
})
