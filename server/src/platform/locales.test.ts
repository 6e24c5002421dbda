import assert from 'node:assert/strict'
import { test } from 'node:test'
import { preferredLocale } from './locales.ts'

test('the language is the one that the header likes best among ours', () => {
  // Red when: weights are not read, or a language of weight nought is taken.
  const wishes: [string | undefined, string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['*', undefined],
    ['fr,it;q=0.5', undefined],
    ['de', 'de'],
    ['DE-at', 'de'],
    ['den', undefined],
    ['en-GB,en;q=0.9,de;q=0.8', 'en'],
    ['fr, en;q=0.3, de;q=0.7', 'de'],
    ['de;q=0, en;q=0.1', 'en'],
    ['de;q=abc', undefined],
    [`${'x,'.repeat(100_000)}de`, undefined],
  ]
  for (const [header, locale] of wishes) assert.equal(preferredLocale(header), locale, String(header).slice(0, 40))
})
