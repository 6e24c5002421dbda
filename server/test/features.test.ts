import assert from 'node:assert/strict'
import { test } from 'node:test'
import { features } from '../src/features.ts'
import { v5 } from '../src/formats/v5/feature.ts'
import { createApp } from '../src/app.ts'
import { declare } from '../src/platform/declarations.ts'
import { feature } from '../src/platform/feature.ts'
import type { Feature, Routes } from '../src/platform/feature.ts'
import type { RouteRules } from '../src/platform/http/route.ts'
import { eventKind } from '../src/platform/mail/mails.ts'
import { inspectSchema } from '../src/platform/schema/inspection.ts'
import { MigrationError } from '../src/platform/migrations/schema-script.ts'
import { migrateDatabase } from '../src/platform/schema/provision.ts'
import { Strict } from '../src/platform/schemas.ts'
import { tokenKind } from '../src/platform/tokens/one-time-tokens.ts'
import { createServices } from '../src/services.ts'
import { circleFaults, declarationFaults, listEdges, readFacts, layerFaults } from '../tools/code/edges.ts'
import { locateFeatures } from '../tools/code/known-features.ts'
import { ownersIn } from '../tools/code/tables-used.ts'
import { remarks } from './fixtures/remarks-feature/feature.ts'
import { inspectTables } from './isolation/guarded-tables.ts'
import { createOwnDatabase } from './own-database.ts'
import { createTestApp } from './test-app.ts'

// Errors in a feature, and the message that stops the check or the start: it names the feature and says what to do.

const { services, database } = await createTestApp()

/** Starts the service with additional features. @returns the error that stops it */
async function startWith(...others: Feature[]): Promise<string> {
  try {
    const { config, log, accessTokens, signingKeys } = services
    const declared = declare([...features, ...others])
    const app = await createApp(await createServices({ config, declared, log, accessTokens, signingKeys }), database)
    try {
      await app.ready()
    } finally {
      await app.close()
    }
  } catch (error) {
    return (error as Error).message
  }
  return 'nothing'
}

const serves = (method: string, url: string, rules: Partial<RouteRules>): Routes[] => [
  app =>
    void app.route({ method, url, ...rules, handler: async () => null } as unknown as Parameters<typeof app.route>[0]),
]
const open = { access: 'public' } as const

test('a feature without a usable name is refused', () => {
  for (const name of [undefined, '', 'Notes', 'my notes', 'notes_of_mine', '-notes', 'notes/'])
    assert.throws(() => feature({ name } as Feature), {
      message: `a feature has the name ${JSON.stringify(name)}: give it one in kebab-case, such as name: 'projects'`,
    })
  assert.throws(() => feature({} as Feature), /give it one in kebab-case/)
})

// Red when: createApp registers all features in one context, or route-claims.ts loses the feature of a route.
test('two features with the same path stop the start, and are named', async () => {
  const birds = { name: 'birds', routes: serves('GET', '/birds/:id', open) }
  for (const [name, url] of [
    ['owls', '/birds/:id'],
    ['hawks', '/birds/:bird_id'],
  ] as const)
    assert.equal(
      await startWith(birds, { name, routes: serves('GET', url, open) }),
      `the features birds and ${name} both have the route GET /api/v1${url}: change one of the paths`,
    )
  assert.equal(
    await startWith({ name: 'crows', routes: [...serves('GET', '/crows', open), ...serves('GET', '/crows', open)] }),
    'the feature crows has the route GET /api/v1/crows twice: take one out',
  )
  assert.equal(
    await startWith({ name: 'mine', routes: serves('GET', '/projects', open) }),
    'the features projects and mine both have the route GET /api/v1/projects: change one of the paths',
  )
  assert.equal(await startWith(birds, { name: 'wrens', routes: serves('POST', '/birds/:id', open) }), 'nothing')
})

test('a route without access, or with an undeclared permission, stops the start', async () => {
  for (const place of ['routes', 'rootRoutes'] as const) {
    const prefix = place === 'routes' ? '/api/v1' : ''
    assert.equal(
      await startWith({ name: 'birds', [place]: serves('GET', '/birds', {}) }),
      `route GET ${prefix}/birds declares no access: give it access: 'public', 'session' or a permission`,
    )
    assert.equal(
      await startWith({ name: 'birds', [place]: serves('GET', '/birds', { access: 'birds:read' as never }) }),
      `route GET ${prefix}/birds asks for the permission birds:read, which no feature declares: add it to the permissions of the feature`,
    )
  }
})

/** Names that two features may not both declare: each with a feature that declares it, and the kind of the name. */
const clashes: readonly [what: string, one: Omit<Feature, 'name'>][] = [
  ['problem bird-flown', { problems: { 'bird-flown': [409, 'Flown', 'Wait until it is back.'] } }],
  ['wire format of the path /api/v9', { format: { ...v5.format, path: '/api/v9', alias: '/v9', routes: [] } }],
  ['permission birds:read', { permissions: { 'birds:read': 'viewer' } }],
  ['token purpose hatch', { tokens: [tokenKind({ purpose: 'hatch', seconds: 60, details: Strict({}) })] }],
  ['mail of the token hatch', { tokenMails: { hatch: async () => undefined } }],
  ['event bird-ringed', { events: [eventKind('bird-ringed')] }],
  ['mail bird-ringed', { mails: { directory: new URL('mails/', import.meta.url), values: { 'bird-ringed': [] } } }],
  ['job queue moult', { jobs: { moult: { queue: {}, concurrency: 1, pollingSeconds: 60, handler: () => undefined } } }],
  ['tag Birds', { tags: { Birds: 'What flies.' } }],
]

test('a name that two features declare stops the start, and both are named', async () => {
  for (const [what, one] of clashes)
    assert.equal(
      await startWith({ ...one, name: 'birds' }, { ...one, name: 'owls' }),
      `the features birds and owls both declare the ${what}: rename one of them`,
    )
  assert.equal(
    await startWith({ name: 'birds' }, { name: 'birds' }),
    'the features birds and birds both declare the name birds: rename one of them',
  )
  assert.equal(
    await startWith({ name: 'birds', problems: { 'not-found': [404, 'Not found', 'Look elsewhere.'] } }),
    'the features platform and birds both declare the problem not-found: rename one of them',
  )
})

test('two files that declare the same table are named', () => {
  assert.throws(
    () =>
      ownersIn([
        ['product/birds/birds.sql', 'create table birds (id uuid);'],
        ['product/owls/owls.sql', '-- create table owls\ncreate table if not exists birds (id uuid);'],
      ]),
    { message: 'product/birds/birds.sql and product/owls/owls.sql both declare birds: rename one' },
  )
})

test('a table that escapes organization_table() stops the check and the start', async () => {
  const own = await createOwnDatabase()
  assert.deepEqual(await inspectTables(own.admin), [])
  const create =
    'create table birds (organization_id uuid not null, id uuid not null, primary key (organization_id, id))'
  await own.admin.query(create)
  assert.deepEqual(await inspectTables(own.admin), [
    "the table birds escapes organization_table(), and lacks forced row-level security, the policy tenant_read, the policy maintenance, the trigger touch, the trigger history, the trigger still_open: declare it with select organization_table('birds', …), or, when it is no organization's, name it with a reason in globalTables of platform/schema/inspection.ts",
  ])
  const { tenant, system } = own.database
  const [atStart = ''] = await inspectSchema(tenant.pool, system.pool, own.schema)
  assert.match(
    atStart,
    /^table birds has no row-level security: declare it with select organization_table\('birds', …\) and migrate/,
  )
  // With row-level security but without the rest, the start reports that the catalog differs from the migrations.
  await own.admin.query('alter table birds enable row level security; grant select on birds to freehold_system')
  assert.match(
    (await inspectTables(own.admin)).join('\n'),
    /the system login sees the table birds: leave `for_system` out/,
  )
  assert.match(
    (await inspectSchema(tenant.pool, system.pool, own.schema)).join('\n'),
    /policies, grants, views, functions or triggers are not what the migrations made/,
  )
})

test('an invalid migration of a feature stops the migration, and the file is named', async () => {
  const own = await createOwnDatabase()
  const broken = { ...remarks, migrations: new URL('fixtures/remarks-feature/', import.meta.url) }
  await assert.rejects(
    migrateDatabase(own.ownerUrl, own.schema, declare([...features, broken])),
    (error: unknown) =>
      error instanceof MigrationError &&
      /remarks\.sql is not a migration: they are called 0001_name/.test(error.message),
  )
})

const facts = readFacts()
const { known } = await locateFeatures(features)
const withUses = (name: string, uses: readonly string[]) =>
  known.map(one => (one.name === name ? { ...one, uses } : one))
const faultsWith = (name: string, uses: readonly string[]): string[] => {
  const changed = withUses(name, uses)
  return declarationFaults(listEdges(facts, changed), changed).filter(fault => fault.startsWith(`${name} `))
}

test('an undeclared edge stops the check, and so does a declared edge that does not exist', () => {
  const [undeclared = '', ...others] = faultsWith('projects', ['limits'])
  assert.deepEqual(others, [])
  assert.match(
    undeclared,
    /^projects uses organizations without saying so: add 'organizations' to `uses` in product\/projects\/feature\.ts, or take the use out \(product\/projects\/projects\.sql:\d+ names organizations/,
  )
  assert.deepEqual(faultsWith('projects', ['organizations', 'limits', 'social']), [
    "projects says that it uses social and does not: take 'social' out of `uses` in product/projects/feature.ts",
  ])
  assert.deepEqual(faultsWith('projects', ['organizations', 'limits', 'birds']), [
    'projects says that it uses birds, which is no feature: correct `uses` in product/projects/feature.ts',
  ])
})

test('a cycle stops the check, and so does an edge to a higher layer', () => {
  const use = (from: string, to: string) => ({ from, to, uses: [] })
  assert.deepEqual(
    circleFaults([use('owls', 'birds'), use('birds', 'nests'), use('nests', 'owls'), use('owls', 'mice')]),
    [
      'birds → nests → owls → birds is a circle: let one of them take what it needs as an argument, or move what both need below both',
    ],
  )
  const upward = {
    ...facts,
    namings: [],
    services: { owners: new Map(), takings: [] },
    imports: [{ from: 'directory/users/users.ts', to: 'identity/social/social.ts', typeOnly: true }],
  }
  assert.deepEqual(layerFaults(upward, {}), [
    'directory/users/users.ts imports identity/social/social.ts, which stands above it (formats → operations → agents → product → identity → directory → platform → config): move one of them, or let identity hand it to directory/users',
  ])
  assert.deepEqual(layerFaults({ ...upward, imports: [] }, { 'platform/gate → birds': 'none any more' }), [
    'platform/gate → birds is allowed to point up and does not: take it off the list',
  ])
})
