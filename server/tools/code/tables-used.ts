import { SyntaxKind } from 'typescript/unstable/ast'
import type {
  CallExpression,
  Node,
  PropertyAssignment,
  StringLiteral,
  TaggedTemplateExpression,
  TemplateExpression,
} from 'typescript/unstable/ast'
import { lineOf, listFiles, nodesOf, readFile } from './source.ts'
import type { ProductFile } from './source.ts'

/** Tables, views, sequences and functions, each with the file that declares it. */
export type Owners = ReadonlyMap<string, string>

/** A place where code or SQL names a table, view, sequence or function. */
export interface Naming {
  from: string
  line: number
  name: string
}

/** The declarations in all SQL files of the product. @throws Error if two files declare the same name */
export const readOwners = (): Owners => ownersIn(listFiles('sql').map(file => [file, readFile(file)]))

/** The declarations in files with their texts. @throws Error if two files declare the same name */
export function ownersIn(files: readonly (readonly [file: string, text: string])[]): Owners {
  const owners = new Map<string, string>()
  for (const [file, text] of files) {
    const declared = withoutComments(text).matchAll(
      /\bcreate\s+(?:or\s+replace\s+)?(?:unlogged\s+|materialized\s+)?(?:table|view|sequence|function)\s+(?:if\s+not\s+exists\s+)?([a-z_][a-z0-9_]*)/gi,
    )
    for (const [, name = ''] of declared) {
      const other = owners.get(name)
      if (other !== undefined && other !== file)
        throw new Error(`${other} and ${file} both declare ${name}: rename one`)
      owners.set(name, file)
    }
  }
  return owners
}

/** The names that an SQL file uses. */
export function namingsOfSql(file: string, owners: Owners): Naming[] {
  const text = readFile(file)
  return [...namesIn(text, owners)].map(([name, at]) => ({
    from: file,
    line: text.slice(0, at).split('\n').length,
    name,
  }))
}

/**
 * The names that code uses: in `tables(…)`, in SQL templates, in strings that are SQL, and as the `table` of a
 * declaration. Kysely's builder can use only names in `tables(…)`.
 */
export function namingsOf({ path, tree }: ProductFile, owners: Owners): Naming[] {
  const found: Naming[] = []
  const add = (node: Node, name: string) => {
    if (owners.has(name)) found.push({ from: path, line: lineOf(tree, node), name })
  }
  for (const node of nodesOf(tree)) {
    if (node.kind === SyntaxKind.CallExpression) {
      const { expression, arguments: given } = node as CallExpression
      const called = expression.getText(tree)
      const names = called === 'tables' ? given.slice(1) : called === 'sql.table' ? given : []
      for (const name of names) if (name.kind === SyntaxKind.StringLiteral) add(name, (name as StringLiteral).text)
    } else if (node.kind === SyntaxKind.PropertyAssignment) {
      const { name, initializer } = node as PropertyAssignment
      if (name.getText(tree) === 'table' && initializer?.kind === SyntaxKind.StringLiteral)
        add(initializer, (initializer as StringLiteral).text)
    }
    const text = sqlOf(node)
    if (text !== undefined) for (const [name] of namesIn(text, owners)) add(node, name)
  }
  return found
}

/** The text of a template or string that is SQL, without its interpolations. */
function sqlOf(node: Node): string | undefined {
  if (node.kind === SyntaxKind.TaggedTemplateExpression) {
    const { tag, template } = node as TaggedTemplateExpression
    return tag.getText() === 'sql' ? textOf(template) : undefined
  }
  if (node.parent.kind === SyntaxKind.TaggedTemplateExpression) return undefined
  const text = textOf(node)
  return text !== undefined && /^\s*(?:select|insert|update|delete|with|create|alter|drop|truncate|lock)\s/.test(text)
    ? text
    : undefined
}

function textOf(node: Node): string | undefined {
  if (node.kind === SyntaxKind.StringLiteral || node.kind === SyntaxKind.NoSubstitutionTemplateLiteral)
    return (node as StringLiteral).text
  if (node.kind !== SyntaxKind.TemplateExpression) return undefined
  const { head, templateSpans } = node as TemplateExpression
  return [head.text, ...templateSpans.map(({ literal }) => literal.text)].join(' $ ')
}

const blank = (text: string): string => text.replace(/[^\n]/g, ' ')
export const withoutComments = (text: string): string =>
  text.replace(/--.*$/gm, blank).replace(/\/\*[\s\S]*?\*\//g, blank)

/** Words that are followed by a table, view, sequence or function. */
const BEFORE =
  /(?:\b(?:from|join|into|update|using|table|references|only|on|view|sequence|function|truncate|lock)\s+|::\s*)$/i

/** The last word before a place that begins a clause; commas continue the clause. */
const clauseOf = (before: string): string | undefined =>
  [
    ...before.matchAll(/\b(?:select|from|using|on|where|set|values|returning|join|order|group|into|and|or)\b|[()]/gi),
  ].at(-1)?.[0]

/**
 * All known names that occur in SQL as a table, view, sequence or function, each with its first place. Quoted strings,
 * and the names of `with` queries, columns and aliases, do not count.
 */
function namesIn(text: string, owners: Owners): Map<string, number> {
  const plain = withoutComments(text).replace(/'(?:[^']|'')*'/g, quoted =>
    // In a statement that is built from strings, the function of a trigger still counts.
    quoted.replace(/[\s\S]*?(execute function \w+\(|$)/g, (all, trigger: string) =>
      blank(all.slice(0, all.length - trigger.length)).concat(trigger),
    ),
  )
  const queries = new Set(
    [...plain.matchAll(/\b([a-z_]\w*)\s*(?:\([^()]*\)\s*)?as\s+(?:not\s+)?(?:materialized\s+)?\(/gi)].map(
      ([, name]) => name,
    ),
  )
  const aliases = new Set([...plain.matchAll(/\bas\s+([a-z_]\w*)/gi)].map(([, name]) => name))
  const found = new Map<string, number>()
  for (const { 0: name, index } of plain.matchAll(/\b[a-z_][a-z0-9_]*\b/g)) {
    if (!owners.has(name) || queries.has(name) || found.has(name)) continue
    const [before, after] = [plain.slice(0, index), plain.slice(index + name.length)]
    if (/\.\s*$/.test(before)) continue
    const isNamed =
      before.trim() === '' || // a fragment that begins with the name
      BEFORE.test(before) ||
      /^\s*[(%]/.test(after) ||
      (/^\s*\./.test(after) && !aliases.has(name)) ||
      (/,\s*(?:only\s+)?$/i.test(before) && ['from', 'using', 'on'].includes(clauseOf(before)?.toLowerCase() ?? ''))
    if (isNamed) found.set(name, index)
  }
  return found
}
