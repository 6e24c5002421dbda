import { Type } from 'typebox'
import { isFresh } from '../../platform/gate/actor.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import {
  changeMember,
  getMember,
  leaveOrganization,
  listMembers,
  Member,
  MemberChanges,
  MemberReplacement,
  MemberStatus,
  removeMember,
  restoreMember,
  transferOrganization,
} from './members.ts'
import { requireGivenRole, RoleFilter } from '../organizations/held-role.ts'

const OrganizationParams = Strict({ id: IdOf('organization') })
const MemberParams = Strict({ id: IdOf('organization'), user_id: IdOf('user') })

const tags = ['Members']

export function memberRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/members',
    {
      access: 'members:read',
      schema: {
        operationId: 'listMembers',
        summary: 'List members',
        description:
          'Callers who may change members also see members whose account is deleted and, with `status=removed`, members whom they can restore.',
        tags,
        params: OrganizationParams,
        querystring: PageQueryOf({ ...RoleFilter, status: Type.Optional(MemberStatus) }),
        response: { 200: PageSchema(Member) },
      },
    },
    request => request.actor.run(listMembers(request.params.id, request.query, cursors.open(request))),
  )

  app.get(
    '/members/:user_id',
    {
      access: 'members:read',
      tagged: true,
      schema: {
        operationId: 'getMember',
        summary: 'Get a member',
        tags,
        params: MemberParams,
        response: { 200: Member },
      },
    },
    async (request, reply) => {
      const { id, user_id } = request.params
      return sendTagged(reply, user_id, await request.actor.run(getMember(id, user_id)))
    },
  )

  for (const [method, name, summary, body, resets] of [
    ['PATCH', 'update', "Update a member's role, title or company", MemberChanges, {}],
    ['PUT', 'replace', "Replace a member's role, title and company", MemberReplacement, { title: null, company: null }],
  ] as const) {
    app.route({
      method,
      url: '/members/:user_id',
      access: 'members:write',
      tagged: true,
      problems: ['last-owner', 'member-account-deleted', 'owner-required', 'role-exceeds-own', 'step-up-required'],
      schema: {
        operationId: `${name}Member`,
        summary,
        tags,
        params: MemberParams,
        body,
        response: { 200: Member },
      },
      handler: async (request, reply) => {
        const { id, user_id } = request.params
        const changes = { ...resets, ...request.body }
        if (method === 'PUT') requireGivenRole(request.body)
        const rules = { condition: conditionOf(request, user_id), fresh: isFresh(request.actor) }
        const member = await request.actor.transaction(transaction =>
          changeMember(transaction, id, user_id, changes, rules),
        )
        return sendTagged(reply, user_id, member)
      },
    })
  }

  app.delete(
    '/members/:user_id',
    {
      access: 'members:write',
      tagged: true,
      problems: ['last-owner', 'owner-required', 'role-exceeds-own', 'step-up-required'],
      schema: {
        operationId: 'removeMember',
        summary: 'Remove a member',
        description:
          'Also revokes the open invitations of the member. If the account is deleted, restoring it no longer restores the membership.',
        tags,
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

  app.post(
    '/members/:user_id/restore',
    {
      access: 'members:write',
      noStore: true, // creates nothing: a repeated request gets `already-member`
      problems: ['already-member', 'member-not-restorable', 'owner-required', 'role-exceeds-own', 'step-up-required'],
      schema: {
        operationId: 'restoreMember',
        summary: 'Restore a removed member',
        description:
          'Possible within 30 days of the removal by an administrator; the user is notified by email. A user who left needs an invitation.',
        tags,
        params: MemberParams,
        response: { 200: Member },
      },
    },
    async request => {
      const { id, user_id } = request.params
      const fresh = isFresh(request.actor)
      return request.actor.transaction(transaction => restoreMember(transaction, id, user_id, fresh))
    },
  )

  app.post(
    '/leave',
    {
      access: 'organization:leave',
      noStore: true, // it ends the membership, so a repeated request is refused before a stored response is looked up
      problems: ['last-owner'],
      schema: {
        operationId: 'leaveOrganization',
        summary: 'Leave the organization',
        description: 'Possible without the second factor that the organization requires.',
        tags: ['Organizations'],
        params: OrganizationParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await request.actor.run(leaveOrganization(request.params.id, request.actor.user_id))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/transfer',
    {
      access: 'organization:transfer',
      noStore: true, // as for leaving: the caller loses the permission
      problems: ['last-owner'],
      stepUp: true,
      schema: {
        operationId: 'transferOrganization',
        summary: 'Transfer ownership',
        description:
          'Without the second factor that the organization requires, only possible if there is no other owner.',
        tags: ['Organizations'],
        params: OrganizationParams,
        body: Strict({ user_id: IdOf('user') }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await request.actor.run(transferOrganization(request.params.id, request.actor.user_id, request.body.user_id))
      return reply.code(204).send(null)
    },
  )
}
