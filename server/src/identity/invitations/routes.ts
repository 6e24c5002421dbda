import { Type } from 'typebox'
import { Role_ } from '../../directory/organizations/organizations.ts'
import { isFresh } from '../../platform/gate/actor.ts'
import type { App } from '../../platform/http/route.ts'
import { Id, IdOf, Name, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { acceptInvitation } from './acceptance.ts'
import { createInvitation, Invitation, listInvitations, NewInvitation, revokeInvitation } from './invitations.ts'

const OrganizationParams = Strict({ id: IdOf('organization') })
const InvitationParams = Strict({ id: IdOf('organization'), invitation_id: IdOf('invitation') })

const tags = ['Invitations']

/** The invitations of the current organization, below `/organizations/{id}`. */
export function invitationRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/invitations',
    {
      access: 'invitations:read',
      schema: {
        operationId: 'listInvitations',
        summary: 'List open invitations',
        tags,
        params: OrganizationParams,
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Invitation) },
      },
    },
    request => request.actor.run(listInvitations(request.params.id, cursors.open(request))),
  )

  inviteAt(app, { url: '/invitations', operationId: 'createInvitation', summary: 'Invite an address by email', tags })
  inviteAt(app, {
    url: '/members',
    operationId: 'addMember',
    summary: 'Add a member by an invitation',
    tags: ['Members'],
  })

  app.delete(
    '/invitations/:invitation_id',
    {
      access: 'invitations:write',
      schema: {
        operationId: 'revokeInvitation',
        summary: 'Revoke an invitation',
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
}

/** Inviting to the organization that the access token names. */
export const peopleInvitationRoutes = (app: App): void =>
  inviteAt(app, { url: '/users', operationId: 'invitePerson', summary: 'Invite a person by email', tags: ['People'] })

interface Invite {
  url: '/invitations' | '/members' | '/users'
  operationId: string
  summary: string
  tags: readonly string[]
}

/** A membership needs the user's consent, so adding a member or a person means inviting an address. */
function inviteAt(app: App, { url, ...names }: Invite): void {
  app.post(
    url,
    {
      access: 'invitations:write',
      perMinute: 20,
      problems: [
        'already-member',
        'email-unverified',
        'owner-required',
        'personal-organization',
        'step-up-required',
        'too-many-invitations',
      ],
      schema: {
        ...names,
        description:
          'The response is the same whether the address has an account or not; the email leads to its account, or to a new one.',
        ...(url !== '/users' && { params: OrganizationParams }),
        body: NewInvitation,
        response: { 202: Invitation },
      },
    },
    async (request, reply) => {
      const { actor, body } = request
      const invitation = await actor.transaction(transaction =>
        createInvitation(transaction, actor, body, isFresh(actor)),
      )
      return reply.code(202).send(invitation)
    },
  )
}

/** The route to accept an invitation, with or without a session. */
export function acceptanceRoutes(app: App, services: Services): void {
  app.post(
    '/invitations/accept',
    {
      access: 'public',
      noStore: true,
      perMinute: 10,
      problems: [
        'account-unavailable',
        'already-member',
        'email-unverified',
        'invalid-token',
        'invitation-ended',
        'invitation-for-another',
        'weak-password',
      ],
      schema: {
        operationId: 'acceptInvitation',
        summary: 'Accept an invitation',
        description:
          'Possible with or without a session: the link verifies the address. `password` and `full_name` create the account if ' +
          'the address has none.',
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
    request => {
      const user_id = (request.actor as typeof request.actor | undefined)?.user_id
      return acceptInvitation(request.visitor, services, { ...request.body, user_id })
    },
  )
}
