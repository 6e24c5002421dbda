import { sql } from 'kysely'
import { Type } from 'typebox'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import type { Place } from '../../platform/http/resource.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Id, IdOf, Name, OneOf, Strict } from '../../platform/schemas.ts'
import { Code, MAX_DEPTH } from './structure.ts'

const query = tables('tenant', 'companies', 'branches', 'departments')

const MAX_NODES = 20_000

export const TreeQuery = Strict({
  root: Type.Optional(
    Type.Unsafe<string>({
      ...IdOf('company'),
      description: 'A company, a branch or a department; without it, all companies.',
    }),
  ),
  depth: Type.Integer({
    minimum: 1,
    maximum: MAX_DEPTH,
    default: MAX_DEPTH,
    description: 'The number of levels: 1 is the root alone.',
  }),
})

const Children = Type.Array(Type.Unsafe<object>({ $ref: '#/components/schemas/StructureNode' }), {
  maxItems: MAX_NODES,
  examples: [[]],
})

const StructureNode = Type.Object(
  { kind: OneOf(['company', 'branch', 'department']), id: Id, code: Code, name: Name, children: Children },
  { title: 'StructureNode' },
)

export const StructureTree = Type.Object(
  {
    nodes: Type.Integer({ minimum: 0, maximum: MAX_NODES, description: 'The number of nodes in `roots`.' }),
    roots: Type.Array(StructureNode, { maxItems: MAX_NODES }),
  },
  { title: 'StructureTree' },
)

interface Node {
  kind: 'company' | 'branch' | 'department'
  id: string
  code: string
  name: string
  children: Node[]
}

interface NodeRow {
  kind: Node['kind']
  id: string
  above: string | null
  code: string
  name: string
}

/**
 * The structure from one node, or from all companies, as a tree of a number of levels. One query, which stops after
 * MAX_NODES. Siblings are in the order of their codes.
 * @throws Problem structure-too-large, invalid-fields if the root is not one of this organization
 */
export const getTree = ({ organization_id }: Place, { root, depth }: { root?: string; depth: number }) =>
  statement(
    raw(query, root === undefined ? wholeTree(organization_id, depth) : partOf(organization_id, root, depth)),
    rows => {
      if (root !== undefined && rows.length === 0)
        throw invalidField('?root', 'is not a company, a branch or a department of this organization')
      if (rows.length > MAX_NODES) throw new Problem('structure-too-large')
      return { nodes: rows.length, roots: grow(rows) }
    },
  )

const below = (organization_id: string) => sql<NodeRow>`
  select tree.level + 1, child.* from tree cross join lateral (
    select 'branch' as kind, b.id, b.company_id as above, b.code, b.name from branches b
      where tree.kind = 'company' and b.organization_id = ${organization_id} and b.company_id = tree.id
    union all select 'department', d.id, d.branch_id, d.code, d.name from departments d
      where tree.kind = 'branch' and d.organization_id = ${organization_id} and d.branch_id = tree.id and d.parent_id is null
    union all select 'department', d.id, d.parent_id, d.code, d.name from departments d
      where tree.kind = 'department' and d.organization_id = ${organization_id} and d.parent_id = tree.id) as child`

/** Stops before it sorts. */
const nodes = sql`select kind, id, above, code, name from (select * from tree limit ${MAX_NODES + 1}) as tree order by level, code collate "C"`

const wholeTree = (organization_id: string, depth: number) => sql<NodeRow>`
  with recursive tree as (
    select 1 as level, 'company' as kind, id, null::uuid as above, code, name from companies where organization_id = ${organization_id}
    union all ${below(organization_id)} where tree.level < ${depth})
  ${nodes}`

const partOf = (organization_id: string, root: string, depth: number) => sql<NodeRow>`
  with recursive tree as (
    (select 1 as level, 'company' as kind, id, null::uuid as above, code, name from companies where organization_id = ${organization_id} and id = ${root}
      union all select 1, 'branch', id, null, code, name from branches where organization_id = ${organization_id} and id = ${root}
      union all select 1, 'department', id, null, code, name from departments where organization_id = ${organization_id} and id = ${root})
    union all ${below(organization_id)} where tree.level < ${depth})
  ${nodes}`

/** The rows come level by level, so the one above a row is there before it. */
function grow(rows: readonly NodeRow[]): Node[] {
  const roots: Node[] = []
  const nodes = new Map<string, Node>()
  for (const { kind, id, above, code, name } of rows) {
    const node: Node = { kind, id, code, name, children: [] }
    nodes.set(id, node)
    const siblings = above === null ? roots : nodes.get(above)?.children
    siblings?.push(node)
  }
  return roots
}
