import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createArenas } from './concurrency/arenas.ts'
import type { Author } from './concurrency/arenas.ts'
import { accessOf, listActions } from './concurrency/lock-order.ts'
import type { Action } from './concurrency/lock-order.ts'
import { createHolder, installWatch, watch } from './concurrency/lock-watch.ts'
import type { Deadlock } from './concurrency/lock-watch.ts'
import { takeSome, tellSeed } from './concurrency/sample.ts'
import { createTestApp } from './test-app.ts'

// Every operation that revokes access runs at the same time as every operation that writes, each pair in its own small
// world: they may not deadlock, and after the response to the revocation the other may not write. The order of locks is
// in docs/guides/isolation.md. LOCK_ORDER_ROUNDS: how often each pair is run.

const ROUNDS = Number(process.env['LOCK_ORDER_ROUNDS'] ?? 1)
const LANES = 10
/** What a short run takes of the pairs of two revocations, and of the others; a long run takes all. */
const SHARES = [1 / 2, 1 / 9] as const

interface Pair {
  revoking: Action
  other: Action
  /** Who sends the other one; the revocation is sent by the first. */
  author: Author
}

const nameOf = ({ revoking, other, author }: Pair): string => `${revoking.name} × ${other.name} by ${author}`

/** The pairs that deadlocked before there was one order of locks, or do if a single statement leaves it: run more often. */
const KNOWN = [
  'deleteAccount × createProject by first',
  'deleteAccount × suspendLicense by first',
  'deleteAccount × updateMember by second',
  'deleteAccount × logOutEverywhere by first',
  'deleteAccount × transferOrganization by second',
  'logOutEverywhere × confirmTotp by first',
  'updateMember (role of the other owner lowered) × transferOrganization by first',
  'removeMember × transferOrganization by first',
  'updateOrganization (second factor required) × updateMember (role of the other owner lowered) by second',
]

function listPairs(actions: readonly Action[]): Pair[] {
  const revoking = actions.filter(({ closes }) => closes !== undefined)
  return revoking.flatMap((revocation, index) =>
    actions
      // Each pair of two revocations once.
      .filter(action => action.closes === undefined || revoking.indexOf(action) >= index)
      .flatMap(other => other.authors.map((author): Pair => ({ revoking: revocation, other, author })))
      .filter(({ other, author }) => other.meets === undefined && (revocation.meets ?? author) === author),
  )
}

// Red when: deleteAccount (identity/leaving/leaving.ts) changes the user before it locks memberships and organizations;
// lockMember (directory/members/members.ts) locks in another order than that of users' ids; revokeOwnSessions
// (directory/sessions/ sessions.ts) does not lock the account; lock_revocation() (platform/gate/gate.sql) takes an
// organization's key before a user's.
test(
  'a revocation and any other change do not deadlock, and nothing is written after the revocation',
  { timeout: 120_000 + ROUNDS * 120_000 },
  async t => {
    tellSeed(t)
    const app = await createTestApp({ DATABASE_POOL_SIZE: '40' })
    const makeArena = await createArenas(app)
    const pairs = listPairs(await listActions(app))
    assert.ok(pairs.length > 500, `only ${pairs.length} pairs`)
    const { hold, end } = createHolder(app, LANES)
    t.after(end)
    installWatch()

    const deadlocks: Deadlock[] = []
    const faults: string[] = []
    const done: Record<string, number> = {}
    let [checked, statements] = [0, 0]

    async function run(pair: Pair, round: number): Promise<void> {
      const { revoking, other } = pair
      // What is held, which owner is younger, which session the first one uses: 32 rounds cover every combination.
      const author = pair.author === 'first' && round % 32 >= 16 ? 'elsewhere' : pair.author
      const arena = await makeArena([revoking, other], round % 16 >= 8)
      const revoke = await revoking.prepare(arena, 'first')
      const write = await other.prepare(arena, author)
      const name = nameOf({ ...pair, author })
      // One of them starts a little later, so that its statements run between those of the other.
      const lead = (Math.random() - 0.5) * 30
      const begin = (wait: number, send: typeof write) => (wait > 0 ? delay(wait).then(send) : send())
      const both = await hold(arena, round, () =>
        watch(name, () => Promise.all([begin(lead, revoke), begin(-lead, write)])),
      )
      statements += both.statements
      deadlocks.push(...both.deadlocks)
      for (const [index, action] of [revoking, other].entries()) {
        const { status, text } = both.result[index]!
        if (status >= 500) faults.push(`${name}: ${action.name} answered ${status} ${text}`)
        if (status < 300) done[action.name] = (done[action.name] ?? 0) + 1
        else done[action.name] ??= 0
      }
      if (other.operation?.id === 'logOut') return // signing out twice is no error
      if (both.result[0].status >= 300 || revoking.closes?.(author, accessOf(other)) !== true) return
      checked++
      const { status, text } = await write()
      if (status < 400 || status >= 500) faults.push(`${name}: after the revocation it answered ${status} ${text}`)
    }

    const isOfTwo = ({ other }: Pair) => other.closes !== undefined
    const taken = new Set([
      ...takeSome(pairs.filter(isOfTwo), ROUNDS > 1 ? 1 : SHARES[0]),
      ...takeSome(
        pairs.filter(pair => !isOfTwo(pair)),
        ROUNDS > 1 ? 1 : SHARES[1],
      ),
    ])
    const due = pairs.filter(pair => taken.has(pair) || KNOWN.includes(nameOf(pair)))
    const work = due.flatMap((pair, index) => {
      const rounds = KNOWN.includes(nameOf(pair)) ? Math.max(16, ROUNDS) : ROUNDS
      return Array.from({ length: rounds }, (_, round) => () => run(pair, index * 5 + round))
    })
    const queue = work.values()
    await Promise.all(
      Array.from({ length: LANES }, async () => {
        for (const next of queue) await next()
      }),
    )
    // By chance, all pairs of an operation may have been refused.
    const isFutile = ({ name }: Action) => (done[name] ?? 0) === 0
    for (const [index, pair] of pairs.entries())
      if (!due.includes(pair) && (isFutile(pair.revoking) || isFutile(pair.other))) await run(pair, index)
    t.diagnostic(
      `${due.length} of ${pairs.length} pairs, ${work.length} rounds, ${statements} statements, ${checked} late writes; done: ${JSON.stringify(done)}`,
    )
    assert.deepEqual(deadlocks, [])
    assert.deepEqual(faults, [])
    assert.deepEqual(
      KNOWN.filter(name => !pairs.some(pair => nameOf(pair) === name)),
      [],
    )
    assert.deepEqual(
      Object.entries(done).filter(([, count]) => count === 0),
      [],
      'an operation never succeeded',
    )
  },
)

// Red when: an advisory lock is taken by a number or a hash of its own.
test('every advisory lock has its own key space', async () => {
  const root = new URL('../src/', import.meta.url).pathname
  const read = (file: string) => readFileSync(root + file, 'utf8')
  const spaces = /array_position\(array\[(.*?)\], space\)/.exec(read('platform/schema/foundation.sql'))?.[1]
  assert.ok(spaces !== undefined)
  const known = Array.from(spaces.matchAll(/'([a-z-]+)'/g), ([, space]) => space as string)
  const used = new Set<string>()
  const wrong: string[] = []
  for await (const file of glob('**/*.{ts,sql}', { cwd: root })) {
    if (file.endsWith('.test.ts')) continue
    const text = read(file)
    for (const [, call, given] of text.matchAll(/\b(pg_\w*advisory\w*)\(([^\n]*)/g)) {
      const argument = given as string
      const name = /^\$\{(\w+)\}\)/.exec(argument)?.[1]
      const key = name === undefined ? argument : (new RegExp(`const ${name} = \`(.*)\``).exec(text)?.[1] ?? '')
      const space = /^lock_key\('([a-z-]+)', /.exec(key)?.[1]
      if (space !== undefined) used.add(space)
      const isKnown = space === undefined ? key.startsWith(`hashtext('freehold'), hashtext(`) : known.includes(space)
      if (!isKnown) wrong.push(`${file}: ${call}(${argument}`)
    }
  }
  assert.deepEqual(wrong, [])
  // The last one is for products.
  assert.deepEqual([...used].toSorted(), known.filter(space => space !== 'product').toSorted())
})
