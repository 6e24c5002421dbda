import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SyntaxKind } from 'typescript/unstable/ast'
import type {
  CallExpression,
  ExportDeclaration,
  Identifier,
  ImportDeclaration,
  ImportTypeNode,
  LiteralTypeNode,
  ModuleDeclaration,
  Node,
  SourceFile,
  StringLiteral,
} from 'typescript/unstable/ast'
import { API } from 'typescript/unstable/sync'
import type { Checker } from 'typescript/unstable/sync'

/** The product's code as the compiler reads it. This uses the compiler's API, whose version is pinned. */

const repository = fileURLToPath(new URL('../../../', import.meta.url))
export const sourceFolder = fileURLToPath(new URL('../../src/', import.meta.url))

/** A product file. Its path is below `server/src`, with slashes. */
export interface ProductFile {
  path: string
  tree: SourceFile
}

export interface Product {
  /** TypeScript files except tests, in the order of their paths. */
  files: readonly ProductFile[]
  checker: Checker
}

/** Reads the product, and closes the compiler after `work`. */
export function readProduct<Result>(work: (product: Product) => Result): Result {
  const api = new API({ cwd: repository })
  try {
    const snapshot = api.updateSnapshot({ openProjects: [join(repository, 'tsconfig.json')] })
    const [project] = snapshot.getProjects()
    if (project === undefined) throw new Error('tsconfig.json names no project')
    const files = listFiles('ts').map((path): ProductFile => {
      const tree = project.program.getSourceFile(join(sourceFolder, path))
      if (tree === undefined) throw new Error(`${path} is not part of tsconfig.json`)
      return { path, tree }
    })
    return work({ files, checker: project.checker })
  } finally {
    api.close()
  }
}

/** The product's files of one kind except tests, in the order of their paths. */
export const listFiles = (extension: string): string[] =>
  globSync(`**/*.${extension}`, { cwd: sourceFolder })
    .map(path => path.replaceAll(sep, '/'))
    .filter(path => !path.endsWith('.test.ts'))
    .sort()

export const readFile = (path: string): string => readFileSync(join(sourceFolder, path), 'utf8')

/** All nodes below one, the outer ones first. */
export function* nodesOf(node: Node): Generator<Node> {
  const children: Node[] = []
  node.forEachChild(child => void children.push(child))
  for (const child of children) {
    yield child
    yield* nodesOf(child)
  }
}

export const lineOf = (tree: SourceFile, node: Node): number =>
  tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1

export interface Import {
  from: string
  /** A path below `server/src` (with `../` if it is outside), or a package. */
  to: string
  /** Whether it does not exist at run time. */
  typeOnly: boolean
}

/** The imports of a file in any form. `declare module` does not count: it extends a module that is imported anyway. */
export function importsOf({ path, tree }: ProductFile): Import[] {
  const found: Import[] = []
  const add = (specifier: Node | undefined, typeOnly: boolean) => {
    if (specifier?.kind !== SyntaxKind.StringLiteral) return
    found.push({ from: path, to: resolve(path, (specifier as StringLiteral).text), typeOnly })
  }
  for (const node of nodesOf(tree)) {
    if (node.kind === SyntaxKind.ImportDeclaration) {
      const { importClause, moduleSpecifier } = node as ImportDeclaration
      add(moduleSpecifier, importClause?.phaseModifier === SyntaxKind.TypeKeyword)
    } else if (node.kind === SyntaxKind.ExportDeclaration) {
      const { isTypeOnly, moduleSpecifier } = node as ExportDeclaration
      add(moduleSpecifier, isTypeOnly)
    } else if (node.kind === SyntaxKind.ImportType) {
      const { argument } = node as ImportTypeNode
      if (argument.kind === SyntaxKind.LiteralType) add((argument as LiteralTypeNode).literal, true)
    } else if (node.kind === SyntaxKind.CallExpression) {
      const { expression, arguments: given } = node as CallExpression
      if (expression.kind === SyntaxKind.ImportKeyword) add(given[0], false)
    }
  }
  return found
}

export const resolve = (from: string, specifier: string): string =>
  specifier.startsWith('.')
    ? relative(sourceFolder, join(sourceFolder, dirname(from), specifier)).replaceAll(sep, '/')
    : specifier

/** A file's `declare module '…'` blocks, which extend interfaces of other modules. */
export const augmentationsOf = ({ tree }: ProductFile): { specifier: string; module: ModuleDeclaration }[] =>
  tree.statements.flatMap(statement => {
    if (statement.kind !== SyntaxKind.ModuleDeclaration) return []
    const module = statement as ModuleDeclaration
    return module.name.kind === SyntaxKind.StringLiteral
      ? [{ specifier: (module.name as StringLiteral).text, module }]
      : []
  })

/** All places where a file reads a variable, a parameter or a property. */
export const placesOf = ({ path, tree }: ProductFile, name: string): string[] =>
  [...nodesOf(tree)]
    .filter(node => node.kind === SyntaxKind.Identifier && (node as Identifier).text === name)
    .filter(({ parent }) => parent.kind !== SyntaxKind.PropertyAssignment)
    .map(node => `${path}:${lineOf(tree, node)}`)
