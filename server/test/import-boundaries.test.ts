import assert from 'node:assert/strict'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

// The direction of imports: main → serve → app → feature/routes → feature → core. What stands here is the architecture diagram.

/** Rooms that features share; every other folder is a feature. */
const shared = ['core', 'access', 'http', 'cli']

/** Every edge between features; all may also call audit. A new one is a decision to review. */
const edges: Record<string, string[]> = {
  auth: ['organizations', 'sessions', 'users'],
  factors: ['auth', 'sessions'],
  social: ['auth', 'sessions', 'users'],
  users: ['organizations', 'sessions'],
  mail: ['users'],
  invitations: ['auth', 'organizations'],
}

interface Import {
  from: string
  to: string
  typeOnly: boolean
}

const source = fileURLToPath(new URL('../src/', import.meta.url))

const features = readdirSync(source, { withFileTypes: true })
  .filter(entry => entry.isDirectory() && !shared.includes(entry.name))
  .map(({ name }) => name)

const imports = globSync('**/*.ts', { cwd: source })
  .filter(file => !file.endsWith('.test.ts'))
  .flatMap((from): Import[] => {
    const text = readFileSync(join(source, from), 'utf8')
    const statements = text.matchAll(/^(?:import|export)\s(type\s)?[^'"]*?from\s'([^']+)'|import\('([^']+)'\)/gm)
    return [...statements].map(([, type, named, dynamic]) => {
      const specifier = (named ?? dynamic) as string
      const to = specifier.startsWith('.') ? relative(source, join(source, dirname(from), specifier)) : specifier
      return { from, to, typeOnly: type !== undefined }
    })
  })

const roomOf = (file: string): string => (file.includes('/') ? file.split('/', 1)[0]! : '')

function refuse(rule: string, isViolation: (edge: Import) => boolean): void {
  const violations = imports.filter(isViolation).map(({ from, to }) => `${from} → ${to}`)
  assert.deepEqual(violations, [], rule)
}

test('the imports of the product are found', () => {
  assert.ok(imports.length > 100)
  assert.ok(imports.some(({ from, to }) => from === 'app.ts' && to === 'projects/routes.ts'))
})

test('core knows no feature, no access and no HTTP', () => {
  const above = new Set([...features, 'access', 'http', 'cli', ''])
  refuse(
    'core imports only core',
    ({ from, to, typeOnly }) => roomOf(from) === 'core' && to.endsWith('.ts') && !typeOnly && above.has(roomOf(to)),
  )
})

test('the driver is imported in core, and by the commands that look behind it', () => {
  refuse(
    'pg belongs to core',
    ({ from, to, typeOnly }) => to === 'pg' && !typeOnly && !['core', 'cli'].includes(roomOf(from)),
  )
})

test('only the app knows the routes', () => {
  refuse('routes are registered in app.ts', ({ from, to }) => /[/-]routes\.ts$/.test(to) && from !== 'app.ts')
})

test('a feature calls only the features that its line names', () => {
  refuse('an edge between features is declared here', ({ from, to }) => {
    const [caller, called] = [roomOf(from), roomOf(to)]
    if (!features.includes(caller) || !features.includes(called) || caller === called || called === 'audit')
      return false
    return !edges[caller]?.includes(called)
  })
})

test('across features only the file that bears the feature’s name is imported', () => {
  refuse('a feature’s door is <feature>/<feature>.ts', ({ from, to }) => {
    const called = roomOf(to)
    return (
      features.includes(called) &&
      called !== roomOf(from) &&
      // the root puts the rooms together, and commands reach into them
      !['', 'cli'].includes(roomOf(from)) &&
      to !== `${called}/${called}.ts`
    )
  })
})

test('feature functions never see a request, and routes hold no SQL', () => {
  const isFeatureFunction = (file: string) => features.includes(roomOf(file)) && !/[/-]routes\.ts$/.test(file)
  refuse(
    'feature functions know no HTTP',
    ({ from, to, typeOnly }) => isFeatureFunction(from) && roomOf(to) === 'http' && !typeOnly,
  )
  refuse(
    'routes build no statement',
    ({ from, to }) => /[/-]routes\.ts$/.test(from) && from !== 'system/routes.ts' && to === 'kysely',
  )
})
