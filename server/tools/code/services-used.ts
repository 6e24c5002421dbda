import { SyntaxKind } from 'typescript/unstable/ast'
import type {
  BindingElement,
  InterfaceDeclaration,
  LiteralTypeNode,
  ModuleBlock,
  Node,
  ObjectBindingPattern,
  ParameterDeclaration,
  PropertyAccessExpression,
  PropertySignatureDeclaration,
  StringLiteral,
  TypeReferenceNode,
  UnionTypeNode,
  VariableDeclaration,
} from 'typescript/unstable/ast'
import { augmentationsOf, lineOf, nodesOf, resolve } from './source.ts'
import type { Product, ProductFile } from './source.ts'
import type { Naming } from './tables-used.ts'

/** The services of features, through which one feature uses another without an import. */

const MODULE = 'platform/services.ts'

/** `passwords`, or `keys.device`, and the file that adds it. */
function readServiceOwners(files: readonly ProductFile[]): Map<string, string> {
  const owners = new Map<string, string>()
  for (const file of files)
    for (const { specifier, module } of augmentationsOf(file)) {
      if (resolve(file.path, specifier) !== MODULE) continue
      for (const statement of (module.body as ModuleBlock | undefined)?.statements ?? []) {
        if (statement.kind !== SyntaxKind.InterfaceDeclaration) continue
        const { name, members } = statement as InterfaceDeclaration
        const prefix = name.text === 'Keys' ? 'keys.' : ''
        for (const member of members)
          owners.set(`${prefix}${(member as PropertySignatureDeclaration).name.getText(file.tree)}`, file.path)
      }
    }
  return owners
}

/** Uses of services: `Pick<Services, 'passwords'>`, `services.passwords`, `{ passwords }: Services`, `keys.device`. */
function servicesOf({ path, tree }: ProductFile, owners: ReadonlyMap<string, string>): Naming[] {
  const found: Naming[] = []
  const add = (node: Node, name: string) => {
    if (owners.has(name)) found.push({ from: path, line: lineOf(tree, node), name })
  }
  for (const node of nodesOf(tree)) {
    if (node.kind === SyntaxKind.TypeReference) {
      const { typeName, typeArguments } = node as TypeReferenceNode
      const [whole, part] = typeArguments ?? []
      if (typeName.getText(tree) !== 'Pick' || part === undefined) continue
      const prefix = { Services: '', Keys: 'keys.' }[whole?.getText(tree) ?? '']
      if (prefix !== undefined) for (const name of wordsOf(part)) add(node, `${prefix}${name}`)
    } else if (node.kind === SyntaxKind.PropertyAccessExpression) {
      const { expression, name } = node as PropertyAccessExpression
      const [whole] = expression.getText(tree).split('.').slice(-1)
      if (whole === 'services') add(node, name.text)
      else if (whole === 'keys') add(node, `keys.${name.text}`)
    } else if (node.kind === SyntaxKind.ObjectBindingPattern) {
      const of = patternOf(node.parent)
      if (of === 'services' || of === 'Services')
        for (const name of namesOf(node as ObjectBindingPattern)) add(node, name)
      else if (of === 'keys') for (const name of namesOf(node as ObjectBindingPattern)) add(node, `keys.${name}`)
    }
  }
  return found
}

/** The source of a destructuring pattern: a parameter's type, or the last word of a variable's initializer. */
function patternOf(node: Node): string | undefined {
  if (node.kind === SyntaxKind.Parameter) return (node as ParameterDeclaration).type?.getText()
  if (node.kind === SyntaxKind.VariableDeclaration)
    return (node as VariableDeclaration).initializer?.getText().split('.').at(-1)
  if (node.kind === SyntaxKind.BindingElement) return (node as BindingElement).propertyName?.getText()
  return undefined
}

const namesOf = ({ elements }: ObjectBindingPattern): string[] =>
  elements.map(({ propertyName, name }) => (propertyName ?? name)?.getText() ?? '')

function wordsOf(node: Node): string[] {
  if (node.kind === SyntaxKind.UnionType) return (node as UnionTypeNode).types.flatMap(wordsOf)
  const { literal } = node as LiteralTypeNode
  return literal?.kind === SyntaxKind.StringLiteral ? [(literal as StringLiteral).text] : []
}

/** All services of features, and all places that use them. */
export function readServicesUsed({ files }: Pick<Product, 'files'>): {
  owners: Map<string, string>
  takings: Naming[]
} {
  const owners = readServiceOwners(files)
  return { owners, takings: files.flatMap(file => servicesOf(file, owners)) }
}
