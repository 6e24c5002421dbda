import { Type } from 'typebox'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  createRole,
  CustomRole,
  deleteRole,
  getRole,
  listRoles,
  permissionsForRoles,
  roleSchemas,
  updateRole,
} from './roles.ts'

const OrganizationParams = Strict({ id: IdOf('organization') })
const RoleParams = Strict({ id: IdOf('organization'), role_id: IdOf('role') })

const tags = ['Roles']

/** The custom roles of the current organization, below `/organizations/{id}`. */
export function roleRoutes(app: App, { cursors, declared }: Pick<Services, 'cursors' | 'declared'>): void {
  const allowed = permissionsForRoles(declared.permissions)
  const schemas = roleSchemas(declared.permissions)

  app.get(
    '/roles',
    {
      access: 'roles:read',
      schema: {
        operationId: 'listRoles',
        summary: 'List custom roles',
        tags,
        params: OrganizationParams,
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(CustomRole) },
      },
    },
    request => request.actor.run(listRoles(request.params.id, allowed, cursors.open(request))),
  )

  app.post(
    '/roles',
    {
      access: 'roles:write',
      tagged: true,
      problems: ['role-exceeds-own', 'role-name-taken', 'too-many-roles'],
      schema: {
        operationId: 'createRole',
        summary: 'Create a custom role',
        tags,
        params: OrganizationParams,
        body: schemas.create,
        response: { 201: CustomRole },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const role = await request.actor.run(createRole(id, request.body))
      reply.code(201).header('location', `/api/v1/organizations/${id}/roles/${role.id}`)
      return sendTagged(reply, role.id, role)
    },
  )

  app.get(
    '/roles/:role_id',
    {
      access: 'roles:read',
      tagged: true,
      schema: {
        operationId: 'getRole',
        summary: 'Get a custom role',
        tags,
        params: RoleParams,
        response: { 200: CustomRole },
      },
    },
    async (request, reply) => {
      const { id, role_id } = request.params
      return sendTagged(reply, role_id, await request.actor.run(getRole(id, allowed, role_id)))
    },
  )

  for (const [method, name, summary, body, resets] of [
    ['PATCH', 'update', 'Update a custom role', schemas.change, {}],
    ['PUT', 'replace', 'Replace a custom role', schemas.replace, { description: null }],
  ] as const) {
    app.route({
      method,
      url: '/roles/:role_id',
      access: 'roles:write',
      tagged: true,
      problems: ['role-exceeds-own', 'role-is-own', 'role-name-taken'],
      schema: {
        operationId: `${name}Role`,
        summary,
        description: 'What members with this role may do changes at once, for their very next request.',
        tags,
        params: RoleParams,
        body,
        response: { 200: CustomRole },
      },
      handler: async (request, reply) => {
        const { id, role_id } = request.params
        const changes = { ...resets, ...request.body }
        const condition = conditionOf(request, role_id)
        return sendTagged(reply, role_id, await request.actor.run(updateRole(id, allowed, role_id, changes, condition)))
      },
    })
  }

  app.delete(
    '/roles/:role_id',
    {
      access: 'roles:write',
      tagged: true,
      problems: ['role-exceeds-own', 'role-in-use'],
      schema: {
        operationId: 'deleteRole',
        summary: 'Delete a custom role',
        description: 'Not possible as long as a member has it, or an open invitation offers it.',
        tags,
        params: RoleParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { id, role_id } = request.params
      await request.actor.run(deleteRole(id, role_id, conditionOf(request, role_id)))
      return reply.code(204).send(null)
    },
  )
}
