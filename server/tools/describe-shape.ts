// `npm run shape`: measures the structure of the code, beside the targets. `--files` lists the files behind the numbers.
import { features } from '../src/features.ts'
import {
  declarationFaults,
  listCircles,
  listEdges,
  listUpwardUses,
  readFacts,
  roomOf,
  upwardNameOf,
} from './code/edges.ts'
import { locateFeatures } from './code/known-features.ts'
import {
  countLines,
  listLiveConditions,
  listMentions,
  listRoundTrips,
  listWays,
  measureApp,
  measureResource,
  measureRoutes,
  productFiles,
} from './code/shape.ts'
import { listFiles, readProduct } from './code/source.ts'
import { listSystemCalls } from './code/system-calls.ts'

/** Features whose mentions outside their folder are counted, with the words that name them there. */
const spread = [
  ['invitations', /invitation/i],
  ['passkeys', /passkey/i],
  ['social', /\bsocial\b|\bidentities\b|linkIdentity|addIdentity/],
] as const

const facts = readFacts()
const { known } = await locateFeatures(features)
const edges = listEdges(facts, known)
const undeclared = declarationFaults(edges, known).filter(fault => fault.includes('without saying so'))
const throughTables = edges.filter(({ uses }) => uses.every(({ kind }) => kind === 'table'))
const circles = listCircles(edges)
const upward = new Set(listUpwardUses(facts).map(upwardNameOf))
const { calls, ways, app } = readProduct(product => ({
  calls: listSystemCalls(product).filter(({ way }) => way !== 'pool'),
  ways: listWays(product.files),
  app: measureApp(product.files),
}))
const mentions = spread.map(([name, word]) => {
  const feature = known.find(one => one.name === name)
  return { name, found: feature === undefined ? [] : listMentions(feature, word, known) }
})
const routes = measureRoutes()
const resource = measureResource()
const conditions = listLiveConditions()
const inFolders = productFiles().filter(path => roomOf(path) !== '')

const rows: [what: string, found: string, target: string][] = [
  ['features', String(known.length), '–'],
  ['edges between features', `${edges.length}, ${throughTables.length} of them through tables alone`, '–'],
  ['edges that are not declared', String(undeclared.length), '0'],
  ['circles of features', String(circles.length), '0'],
  ['uses that point up', `${upward.size}, each with a reason in edges.test.ts`, 'those that the design names'],
  ...mentions.map(({ name, found }): [string, string, string] => {
    const meant = found.filter(({ isMeant }) => isMeant).length
    return [
      `files outside the feature that name ${name}`,
      `${found.length} (${meant} of them meant to)`,
      '1 line in features.ts',
    ]
  }),
  [
    'a new tenant resource',
    `${resource.files} files, ${resource.changes} change${resource.changes === 1 ? '' : 's'}`,
    '5 files, 2 changes',
  ],
  ['ways from a route to the database', `${ways.length} (${ways.join(', ')})`, '4'],
  ['places that open the system login', String(calls.length), 'at most 40'],
  [
    'lines of routes.ts an operation',
    `${(routes.lines / routes.operations).toFixed(1)} (${routes.lines} lines, ${routes.operations} operations)`,
    '–',
  ],
  ['lines of routes.ts of a plain resource', String(routes.plainLines), 'at most 35'],
  ['createApp', `${app.functionLines} lines, ${app.imports} imports (app.ts: ${app.lines} lines)`, 'app.ts at most 90'],
  [
    'a live account or membership written out as conditions',
    `${conditions.length} times in ${new Set(conditions).size} files`,
    'one view',
  ],
  ['lines of code and SQL', countLines(productFiles()).toLocaleString('en'), '–'],
  [
    'files of code and SQL',
    `${productFiles().length}, ${inFolders.length} of them in ${new Set(inFolders.map(roomOf)).size} folders`,
    '–',
  ],
]

const print = (cells: readonly string[]) => console.log(`| ${cells.join(' | ')} |`)
print(['', 'found', 'target'])
print(['---', '---', '---'])
for (const row of rows) print(row)
console.log('\nMeant to name a feature: the configuration, the list of features, and features that declare the use.')
console.log('\nRound trips, as tests count them:')
for (const name of listRoundTrips()) console.log(`- ${name}`)

if (process.argv.includes('--files')) {
  for (const { name, found } of mentions) {
    console.log(`\n${name}:`)
    for (const { file, isMeant } of found) console.log(`- ${file}${isMeant ? ' (meant)' : ''}`)
  }
  console.log('\nlive conditions:')
  for (const [file, places] of Map.groupBy(conditions, path => path)) console.log(`- ${file}: ${places.length}`)
  console.log('\nfiles a folder:')
  const rooms = Map.groupBy(listFiles('ts'), roomOf)
  for (const [room, files] of [...rooms].sort(([, a], [, b]) => b.length - a.length))
    console.log(`- ${room || 'the root'}: ${files.length}`)
}
