import { Type } from 'typebox'
import { isFresh } from '../../platform/gate/actor.ts'
import type { App } from '../../platform/http/route.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { sealToken } from '../../platform/tokens/one-time-tokens.ts'
import { createInvitation, Invitation, listInvitations, NewInvitation, revokeInvitation } from './invitations.ts'
import { createInvitationLink, InvitationLink, invitationLinkToken } from './links.ts'

const OrganizationParams = Strict({ id: IdOf('organization') })
const InvitationParams = Strict({ id: IdOf('organization'), invitation_id: IdOf('invitation') })

const tags = ['Invitations']

/** The invitations of the current organization, below `/organizations/{id}`. */
export function invitationRoutes(
  app: App,
  { config, cursors, keys }: Pick<Services, 'config' | 'cursors' | 'keys'>,
): void {
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

  app.post(
    '/invitations/:invitation_id/link',
    {
      access: 'invitations:write',
      noStore: true,
      perMinute: 20,
      problems: ['invitation-ended', 'owner-required'],
      stepUp: true,
      schema: {
        operationId: 'createInvitationLink',
        summary: 'Create a link to an invitation, to hand it over yourself',
        description:
          'For users whom no email reaches. The link is valid once, for 7 days, only for the invited address, and as long as you may ' +
          'invite. It does not verify the address: if the address has an account, its user must sign in to use the link. It replaces the ' +
          'former link of this kind; the emailed link stays valid. The response does not depend on whether the address has an account.',
        tags,
        params: InvitationParams,
        response: { 200: InvitationLink },
      },
    },
    async request => {
      const { id, invitation_id } = request.params
      const { id: token_id, expires_at } = await request.actor.run(createInvitationLink(id, invitation_id))
      const { purpose } = invitationLinkToken
      const token = sealToken(keys.oneTime, { purpose }, token_id)
      return { link: `${config.accountPagesUrl}/${purpose}?token=${token}`, expires_at }
    },
  )
}
