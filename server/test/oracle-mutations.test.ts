import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDigest } from '../src/platform/schema/inspection.ts'
import { mutationOf, mutations } from './oracle/mutations.ts'
import { createRandom } from './oracle/world.ts'
import { createOracle, isAboutDeletedMember, isAllowed, isLong, isOwnerWithoutFactor, seed } from './oracle/oracle.ts'
import type { Wanted } from './oracle/oracle.ts'

// The oracle against a database with one fault in it, for each fault in the list. Without ORACLE_DECISIONS=1000000 it
// tests a dozen of them, chosen by the seed, or those whose name contains ORACLE_MUTATION.

const oracle = await createOracle()
const { admin } = oracle
const intact = await readDigest(admin)

/** The number of worlds in which each fault must be detected. */
const WORLDS = 150
/** In how many of them a short run looks for one: nearly all show in the first three, a few in one of hundreds. */
const FEW_WORLDS = 10

// Red when: a definition is changed and the list of mutations is not.
test('the texts that the mutations change exist, in a hundred places at least', async () => {
  assert.ok(mutations.length >= 100, `${mutations.length} mutations`)
  assert.equal(new Set(mutations.map(({ name }) => name)).size, mutations.length, 'each once')
  for (const { find } of mutations) await find(admin)
  await assert.rejects(
    mutationOf('view gate', ['no such text', '']).find(admin),
    /view gate does not hold «no such text»/,
  )
  await assert.rejects(mutationOf('view gone', ['', '']).find(admin), /there is no view gone/)
})

const { below } = createRandom(seed)
const left = [...mutations]
const word = process.env['ORACLE_MUTATION']
const named = mutations.filter(({ name }) => word !== undefined && name.includes(word))
const dozen = Array.from({ length: 12 }, () => left.splice(below(left.length), 1)[0]!)
const chosen = word !== undefined ? named : isLong ? mutations : dozen

const writesMemberships = new Set(['members:write', 'organization:leave', 'organization:transfer', 'invitations:write'])

const writesRoles = new Set(['roles:write', 'members:write', 'invitations:write', 'projects:write'])

/** Whether a fault shows in few worlds: there are more of them, most of which ask nothing. */
const isRare = (name: string): boolean => /^function (is_way_out|guard_membership:.*u\.deleted_at)/.test(name)

/** Limits the questions to those that can reveal the fault, so that more of them fit in. */
function aimAt(name: string): Wanted {
  if (isRare(name) && name.startsWith('function guard_membership'))
    return { only: (world, question) => isAllowed(world, question) && isAboutDeletedMember(world, question) }
  if (/guard_membership|keep_an_owner/.test(name))
    return { only: (world, question) => isAllowed(world, question) && writesMemberships.has(question.permission) }
  if (name.startsWith('function hold_roles')) return {}
  if (/guard_support_grant|^policy support_grants\.tenant/.test(name))
    return { only: (world, question) => question.permission.endsWith('support:write') && isAllowed(world, question) }
  if (/^(policy \w+\.support|function support_role)/.test(name))
    return { only: (_world, { support_id }) => support_id !== '', readsOnly: true }
  if (/^(function|trigger) [\w.]*(role|permission)/.test(name))
    return { only: (world, question) => isAllowed(world, question) && writesRoles.has(question.permission) }
  if (name.startsWith('function is_way_out')) return { only: isOwnerWithoutFactor, readsOnly: true }
  if (/^(function|trigger (memberships|organizations|projects)\.)/.test(name)) return { only: isAllowed }
  if (/^view (gate_state|own_invitations|live_)/.test(name)) return { only: () => true, readsOnly: true }
  return {}
}

const isShort = word === undefined && !isLong
let detected = 0

for (const { name, find } of chosen) {
  // Red when: no question of the oracle reaches what this condition protects, or the model leaves it out.
  test(`the oracle detects the mutation of ${name}`, { timeout: 600_000 }, async t => {
    const { apply, restore } = await find(admin)
    await admin.query(apply)
    try {
      let seen: string | undefined
      const worlds = (isRare(name) ? 20 : 1) * (isShort ? FEW_WORLDS : WORLDS)
      for (let world = 0; world < worlds && seen === undefined; world++) {
        const { differences } = await oracle.compareWorld(seed + world, { untilDifferent: true, ...aimAt(name) })
        const [difference] = differences
        if (difference !== undefined) seen = `${difference.part}, in world ${world + 1}`
      }
      if (seen === undefined && isShort) return t.skip(`not seen in ${worlds} worlds; a long run looks further`)
      assert.ok(seen !== undefined, `not seen in ${worlds} worlds, ORACLE_SEED=${seed}`)
      detected++
      t.diagnostic(`by ${seen}`)
    } finally {
      await admin.query(restore)
    }
  })
}

// Red when: the oracle asks nothing, or compares nothing. A sample can have many mutations that few worlds can show.
test('many of the mutations were detected', () => {
  assert.ok(detected >= chosen.length / 4, `${detected} of ${chosen.length}, ORACLE_SEED=${seed}`)
})

// Red when: a mutation is not undone, so that the next one is detected by the difference of the first.
test('the mutations leave the schema unchanged', async () => {
  assert.equal(await readDigest(admin), intact)
})
