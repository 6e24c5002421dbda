import { Type } from 'typebox'
import type { Static, TObject, TSchema } from 'typebox'
import type { Condition } from '../database/conditional.ts'
import type { Page, PageOf } from '../database/pagination.ts'
import type { Statement } from '../database/statement.ts'
import type { Actor } from '../gate/actor.ts'
import type { Permission } from '../gate/permissions.ts'
import type { ProblemCode } from '../problems.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../schemas.ts'
import type { Services } from '../services.ts'
import { claimSlug } from '../slugs.ts'
import { filtersOf } from './cursors.ts'
import { conditionOf, sendTagged } from './entity-tags.ts'
import type { App } from './route.ts'

/** The organization and the acting member, which a resource's statements need. */
export interface Place {
  organization_id: string
  /** Null under support access: an operator is not a member. */
  user_id: string | null
}

/** Where an actor creates a resource, and as which member. */
export const placeOf = ({ organization_id, user_id, principal }: Actor): Place => ({
  organization_id,
  user_id: principal.kind === 'support' ? null : user_id,
})

interface Row {
  id: string
  version: number
}

type TenantStatement<Result> = Statement<'tenant', Result>

/**
 * A plain resource of an organization: its six operations, declared once. PUT resets omitted fields: to null if the
 * field may be null, else to its default; a field that has neither is required.
 */
export interface Resource<
  Item extends TObject,
  Create extends TObject,
  Update extends TObject,
  Filters extends Record<string, TSchema>,
  ItemRow extends Row,
> {
  /** Below `/api/v1`, such as `/projects`. */
  path: string
  /** The singular, and the plural if it is not the singular with an s. `{ one: 'project' }` gives listProjects … */
  name: { one: string; many?: string }
  tag: string
  read: Permission
  write: Permission
  schema: { item: Item; create: Create; update: Update; filters?: Filters }
  list: (place: Place, query: Static<TObject<Filters>>, page: Page) => TenantStatement<PageOf<unknown>>
  get: (place: Place, id: string) => TenantStatement<ItemRow>
  create: (place: Place, body: Static<Create>) => TenantStatement<ItemRow>
  update: (place: Place, id: string, changes: Static<Update>, condition: Condition) => TenantStatement<ItemRow>
  remove: (place: Place, id: string, condition: Condition) => TenantStatement<unknown>
  /** What a deletion would delete: `DELETE …?preview=true` returns it, with the entity tag, and deletes nothing. */
  preview?: {
    schema: TObject
    get: (place: Place, id: string, condition: Condition) => TenantStatement<{ version: number }>
  }
  /** The problem for a slug that is taken. If the slug is optional in `create`, it is made from the name. */
  slugTaken?: ProblemCode
  /** Other problems with which a write can be refused, and those of a creation alone. */
  problems?: readonly ProblemCode[]
  createProblems?: readonly ProblemCode[]
}

/** The routes of a plain resource. A feature declares its other routes itself. */
export const resource =
  <
    Item extends TObject,
    Create extends TObject,
    Update extends TObject,
    Filters extends Record<string, TSchema>,
    ItemRow extends Row,
  >({
    path,
    name: { one, many = `${one}s` },
    tag,
    read,
    write,
    schema: { item, create, update, filters },
    slugTaken,
    problems = [],
    createProblems = [],
    preview,
    ...statements
  }: Resource<Item, Create, Update, Filters, ItemRow>) =>
  (app: App, { cursors }: Services): void => {
    const [One, Many] = [one, many].map(word =>
      word.replace(/(?:^| )(\w)/g, (_match, letter: string) => letter.toUpperCase()),
    )
    const tags = [tag]
    const refused = slugTaken === undefined ? [...problems] : [slugTaken, ...problems]
    const single = { params: Strict({ id: IdOf(one) }), tags }
    const readSingle = { access: read, tagged: true } as const
    const writeSingle = { access: write, tagged: true } as const

    app.get(
      path,
      {
        access: read,
        schema: {
          operationId: `list${Many}`,
          summary: `List ${many}`,
          tags,
          querystring: PageQueryOf<Record<string, TSchema>>(filters ?? {}),
          response: { 200: PageSchema(item) },
        },
      },
      request => {
        const { actor } = request
        const given = filtersOf(request.query) as Static<TObject<Filters>>
        return actor.run(statements.list(actor, given, cursors.open(request))) as never
      },
    )

    app.post(
      path,
      {
        ...writeSingle,
        problems: [...refused, ...createProblems],
        schema: {
          operationId: `create${One}`,
          summary: `Create ${articleOf(one)} ${one}`,
          tags,
          body: create as TSchema,
          response: { 201: item as TSchema },
        },
      },
      async (request, reply) => {
        const { actor } = request
        const body = request.body as { name: string; slug?: string }
        const make = (slug?: string) =>
          actor.run(
            statements.create(
              placeOf(actor),
              (slug === undefined ? body : { ...body, slug }) as unknown as Static<Create>,
            ),
          )
        const made = slugTaken === undefined ? await make() : await claimSlug(body, slugTaken, make)
        reply.code(201).header('location', `/api/v1${path}/${made.id}`)
        return sendTagged(reply, made.id, made)
      },
    )

    app.get(
      `${path}/:id`,
      {
        ...readSingle,
        schema: {
          ...single,
          operationId: `get${One}`,
          summary: `Get ${articleOf(one)} ${one}`,
          response: { 200: item as TSchema },
        },
      },
      async (request, reply) => {
        const { actor, params } = request
        return sendTagged(reply, params.id, await actor.run(statements.get(actor, params.id)))
      },
    )

    const replacement = replacementOf(create)
    for (const [method, verb, body, resets] of [
      ['PATCH', 'update', update as TSchema, {}],
      ['PUT', 'replace', replacement.schema as TSchema, replacement.resets],
    ] as const) {
      app.route({
        method,
        url: `${path}/:id`,
        ...writeSingle,
        problems: refused,
        schema: {
          ...single,
          operationId: `${verb}${One}`,
          summary: `${verb === 'update' ? 'Update' : 'Replace'} ${articleOf(one)} ${one}`,
          body,
          response: { 200: item as TSchema },
        },
        handler: async (request, reply) => {
          const { actor, params } = request
          const changes = { ...resets, ...(request.body as object) } as Static<Update>
          const changed = await actor.run(statements.update(actor, params.id, changes, conditionOf(request, params.id)))
          return sendTagged(reply, params.id, changed)
        },
      })
    }

    app.delete(
      `${path}/:id`,
      {
        ...writeSingle,
        schema: {
          ...single,
          operationId: `delete${One}`,
          summary: `Delete ${articleOf(one)} ${one}`,
          ...(preview !== undefined && {
            description: 'With `preview=true` nothing is deleted, and the response says what would be.',
            querystring: Strict({ preview: Type.Optional(Type.Boolean()) }),
          }),
          response: { ...(preview !== undefined && { 200: preview.schema as TSchema }), 204: Type.Null() },
        },
      },
      async (request, reply) => {
        const { actor, params } = request
        const condition = conditionOf(request, params.id)
        if (preview !== undefined && (request.query as { preview?: boolean }).preview === true)
          return sendTagged(reply, params.id, await actor.run(preview.get(actor, params.id, condition))) as never
        await actor.run(statements.remove(actor, params.id, condition))
        return reply.code(204).send(null)
      },
    )
  }

const articleOf = (word: string): string => (/^[aeiou]/.test(word) ? 'an' : 'a')

/**
 * The schema of PUT and the values that it resets, derived from the schema of POST: an optional field that may be null
 * is reset to null, one with a default to its default, and any other is required.
 */
export function replacementOf(create: TObject): { schema: TObject; resets: Record<string, unknown> } {
  const { required, title } = create as { required?: readonly string[]; title?: string }
  const whole = Type.Required(create)
  const resets: Record<string, unknown> = {}
  const properties: Record<string, TSchema> = {}
  for (const [name, schema] of Object.entries(create.properties)) {
    const { default: preset, type } = schema as { default?: unknown; type?: unknown }
    const isNullable = Array.isArray(type) && type.includes('null')
    const mayBeLeftOut = required?.includes(name) !== true && (preset !== undefined || isNullable)
    if (mayBeLeftOut) resets[name] = preset ?? null
    const given = (whole.properties as Record<string, TSchema>)[name] as TSchema
    properties[name] = mayBeLeftOut ? Type.Optional(given) : given
  }
  return {
    schema: Strict(properties, {
      title: (title ?? '').replace(/^New(.*)$/, '$1Replacement'),
      description: 'Omitted fields are reset.',
    }),
    resets,
  }
}
