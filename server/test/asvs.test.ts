import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readDocument, repository } from './documents/markdown.ts'

// docs/reference/asvs.md names a test for each requirement: the test must exist under that name.

/** The number of requirements of levels 1 and 2 in each section of chapters 6, 7, 10 and 16 of OWASP ASVS 5.0.0. */
const sections: Readonly<Record<string, number>> = {
  '6.1': 3,
  '6.2': 12,
  '6.3': 4,
  '6.4': 4,
  '6.5': 5,
  '6.6': 3,
  '6.8': 4,
  '7.1': 3,
  '7.2': 4,
  '7.3': 2,
  '7.4': 5,
  '7.5': 2,
  '7.6': 2,
  '10.1': 2,
  '10.2': 2,
  '10.3': 4,
  '10.4': 11,
  '10.5': 5,
  '10.6': 2,
  '10.7': 3,
  '16.1': 1,
  '16.2': 5,
  '16.3': 4,
  '16.4': 3,
  '16.5': 3,
}

const rows = readDocument('docs/reference/asvs.md')
  .split('\n')
  .flatMap(line => {
    const [, id, level, asked, met] = /^\| ([\d.]+) \| ([12]) \| (.+?) \| (.*) \|$/.exec(line) ?? []
    return id === undefined ? [] : [{ id, level, asked, met: met ?? '' }]
  })

test('the checklist has every requirement once, in order', () => {
  const wanted = Object.entries(sections).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, index) => `${section}.${index + 1}`),
  )
  assert.deepEqual(
    rows.map(({ id }) => id),
    wanted,
  )
})

test('every test that the checklist names exists, and every requirement has a test or a reason', () => {
  const broken: string[] = []
  let named = 0
  for (const { id, met } of rows) {
    if (met === '') broken.push(`${id} has neither a test nor a reason`)
    for (const [, file, title] of met.matchAll(/`([\w./-]+\.test\.ts)` › (.+?)(?=<br>|$)/g)) {
      named++
      const path = join('server/src', file!)
      if (!existsSync(join(repository, path))) broken.push(`${id}: there is no ${path}`)
      // A title as in the source, in any quotes; for a template literal, the part before the first expression.
      else if (!new RegExp(`test\\(\\s*['"\`]${RegExp.escape(title!)}`).test(readDocument(path)))
        broken.push(`${id}: ${path} has no test “${title}…”`)
    }
  }
  assert.deepEqual(broken, [])
  assert.ok(named > 60, `only ${named} tests are named`)
})
