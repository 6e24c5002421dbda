import { Type } from 'typebox'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { Accepted, IdOf, Name, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { requireSession } from '../factors/factors.ts'
import { acceptInvitation } from './acceptance.ts'
import { previewInvitation, presentedInvitation } from './joining.ts'
import { AcceptedInvitation, InvitationPreview } from './messages.ts'
import {
  acceptOwnInvitation,
  declineOwnInvitation,
  listOwnInvitations,
  listOwnPlaces,
  OwnInvitation,
  OwnPlaces,
} from './own-invitations.ts'

const params = Strict({ id: IdOf('own invitation') })
const tags = ['Invitations']
const InvitationTokenText = Type.String({ minLength: 1, maxLength: 100 })

/** The organizations and invitations of the current user; a token without an organization is enough. */
export function ownInvitationRoutes(app: App, services: Pick<Services, 'cursors' | 'declared'>): void {
  app.get(
    '/users/me/organizations',
    {
      access: 'session',
      noStore: true,
      schema: {
        operationId: 'listOwnPlaces',
        summary: "List the current user's organizations and open invitations together",
        description:
          'For the choice after a sign-in: at most 100 of each, with their numbers. `/api/v1/organizations` and ' +
          '`/api/v1/users/me/invitations` list all.',
        tags,
        response: { 200: OwnPlaces },
      },
    },
    request => request.actor.account.run(listOwnPlaces),
  )

  app.get(
    '/users/me/invitations',
    {
      access: 'session',
      schema: {
        operationId: 'listOwnInvitations',
        summary: 'List the invitations to the current user',
        description: 'Empty while the email address of the account is unverified.',
        tags,
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(OwnInvitation) },
      },
    },
    request => request.actor.account.run(listOwnInvitations(services.cursors.open(request))),
  )

  app.post(
    '/users/me/invitations/:id/accept',
    {
      access: 'session',
      noStore: true, // creates a membership once: a repeated request gets `invitation-ended`
      problems: ['already-member', 'invitation-ended', 'organization-suspended', 'seats-exhausted'],
      schema: {
        operationId: 'acceptOwnInvitation',
        summary: 'Accept an invitation to the current user',
        description: 'To work in the organization, get an access token from `/api/v1/auth/switch-organization`.',
        tags,
        params,
        response: { 200: AcceptedInvitation },
      },
    },
    ({ visitor, actor: { user_id }, params: { id } }) => acceptOwnInvitation(visitor, { id, user_id }),
  )

  app.delete(
    '/users/me/invitations/:id',
    {
      access: 'session',
      problems: ['invitation-ended'],
      schema: {
        operationId: 'declineOwnInvitation',
        summary: 'Decline an invitation to the current user',
        description: 'It stands in the audit log of the organization.',
        tags,
        params,
        response: { 204: Type.Null() },
      },
    },
    async ({ visitor, actor: { user_id }, params: { id } }, reply) => {
      await declineOwnInvitation(visitor, { id, user_id })
      return reply.code(204).send(null)
    },
  )
}

/** The routes to see and to accept the invitation of a link, with or without a session. */
export function acceptanceRoutes(app: App, services: Services): void {
  app.post(
    '/invitations/preview',
    {
      access: 'public',
      noStore: true,
      perMinute: TRIES_PER_MINUTE,
      problems: ['account-unavailable', 'invalid-token', 'invitation-ended'],
      schema: {
        operationId: 'previewInvitation',
        summary: 'See the invitation of a link',
        description:
          'It changes nothing, and the token stays valid. For a page of your own behind the links of invitations.',
        tags,
        body: Strict({ token: InvitationTokenText }),
        response: { 200: InvitationPreview },
      },
    },
    async ({ visitor, body }) =>
      previewInvitation(visitor, await presentedInvitation(visitor, services.keys.oneTime, body.token)),
  )

  app.post(
    '/invitations/accept',
    {
      access: 'public',
      noStore: true,
      perMinute: TRIES_PER_MINUTE,
      problems: [
        'account-unavailable',
        'already-member',
        'email-unverified',
        'invalid-token',
        'invitation-ended',
        'invitation-for-another',
        'invitation-needs-sign-in',
        'organization-suspended',
        'seats-exhausted',
        'session-ended',
        'weak-password',
      ],
      schema: {
        operationId: 'acceptInvitation',
        summary: 'Accept an invitation',
        description:
          'Takes the token of an emailed link and of one that was handed over. The emailed link verifies the address, with or without a ' +
          'session. A link that was handed over verifies nothing: an existing account needs its session; without one, the response is 202 ' +
          'and the invitation is emailed again if addresses must be verified first. `password` and `full_name` create the account if ' +
          'the address has none.',
        tags,
        body: Strict({
          token: InvitationTokenText,
          password: Type.Optional(Type.String({ minLength: 1, maxLength: 128, format: 'password' })),
          full_name: Type.Optional(Name),
        }),
        response: { 200: AcceptedInvitation, 202: Accepted },
      },
    },
    async (request, reply) => {
      const actor = request.actor as typeof request.actor | undefined
      if (actor !== undefined) await actor.account.run(requireSession)
      const joined = await acceptInvitation(request.visitor, services, { ...request.body, user_id: actor?.user_id })
      return joined === undefined ? reply.code(202).send({ status: 'accepted' as const }) : reply.send(joined)
    },
  )
}
