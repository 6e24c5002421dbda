import { randomUUIDv7 } from 'node:crypto'
import { Type } from 'typebox'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import { Problem } from '../../platform/problems.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { claimSlug } from '../../platform/slugs.ts'
import {
  createOrganization,
  deleteOrganization,
  getOrganization,
  listOwnOrganizations,
  NewOrganization,
  Organization,
  OrganizationChanges,
  OrganizationReplacement,
  OwnOrganization,
  updateOrganization,
} from './organizations.ts'

const tags = ['Organizations']

/** The organizations of the current user: to list them, and to create one. */
export function ownOrganizationRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/organizations',
    {
      access: 'session',
      schema: {
        operationId: 'listOrganizations',
        summary: "List the current user's organizations",
        tags,
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(OwnOrganization) },
      },
    },
    request => request.actor.account.run(listOwnOrganizations(cursors.open(request))),
  )

  app.post(
    '/organizations',
    {
      access: 'session',
      tagged: true,
      problems: ['guest-limited', 'organization-slug-taken'],
      schema: {
        operationId: 'createOrganization',
        summary: 'Create an organization',
        description: 'To work in it, get an access token for it from `/api/v1/auth/switch-organization`.',
        tags,
        body: NewOrganization,
        response: { 201: OwnOrganization },
      },
    },
    async (request, reply) => {
      const { account, user_id } = request.actor
      const { name } = request.body
      const id = randomUUIDv7()
      const organization = await claimSlug(request.body, 'organization-slug-taken', slug =>
        account.within(id).transaction(transaction => createOrganization(transaction, user_id, { id, name, slug })),
      )
      reply.code(201).header('location', `/api/v1/organizations/${organization.id}`)
      return sendTagged(reply, organization.id, organization)
    },
  )
}

/** The current organization. */
export function organizationRoutes(app: App): void {
  const single = { params: Strict({ id: IdOf('organization') }), tags }
  app.get(
    '',
    {
      access: 'organization:read',
      tagged: true,
      schema: {
        ...single,
        operationId: 'getOrganization',
        summary: 'Get the organization',
        response: { 200: Organization },
      },
    },
    async (request, reply) => {
      const organization = await request.actor.run(getOrganization(request.params.id))
      return sendTagged(reply, organization.id, organization)
    },
  )

  for (const [method, verb, summary, body] of [
    ['PATCH', 'update', 'Update the organization', OrganizationChanges],
    ['PUT', 'replace', 'Replace the organization', OrganizationReplacement],
  ] as const) {
    app.route({
      method,
      url: '',
      access: 'organization:write',
      tagged: true,
      problems: ['organization-slug-taken', 'owner-required'],
      schema: { ...single, operationId: `${verb}Organization`, summary, body, response: { 200: Organization } },
      handler: async (request, reply) => {
        const { id } = request.params
        const organization = await request.actor.run(updateOrganization(id, request.body, conditionOf(request, id)))
        return sendTagged(reply, id, organization)
      },
    })
  }

  app.delete(
    '',
    {
      access: 'organization:delete',
      tagged: true,
      problems: ['personal-organization'],
      stepUp: true,
      schema: {
        ...single,
        operationId: 'deleteOrganization',
        summary: 'Delete the organization',
        description:
          'Closes it at once for all members. Without the second factor that it requires, only possible if there is no other owner.',
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
}
