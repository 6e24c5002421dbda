import assert from 'node:assert/strict'
import { test } from 'node:test'
import { features } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import {
  circleFaults,
  declarationFaults,
  doorFaults,
  listEdges,
  orderFaults,
  readFacts,
  roomOf,
  layerFaults,
} from '../tools/code/edges.ts'
import { locateFeatures } from '../tools/code/known-features.ts'
import { placesOf, readProduct, sourceFolder } from '../tools/code/source.ts'
import { listSystemCalls } from '../tools/code/system-calls.ts'

// Dependencies between features (imports, tables and services), compared with the declarations (`uses` in feature.ts)
// and with the direction of the layers. The declarations are the architecture diagram.

const facts = readFacts()
const { known, faults } = await locateFeatures(features)
const edges = listEdges(facts, known)

/** The test's message is the list itself: each line says what to do. */
function refuse(found: readonly string[]): void {
  if (found.length > 0) assert.fail(`\n${found.join('\n')}\n`)
}

/** Edges that may point to a higher layer, each with the reason: the gate reads the tables of the directory. */
const upward: Readonly<Record<string, string>> = {
  'platform/gate → users': 'the gate: a session is live only if its user is',
  'platform/gate → sessions': 'the gate: whether the session is live, and has verified a second factor',
  'platform/gate → organizations':
    'the gate: whether the organization is deleted, and whether it requires a second factor',
  'platform/gate → memberships': 'the gate: which role the user has there',
  'platform/gate → custom_role_permissions': 'the gate: the permissions of a custom role',
  'platform/gate → roles': 'own_organizations: the name of a custom role',
  'platform/gate → entitlements': 'the gate: the entitlement that a route requires of the organization',
  'platform/gate → is_entitled': 'the gate: whether the organization has the entitlement of the route',
  'platform/gate → is_way_out': 'the gate: the permissions that need no second factor',
  'platform/gate → support_role': 'the gate: whether the support access of an operator is open, and its role',
  'platform/gate → audit_log': 'the audit log trigger that organization_table() adds to every table',
  'platform/gate → operator_log': 'the function that records an operation of an operator',
  'platform/tokens → users': 'the foreign key of one-time tokens: a token is deleted with its user',
  'platform/http → users': 'the foreign key of idempotency keys: they are deleted with their user',
}

test('the dependencies of the product are found', () => {
  assert.ok(facts.imports.length > 500, `only ${facts.imports.length} imports were found`)
  assert.ok(facts.namings.length > 200, `only ${facts.namings.length} names in SQL were found`)
  assert.ok(facts.owners.size > 40, `only ${facts.owners.size} tables, views and functions were found`)
  for (const [from, to, kind] of [
    ['projects', 'organizations', 'table'],
    ['members', 'users', 'table'],
    ['sign-in', 'sessions', 'import'],
  ] as const)
    assert.ok(
      edges.some(edge => edge.from === from && edge.to === to && edge.uses.some(use => use.kind === kind)),
      `${from} → ${to} by ${kind}`,
    )
})

test('every folder of a layer is a feature, and features.ts lists it', () => refuse(faults))

test('every SQL file is loaded by its feature', () => {
  const loaded = new Set(declare(features).schemaFiles)
  refuse(
    facts.files
      .filter(file => file.endsWith('.sql') && !loaded.has(`${sourceFolder}${file}`))
      .map(file => `${file} is never loaded: name it in \`sql\` or \`tables\` of ${roomOf(file)}/feature.ts`),
  )
})

// Red when: `uses` of projects is empty, a name is added to it, or a query of a feature names the table of another.
test('every edge between features is declared, and every declared edge exists', t => {
  refuse(declarationFaults(edges, known))
  const byTable = edges.filter(({ uses }) => uses.every(({ kind }) => kind === 'table'))
  t.diagnostic(`${edges.length} edges between ${known.length} features, ${byTable.length} of them through tables alone`)
})

// Red when: a file of sessions imports one of sign-in.
test('features form no cycle', () => refuse(circleFaults(edges)))

test('a feature is listed after the features that it uses', () => refuse(orderFaults(known)))

// Red when: a view of platform/gate reads devices, or a file of the platform imports one of a feature.
test('nothing depends on a higher layer', () => refuse(layerFaults(facts, upward)))

test('features import only files with functions from each other', () => refuse(doorFaults(facts)))

/** Folders that may import the driver, each with the reason. */
const ofDriver: Readonly<Record<string, string>> = {
  'platform/connections': 'pools, lanes and the one-trip query',
  'platform/database': 'runs statements on the pools',
  'platform/migrations': 'migrations, as the owner',
  'platform/schema': 'inspections, as the owner',
  'platform/embedded': 'checks whether the PostgreSQL that it has started answers',
  cli: 'commands that look behind it',
}

test('only code about the database itself imports the driver', () => {
  refuse(
    facts.imports
      .filter(
        ({ from, to, typeOnly }) =>
          to === 'pg' && !(roomOf(from) in ofDriver) && !(typeOnly && roomOf(from) === 'platform/jobs'),
      )
      .map(({ from }) => `${from} imports pg: run a statement through an actor, a visitor or a transaction instead`),
  )
})

const isRoutes = (file: string): boolean => /[/-]routes\.ts$/.test(file)
const folders = new Set(known.map(({ folder }) => folder))
const isFeatures = (file: string): boolean => folders.has(roomOf(file))

// Red when: a routes.ts imports `sql`, or takes the database as an argument.
test('routes contain no SQL and no database', () => {
  refuse(
    facts.imports
      .filter(
        ({ from, to, typeOnly }) =>
          isRoutes(from) &&
          (to === 'kysely' ||
            (/^platform\/(connections\/|schema\/|database\/(statement|database)\.ts$)/.test(to) && !typeOnly)),
      )
      .map(({ from, to }) => `${from} imports ${to}: put the statement into a function of the feature, and run that`),
  )
  refuse(
    readProduct(({ files }) =>
      files.filter(({ path }) => isRoutes(path)).flatMap(file => placesOf(file, 'database')),
    ).map(place => `${place} names a database: a route has request.actor, request.actor.account and request.visitor`),
  )
})

test('feature functions do not use HTTP', () => {
  refuse(
    facts.imports
      .filter(
        ({ from, to, typeOnly }) =>
          isFeatures(from) &&
          !isRoutes(from) &&
          !typeOnly &&
          to.startsWith('platform/http/') &&
          to !== 'platform/http/resource.ts',
      )
      .map(({ from, to }) => `${from} imports ${to}, which is HTTP's: hand it what it needs from routes.ts`),
  )
})

/** The maximum number of places that use the system login. */
const MAX_SYSTEM_CALLS = 46

// Red when: a `// system:` comment is removed, or `request.visitor` runs a statement without one.
test('every place that uses the system login says why, and there are few', t => {
  const calls = readProduct(listSystemCalls)
  const opened = calls.filter(({ way }) => way !== 'pool')
  refuse(
    opened
      .filter(({ reason }) => reason === undefined || reason.length < 10)
      .map(
        ({ file, line, function: name }) =>
          `${file}:${line} (${name}) uses the system login: say why the gate cannot be used, in a line \`// system: …\` directly above, or use the actor`,
      ),
  )
  t.diagnostic(`${opened.length} places use the system login`)
  assert.ok(
    opened.length <= MAX_SYSTEM_CALLS,
    `${opened.length} places use the system login, and at most ${MAX_SYSTEM_CALLS} may: combine several functions, or use the actor`,
  )
  // Only code below the logins may use the pool itself.
  refuse(
    calls
      .filter(({ way, file }) => way === 'pool' && isFeatures(file))
      .map(
        ({ file, line }) => `${file}:${line} uses the pool of the system login: run a statement by the visitor instead`,
      ),
  )
})
