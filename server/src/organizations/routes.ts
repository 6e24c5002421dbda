import { randomUUIDv7 } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { isFresh, systemCaller } from '../access/access.ts'
import type { Database } from '../core/database.ts'
import { invalidField, Problem } from '../core/problems.ts'
import { Id, IdParams, PageQueryOf, PageSchema, Strict } from '../core/schemas.ts'
import { claimSlug } from '../core/slugs.ts'
import { find, query } from '../core/statement.ts'
import { conditionOf, sendTagged } from '../http/entity-tags.ts'
import type { Pages } from '../http/pages.ts'
import type { App } from '../http/route.ts'
import {
  addMember,
  changeMember,
  findPerson,
  getMember,
  leaveOrganization,
  listMembers,
  Member,
  MemberChanges,
  MemberReplacement,
  NewMember,
  removeMember,
  transferOrganization,
} from './members.ts'
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
  Role_,
  updateOrganization,
} from './organizations.ts'

const MemberParams = Strict({ id: Id, user_id: Id })

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
      problems: ['organization-slug-taken'],
      schema: {
        operationId: `${name}Organization`,
        summary: 'Change name or slug',
        tags: ['Organizations'],
        params: IdParams,
        body,
        response: { 200: Organization },
      },
      handler: async (request, reply) => {
        const { id } = request.params
        const organization = await request.actor.run(updateOrganization(id, request.body, conditionOf(request, id)))
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
      await requireCurrent(request)
      await request.actor.run(leaveOrganization(request.params.id, request.actor.user_id))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/organizations/:id/transfer',
    {
      access: 'organization:transfer',
      problems: ['last-owner', 'personal-organization'],
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
      await requireCurrent(request)
      await request.actor.run(transferOrganization(request.params.id, request.actor.user_id, request.body.user_id))
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/organizations/:id/members',
    {
      access: 'members:read',
      schema: {
        operationId: 'listMembers',
        summary: 'List the members',
        tags: ['Members'],
        params: IdParams,
        querystring: PageQueryOf({ role: Type.Optional(Role_) }),
        response: { 200: PageSchema(Member) },
      },
    },
    async request => {
      await requireCurrent(request)
      return request.actor.run(listMembers(request.params.id, request.query, pages.open(request)))
    },
  )

  app.post(
    '/organizations/:id/members',
    {
      access: 'members:write',
      tagged: true,
      problems: ['already-member', 'owner-required', 'personal-organization'],
      schema: {
        operationId: 'addMember',
        summary: 'Add an existing person',
        tags: ['Members'],
        params: IdParams,
        body: NewMember,
        response: { 201: Member },
      },
    },
    async (request, reply) => {
      await requireCurrent(request)
      const { actor, body } = request
      if ((body.user_id === undefined) === (body.email === undefined))
        throw invalidField('/email', 'give either email or user_id')
      const pointer = body.email === undefined ? '/user_id' : '/email'
      const member = await actor.transaction(async transaction => {
        // Looked up behind the open gate: who may not add people learns nothing about them.
        const person = await database.system.run({ origin: actor.scope.origin }, findPerson(body))
        if (person === undefined) throw invalidField(pointer, 'names no account')
        return addMember(transaction, request.params.id, person.id, body)
      })
      reply.code(201).header('location', `/api/v1/organizations/${request.params.id}/members/${member.user_id}`)
      return sendTagged(reply, member.user_id, member)
    },
  )

  app.get(
    '/organizations/:id/members/:user_id',
    {
      access: 'members:read',
      tagged: true,
      schema: {
        operationId: 'getMember',
        summary: 'Read a member',
        tags: ['Members'],
        params: MemberParams,
        response: { 200: Member },
      },
    },
    async (request, reply) => {
      const { id, user_id } = request.params
      return sendTagged(reply, user_id, await request.actor.run(getMember(id, user_id)))
    },
  )

  for (const [method, name, body] of [
    ['PATCH', 'update', MemberChanges],
    ['PUT', 'replace', MemberReplacement],
  ] as const) {
    app.route({
      method,
      url: '/organizations/:id/members/:user_id',
      access: 'members:write',
      tagged: true,
      problems: ['last-owner', 'owner-required', 'step-up-required'],
      schema: {
        operationId: `${name}Member`,
        summary: "Change a member's role or place",
        tags: ['Members'],
        params: MemberParams,
        body,
        response: { 200: Member },
      },
      handler: async (request, reply) => {
        const { id, user_id } = request.params
        const changes = method === 'PUT' ? { title: null, company: null, ...request.body } : request.body
        const rules = { condition: conditionOf(request, user_id), fresh: isFresh(request.actor) }
        const member = await request.actor.transaction(transaction =>
          changeMember(transaction, id, user_id, changes, rules),
        )
        return sendTagged(reply, user_id, member)
      },
    })
  }

  app.delete(
    '/organizations/:id/members/:user_id',
    {
      access: 'members:write',
      tagged: true,
      problems: ['last-owner', 'owner-required', 'step-up-required'],
      schema: {
        operationId: 'removeMember',
        summary: 'End a membership',
        tags: ['Members'],
        params: MemberParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { id, user_id } = request.params
      const rules = { condition: conditionOf(request, user_id), fresh: isFresh(request.actor) }
      await request.actor.transaction(transaction => removeMember(transaction, id, user_id, rules))
      return reply.code(204).send(null)
    },
  )
}

/** An organization in the path that is not the token's is not there; the gate speaks first, as everywhere. */
async function requireCurrent(request: FastifyRequest<{ Params: { id: string } }>): Promise<void> {
  if (request.params.id === request.actor.organization_id) return
  await request.actor.run(find(query.selectFrom('organizations').select('id').where('id', '=', request.params.id)))
  throw new Problem('not-found')
}
