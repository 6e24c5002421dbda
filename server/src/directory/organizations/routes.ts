import { randomUUIDv7 } from 'node:crypto'
import { Type } from 'typebox'
import { systemCaller } from '../../platform/gate/access.ts'
import type { Database } from '../../platform/database/database.ts'
import { Problem } from '../../platform/problems.ts'
import { Id, IdParams, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import { claimSlug } from '../../platform/slugs.ts'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { Pages } from '../../platform/http/cursors.ts'
import type { App } from '../../platform/http/route.ts'
import { leaveOrganization, transferOrganization } from '../members/members.ts'
import {
  deleteOrganization,
  foundOrganization,
  getOrganization,
  listOwnOrganizations,
  NewOrganization,
  Organization,
  OrganizationChanges,
  OrganizationReplacement,
  OwnOrganization,
  requireCurrent,
  updateOrganization,
} from './organizations.ts'

export function organizationRoutes(app: App, { database, pages }: { database: Database; pages: Pages }): void {
  app.get(
    '/organizations',
    {
      access: 'session',
      schema: {
        operationId: 'listOrganizations',
        summary: "List one's own organizations",
        tags: ['Organizations'],
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(OwnOrganization) },
      },
    },
    request => request.actor.run(listOwnOrganizations(pages.open(request))),
  )

  app.post(
    '/organizations',
    {
      access: 'session',
      tagged: true,
      problems: ['organization-slug-taken'],
      schema: {
        operationId: 'createOrganization',
        summary: 'Found a team',
        description: 'To work in it, get a token for it from `/api/v1/auth/switch-organization`.',
        tags: ['Organizations'],
        body: NewOrganization,
        response: { 201: OwnOrganization },
      },
    },
    async (request, reply) => {
      const { name } = request.body
      const id = randomUUIDv7()
      const founder = systemCaller(request, database, id)
      const organization = await claimSlug(request.body, 'organization-slug-taken', slug =>
        founder.run(foundOrganization(id, { name, slug })),
      )
      reply.code(201).header('location', `/api/v1/organizations/${organization.id}`)
      return sendTagged(reply, organization.id, organization)
    },
  )

  app.get(
    '/organizations/:id',
    {
      access: 'organization:read',
      tagged: true,
      schema: {
        operationId: 'getOrganization',
        summary: 'Read the organization',
        tags: ['Organizations'],
        params: IdParams,
        response: { 200: Organization },
      },
    },
    async (request, reply) => {
      const organization = await request.actor.run(getOrganization(request.params.id))
      return sendTagged(reply, organization.id, organization)
    },
  )

  for (const [method, name, body] of [
    ['PATCH', 'update', OrganizationChanges],
    ['PUT', 'replace', OrganizationReplacement],
  ] as const) {
    app.route({
      method,
      url: '/organizations/:id',
      access: 'organization:write',
      tagged: true,
      problems: ['organization-slug-taken', 'owner-required'],
      schema: {
        operationId: `${name}Organization`,
        summary: 'Change the organization',
        tags: ['Organizations'],
        params: IdParams,
        body,
        response: { 200: Organization },
      },
      handler: async (request, reply) => {
        const { id } = request.params
        const changes = method === 'PUT' ? { second_factor_required: false, ...request.body } : request.body
        const organization = await request.actor.run(updateOrganization(id, changes, conditionOf(request, id)))
        return sendTagged(reply, id, organization)
      },
    })
  }

  app.delete(
    '/organizations/:id',
    {
      access: 'organization:delete',
      tagged: true,
      problems: ['personal-organization'],
      stepUp: true,
      schema: {
        operationId: 'deleteOrganization',
        summary: 'Close the organization for everybody',
        tags: ['Organizations'],
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      await request.actor.transaction(async transaction => {
        const { kind } = await transaction.run(getOrganization(id))
        if (kind === 'personal') throw new Problem('personal-organization')
        await transaction.run(deleteOrganization(id, conditionOf(request, id)))
      })
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/organizations/:id/leave',
    {
      access: 'organization:leave',
      problems: ['last-owner'],
      schema: {
        operationId: 'leaveOrganization',
        summary: "End one's own membership",
        tags: ['Organizations'],
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await requireCurrent(request.actor, request.params.id)
      await request.actor.run(leaveOrganization(request.params.id, request.actor.user_id))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/organizations/:id/transfer',
    {
      access: 'organization:transfer',
      problems: ['last-owner'],
      stepUp: true,
      schema: {
        operationId: 'transferOrganization',
        summary: 'Hand the organization to another member',
        tags: ['Organizations'],
        params: IdParams,
        body: Strict({ user_id: Id }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await requireCurrent(request.actor, request.params.id)
      await request.actor.run(transferOrganization(request.params.id, request.actor.user_id, request.body.user_id))
      return reply.code(204).send(null)
    },
  )
}
