import { Type } from 'typebox'
import { HeldRole } from '../../directory/organizations/held-role.ts'
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

  // A membership needs the user's consent, so adding a member means inviting an address.
  for (const [url, operationId, summary] of [
    ['/invitations', 'createInvitation', 'Invite an address by email'],
    ['/members', 'addMember', 'Add a member by an invitation'],
  ] as const)
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
          'role-exceeds-own',
          'step-up-required',
          'too-many-invitations',
        ],
        schema: {
          operationId,
          summary,
          description:
            'The response is the same whether the address has an account or not; the email leads to its account, or to a new one.',
          tags: url === '/members' ? ['Members'] : tags,
          params: OrganizationParams,
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
          200: Type.Object(
            { organization_id: Id, user_id: Id, role: HeldRole.role, role_id: HeldRole.role_id },
            { title: 'AcceptedInvitation' },
          ),
        },
      },
    },
    request => {
      const user_id = (request.actor as typeof request.actor | undefined)?.user_id
      return acceptInvitation(request.visitor, services, { ...request.body, user_id })
    },
  )
}
