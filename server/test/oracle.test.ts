import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createOracle, decisions, seed } from './oracle/oracle.ts'
import type { Difference } from './oracle/oracle.ts'

// A model of who may do what, written from the documents, and the database are asked the same random questions about
// the same random worlds, and must decide alike. ORACLE_DECISIONS=1000000 is the long mode; ORACLE_SEED repeats a run.

const oracle = await createOracle()

const tell = ({ seed, part, model, database, question }: Difference): string =>
  `world ${seed}, ${part}: the model says «${model}», the database «${database}» to ${JSON.stringify(question)}`

// Red when: a policy, a view or a trigger differs from the documents. oracle-mutations.test.ts shows it a hundred
// times.
test('the database decides as the model does, for every caller and every question', async t => {
  let decided = 0
  let worlds = 0
  const differences: Difference[] = []
  while (decided < decisions && differences.length === 0) {
    const compared = await oracle.compareWorld(seed + worlds++)
    decided += compared.decisions
    differences.push(...compared.differences)
  }
  t.diagnostic(`${decided} decisions in ${worlds} worlds, ORACLE_SEED=${seed}`)
  assert.deepEqual(differences.map(tell), [], `ORACLE_SEED=${seed}`)
})

// Red when: the model grows too long to be read at once, or imports a rule from the product.
test('the model is short and shares nothing with the product', () => {
  for (const [name, most] of [
    ['model', 285],
    ['model-of-roles', 85],
    ['model-of-support', 45],
    ['model-of-licenses', 40],
  ] as const) {
    const lines = readFileSync(new URL(`oracle/${name}.ts`, import.meta.url), 'utf8').split('\n')
    assert.ok(lines.length - 1 <= most, `${lines.length - 1} lines`)
    const imported = lines.flatMap(line => /\b(?:from|import)\b.*['"](.*)['"]/.exec(line)?.[1] ?? [])
    assert.deepEqual(
      imported.filter(
        from =>
          ![
            './world.ts',
            './question.ts',
            './model-of-roles.ts',
            './model-of-support.ts',
            './model-of-licenses.ts',
          ].includes(from),
      ),
      [],
    )
  }
})
