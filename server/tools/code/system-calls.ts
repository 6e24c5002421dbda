import { SyntaxKind } from 'typescript/unstable/ast'
import type {
  BindingElement,
  CallExpression,
  FunctionDeclaration,
  InterfaceDeclaration,
  MethodDeclaration,
  Node,
  PropertyAccessExpression,
  StringLiteral,
  VariableDeclaration,
} from 'typescript/unstable/ast'
import type { Symbol } from 'typescript/unstable/sync'
import { lineOf, nodesOf } from './source.ts'
import type { Product, ProductFile } from './source.ts'

/** A place that uses the system login: its `run`, `transaction` or pool. */
export interface SystemCall {
  file: string
  line: number
  /** The function around it, or the route if the route does it itself. */
  function: string
  way: 'run' | 'transaction' | 'pool'
  /** The reason in the comment directly above: `// system: …`. */
  reason: string | undefined
}

/** The logins are defined here, and all other code uses these definitions. */
const DEFINITIONS = ['platform/database/database.ts', 'platform/database/runners.ts']

const isWay = (name: string | undefined): name is SystemCall['way'] =>
  name === 'run' || name === 'transaction' || name === 'pool'

/**
 * All places that use the system login, found by types: independent of a runner's name, and of whether its method is
 * called or passed on. Statements in an open transaction do not count.
 */
export function listSystemCalls({ files, checker }: Product): SystemCall[] {
  const accesses = files
    .filter(({ path }) => !DEFINITIONS.includes(path))
    .flatMap(file => [...nodesOf(file.tree)].flatMap(node => accessOf(node).map(access => ({ file, ...access }))))
  const types = checker.getTypeAtLocation(accesses.map(({ holder }) => holder))
  return accesses.flatMap(({ file, node, way }, index) => {
    const holder = types[index]
    const property = holder && checker.getPropertyOfType(holder, way)
    if (holder === undefined || property === undefined || !isOfLogin(property)) return []
    const taken =
      way === 'pool'
        ? checker.typeToString(holder)
        : checker.typeToString(checker.getTypeOfSymbolAtLocation(property, node))
    return /"system"/.test(taken)
      ? [
          {
            file: file.path,
            line: lineOf(file.tree, node),
            function: functionOf(file, node),
            way,
            reason: reasonOf(file, node),
          },
        ]
      : []
  })
}

/** `holder.run`, or `{ run } = holder`. */
function accessOf(node: Node): { node: Node; holder: Node; way: SystemCall['way'] }[] {
  if (node.kind === SyntaxKind.PropertyAccessExpression) {
    const { expression, name } = node as PropertyAccessExpression
    return isWay(name.text) ? [{ node, holder: expression, way: name.text }] : []
  }
  if (node.kind === SyntaxKind.BindingElement && node.parent.kind === SyntaxKind.ObjectBindingPattern) {
    const { propertyName, name } = node as BindingElement
    const way = (propertyName ?? name)?.getText()
    return isWay(way) ? [{ node, holder: node.parent, way }] : []
  }
  return []
}

/** Whether it belongs to a login or its runner. An open transaction has such a method too, but does not count. */
const isOfLogin = ({ declarations }: Symbol): boolean =>
  declarations.some(declaration => {
    const parent = declaration.resolve()?.parent
    const of = parent?.kind === SyntaxKind.InterfaceDeclaration && (parent as InterfaceDeclaration).name.text
    return of === 'Runner' || of === 'Login'
  })

/** The comment directly above the call, or above an enclosing node, up to its statement. */
function reasonOf({ tree }: ProductFile, node: Node): string | undefined {
  const lines = tree.text.split('\n')
  for (let at: Node = node; at.kind !== SyntaxKind.SourceFile; at = at.parent) {
    let line = tree.getLineAndCharacterOfPosition(at.getStart(tree)).line
    const comment: string[] = []
    while (line > 0 && /^\s*\/\//.test(lines[line - 1] as string))
      comment.unshift((lines[--line] as string).trim().slice(2).trim())
    const first = comment.findIndex(text => text.startsWith('system:'))
    if (first !== -1) return comment.slice(first).join(' ').slice('system:'.length).trim()
    if (isStatement(at)) return undefined
  }
  return undefined
}

const isStatement = ({ kind }: Node): boolean => kind >= SyntaxKind.FirstStatement && kind <= SyntaxKind.LastStatement

const isFunction = ({ kind }: Node): boolean =>
  kind === SyntaxKind.ArrowFunction ||
  kind === SyntaxKind.FunctionExpression ||
  kind === SyntaxKind.FunctionDeclaration ||
  kind === SyntaxKind.MethodDeclaration

/** The innermost enclosing name: a route's method and path, or a function. */
function functionOf({ tree }: ProductFile, node: Node): string {
  for (let at: Node = node; at.kind !== SyntaxKind.SourceFile; at = at.parent) {
    if (at.kind === SyntaxKind.CallExpression) {
      const { expression, arguments: given } = at as CallExpression
      const method = /\bapp\.(get|post|put|patch|delete)$/.exec(expression.getText(tree))?.[1]
      if (method !== undefined && given[0] !== node)
        return `${method.toUpperCase()} ${given[0]?.kind === SyntaxKind.StringLiteral ? (given[0] as StringLiteral).text : given[0]?.getText(tree)}`
    }
    if (!isFunction(at)) continue
    const named =
      at.kind === SyntaxKind.FunctionDeclaration || at.kind === SyntaxKind.MethodDeclaration ? at : at.parent
    const name =
      named.kind === SyntaxKind.FunctionDeclaration || named.kind === SyntaxKind.MethodDeclaration
        ? (named as FunctionDeclaration | MethodDeclaration).name?.getText(tree)
        : named.kind === SyntaxKind.VariableDeclaration || named.kind === SyntaxKind.PropertyAssignment
          ? (named as VariableDeclaration).name.getText(tree)
          : undefined
    if (name !== undefined) return name
  }
  return 'the module itself'
}
