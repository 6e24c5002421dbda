import { Type } from 'typebox'
import { Id, IdParams, Name, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Pages } from '../../platform/http/cursors.ts'
import type { App } from '../../platform/http/route.ts'
import { originOf } from '../../platform/http/route.ts'
import { requireCurrent, Role_ } from '../../directory/organizations/organizations.ts'
import {
  acceptInvitation,
  createInvitation,
  Invitation,
  listInvitations,
  NewInvitation,
  revokeInvitation,
} from './invitations.ts'
import type { InvitationTools } from './invitations.ts'

const InvitationParams = Strict({ id: Id, invitation_id: Id })

export function invitationRoutes(app: App, { pages, ...tools }: InvitationTools & { pages: Pages }): void {
  const { database } = tools
  const tags = ['Invitations']

  app.get(
    '/organizations/:id/invitations',
    {
      access: 'invitations:read',
      schema: {
        operationId: 'listInvitations',
        summary: 'List the open invitations',
        tags,
        params: IdParams,
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Invitation) },
      },
    },
    async request => {
      await requireCurrent(request.actor, request.params.id)
      return request.actor.run(listInvitations(request.params.id, pages.open(request)))
    },
  )

  app.post(
    '/organizations/:id/invitations',
    {
      access: 'invitations:write',
      perMinute: 20,
      problems: ['email-unverified', 'owner-required', 'personal-organization', 'step-up-required'],
      schema: {
        operationId: 'createInvitation',
        summary: 'Invite an address by mail',
        description:
          'Answers the same whether the address has an account or not; the mail leads to an account or to one.',
        tags,
        params: IdParams,
        body: NewInvitation,
        response: { 201: Invitation },
      },
    },
    async (request, reply) => {
      await requireCurrent(request.actor, request.params.id)
      const invitation = await createInvitation(database, request.actor, request.body)
      return reply.code(201).send(invitation)
    },
  )

  app.delete(
    '/organizations/:id/invitations/:invitation_id',
    {
      access: 'invitations:write',
      schema: {
        operationId: 'revokeInvitation',
        summary: 'Take an invitation back',
        tags,
        params: InvitationParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { id, invitation_id } = request.params
      await request.actor.run(revokeInvitation(id, invitation_id))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/invitations/accept',
    {
      access: 'public',
      secret: true,
      perMinute: 10,
      problems: ['invalid-token', 'invitation-for-another', 'email-unverified', 'already-member', 'weak-password'],
      schema: {
        operationId: 'acceptInvitation',
        summary: 'Join the organization that the mail invites to',
        description:
          'Signed in or not: the link proves the address. `password` and `full_name` make the account of an address that has none.',
        tags,
        body: Strict({
          token: Type.String({ minLength: 1, maxLength: 100 }),
          password: Type.Optional(Type.String({ minLength: 1, maxLength: 128, format: 'password' })),
          full_name: Type.Optional(Name),
        }),
        response: {
          200: Type.Object({ organization_id: Id, user_id: Id, role: Role_ }, { title: 'AcceptedInvitation' }),
        },
      },
    },
    async request => {
      const user_id = (request.actor as typeof request.actor | undefined)?.user_id
      return acceptInvitation(tools, originOf(request), { ...request.body, user_id })
    },
  )
}
