import { Type } from 'typebox'
import { isFresh } from '../../platform/gate/access.ts'
import type { Database } from '../../platform/database/database.ts'
import { invalidField } from '../../platform/problems.ts'
import { Id, IdParams, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { Pages } from '../../platform/http/cursors.ts'
import type { App } from '../../platform/http/route.ts'
import {
  addMember,
  changeMember,
  findPerson,
  getMember,
  listMembers,
  Member,
  MemberChanges,
  MemberReplacement,
  NewMember,
  removeMember,
} from './members.ts'
import { requireCurrent, Role_ } from '../organizations/organizations.ts'

const MemberParams = Strict({ id: Id, user_id: Id })

export function memberRoutes(app: App, { database, pages }: { database: Database; pages: Pages }): void {
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
      await requireCurrent(request.actor, request.params.id)
      return request.actor.run(listMembers(request.params.id, request.query, pages.open(request)))
    },
  )

  app.post(
    '/organizations/:id/members',
    {
      access: 'members:write',
      tagged: true,
      problems: ['already-member', 'owner-required', 'personal-organization', 'step-up-required'],
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
      await requireCurrent(request.actor, request.params.id)
      const { actor, body } = request
      if ((body.user_id === undefined) === (body.email === undefined))
        throw invalidField('/email', 'give either email or user_id')
      const pointer = body.email === undefined ? '/user_id' : '/email'
      const member = await actor.transaction(async transaction => {
        // Looked up behind the open gate: who may not add people learns nothing about them.
        const person = await database.system.run({ origin: actor.scope.origin }, findPerson(body))
        if (person === undefined)
          throw invalidField(pointer, 'names no account with a confirmed address; invite it instead')
        return addMember(transaction, request.params.id, person.id, body, isFresh(actor))
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
