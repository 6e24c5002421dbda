import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { SyntaxKind } from 'typescript/unstable/ast'
import type { FunctionDeclaration, Node } from 'typescript/unstable/ast'
import { importsOf, listFiles, nodesOf, placesOf, readFile } from './source.ts'
import type { ProductFile } from './source.ts'
import { roomOf } from './edges.ts'
import type { KnownFeature } from './edges.ts'
import { withoutComments } from './tables-used.ts'

/** Counts of the code's shape, for describe-shape.ts. */

const repository = fileURLToPath(new URL('../../../', import.meta.url))

const isGenerated = (path: string): boolean => path.endsWith('.gen.ts')
const linesIn = (text: string): number => text.split('\n').length - (text.endsWith('\n') ? 1 : 0)

/** The product's code and SQL, without tests and generated files. */
export const productFiles = (): string[] => [...listFiles('ts'), ...listFiles('sql')].filter(path => !isGenerated(path))

export const countLines = (paths: readonly string[]): number =>
  paths.reduce((sum, path) => sum + linesIn(readFile(path)), 0)

/** A file's text without its comments. */
const codeOf = (path: string): string =>
  path.endsWith('.sql')
    ? withoutComments(readFile(path))
    : readFile(path)
        .replace(/\/\*[\s\S]*?\*\//g, '')
        .replace(/(^|[\s;,{(])\/\/.*$/gm, '$1')

/** Files outside a feature's folder that name it. The configuration and features with a declared use are expected. */
export function listMentions(
  { folder, name }: KnownFeature,
  word: RegExp,
  features: readonly KnownFeature[],
): { file: string; isMeant: boolean }[] {
  const users = features.filter(({ uses }) => uses.includes(name)).map(one => one.folder)
  return [...productFiles(), ...listFiles('txt')]
    .filter(path => !path.startsWith(`${folder}/`) && word.test(codeOf(path)))
    .map(file => ({
      file,
      isMeant: file === 'features.ts' || roomOf(file) === 'config' || users.includes(roomOf(file)),
    }))
}

/** Places that write out the two conditions of a live account or membership. */
export function listLiveConditions(): string[] {
  const condition = /disabled_at(?: is null|', 'is', null|\b[^\n]*=== null)/g
  return productFiles().flatMap(path => [...codeOf(path).matchAll(condition)].map(() => path))
}

/** The properties through which routes reach the database. */
export function listWays(files: readonly ProductFile[]): string[] {
  const routes = files.filter(({ path }) => /[/-]routes\.ts$/.test(path))
  const candidates = {
    actor: 'actor',
    account: 'actor.account',
    visitor: 'visitor',
    operator: 'operator',
    database: 'database',
    system: 'system',
    tenant: 'tenant',
    pool: 'pool',
  }
  return Object.entries(candidates)
    .filter(([name]) => routes.some(file => placesOf(file, name).length > 0))
    .map(([, way]) => way)
}

export interface AppShape {
  lines: number
  imports: number
  functionLines: number
}

/** The size of the app's entry point, and its imports. */
export function measureApp(files: readonly ProductFile[]): AppShape {
  const app = files.find(({ path }) => path === 'app.ts')
  if (app === undefined) throw new Error('there is no app.ts')
  const { tree } = app
  const create = [...nodesOf(tree)].find(
    (node: Node) =>
      node.kind === SyntaxKind.FunctionDeclaration && (node as FunctionDeclaration).name?.text === 'createApp',
  )
  return {
    lines: linesIn(tree.text),
    imports: importsOf(app).length,
    functionLines: create === undefined ? 0 : linesIn(create.getText(tree)),
  }
}

export interface RouteShape {
  operations: number
  lines: number
  /** Of the plain resource that is the model for all others. */
  plainLines: number
}

export function measureRoutes(): RouteShape {
  const document = JSON.parse(readFileSync(`${repository}openapi.json`, 'utf8')) as { paths: Record<string, object> }
  const routes = listFiles('ts').filter(path => /[/-]routes\.ts$/.test(path))
  return {
    operations: Object.values(document.paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0),
    lines: countLines(routes),
    plainLines: countLines(['product/projects/routes.ts']),
  }
}

/** The files that CONTRIBUTING's walkthrough adds and changes for a new resource. */
export function measureResource(): { files: number; changes: number } {
  const blocks = [...readFileSync(`${repository}CONTRIBUTING.md`, 'utf8').matchAll(/^```(\w+) file=/gm)]
  const changes = blocks.filter(([, language]) => language === 'diff').length
  return { files: blocks.length - changes, changes }
}

/** The names of tests that state a number of round trips. */
export const listRoundTrips = (): string[] =>
  globSync(['server/src/**/*.test.ts', 'server/test/*.test.ts'], { cwd: repository })
    .flatMap(path => [...readFileSync(`${repository}${path}`, 'utf8').matchAll(/^test\('([^']*round trips[^']*)'/gm)])
    .map(([, name = '']) => name)
    .sort()
