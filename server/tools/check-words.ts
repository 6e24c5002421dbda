// `npm run check`: reports identifiers and texts of the OpenAPI document with a word that is not the field's term, and
// the term to use. The glossary in CONTRIBUTING.md defines the terms.
import { globSync, readFileSync } from 'node:fs'

/** Words to avoid in identifiers, or as a whole identifier, each with the one to use. */
const identifierWords: Readonly<Record<string, string>> = {
  belongings: 'fixtures',
  dear: 'recent sign-in',
  deed: 'operation',
  doors: 'handlers',
  gently: 'gracefully',
  isfresh: 'hasRecentSignIn',
  nobody: 'no user, none',
  paces: 'concurrency',
  patience: 'timeout',
  patient: 'retry',
  seize: 'lock',
  somebody: 'a user',
  theatre: 'environment',
  upkeep: 'retention',
  wall: 'isolation',
  whoever: 'caller, user',
}

/** Words and phrases to avoid in the OpenAPI document. */
const textWords: Readonly<Record<string, string>> = {
  'is no more': 'was deleted',
  'take back': 'revoke',
  'takes back': 'revokes',
  anybody: 'anyone',
  dear: 'that needs a recent sign-in',
  everybody: 'everyone',
  'looked after': 'managed',
  nobody: 'no one, or the passive',
  "one's": 'the user’s',
  oneself: 'the current user',
  proved: 'verified',
  somebody: 'a user',
  theirs: 'the user’s',
  told: 'notified',
  wall: 'isolation',
  whoever: 'the caller, the user',
}

const faults: string[] = []

/** Code without comments, texts and regular expressions. */
const bare = (code: string): string =>
  code.replaceAll(
    /\/\*[\s\S]*?\*\/|(?<![:'"`\\])\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|(?<=[(,=:[]\s*)\/(?![/*])(?:[^/\\\n]|\\.)+\//g,
    text => '\n'.repeat(text.split('\n').length - 1),
  )

for (const file of globSync(['server/{src,test,tools}/**/*.ts', 'bench/{*,*/*}.ts'])) {
  if (file.endsWith('.gen.ts') || file.endsWith('check-words.ts')) continue
  for (const [index, line] of bare(readFileSync(file, 'utf8')).split('\n').entries())
    for (const [identifier] of line.matchAll(/[A-Za-z_$][\w$]*/g)) {
      if (/^(MOST|LONGEST|SHORTEST)_/.test(identifier))
        faults.push(`${file}:${index + 1}: ${identifier}: limits are called MAX_ or MIN_`)
      for (const word of [identifier, ...identifier.split(/_|(?<=[a-z0-9])(?=[A-Z])/)].map(part => part.toLowerCase()))
        if (Object.hasOwn(identifierWords, word))
          faults.push(`${file}:${index + 1}: ${identifier}: not «${word}», but ${identifierWords[word]}`)
    }
}

function readTexts(node: unknown, place: string): void {
  if (typeof node !== 'object' || node === null) return
  for (const [key, value] of Object.entries(node)) {
    if (key.startsWith('example')) continue
    if (['summary', 'description', 'title'].includes(key) && typeof value === 'string')
      for (const [word, better] of Object.entries(textWords))
        if (new RegExp(`\\b${word}\\b`, 'i').test(value))
          faults.push(`openapi.json, ${place}/${key}: not «${word}», but ${better}: ${value}`)
    readTexts(value, `${place}/${key}`)
  }
}
readTexts(JSON.parse(readFileSync('openapi.json', 'utf8')), '')

if (faults.length > 0) {
  console.error([...new Set(faults)].join('\n'))
  process.exitCode = 1
}
