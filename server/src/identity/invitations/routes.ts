import { Type } from 'typebox'
import { hasRecentSignIn } from '../../platform/gate/actor.ts'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import { listFaults } from '../../platform/http/validation.ts'
import type { ProblemCode } from '../../platform/problems.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { sealToken } from '../../platform/tokens/one-time-tokens.ts'
import { InvitationResults, InvitationsCsv, inviteRows, NewInvitations, readRows } from './bulk.ts'
import { decodeCsv } from './csv.ts'
import {
  getInvitation,
  Invitation,
  invitationFilters,
  listInvitations,
  NewInvitation,
  revokeInvitation,
} from './invitations.ts'
import { createInvitationLink, InvitationLink, invitationLinkToken } from './links.ts'
import { createInvitation, resendInvitation } from './sending.ts'

const OrganizationParams = Strict({ id: IdOf('organization') })
const InvitationParams = Strict({ id: IdOf('organization'), invitation_id: IdOf('invitation') })

/** The problems of sending an invitation, for the first time or again. */
const sendingProblems = [
  'email-unverified',
  'owner-required',
  'personal-organization',
  'role-exceeds-own',
  'step-up-required',
  'too-many-invitations',
  'too-many-open-invitations',
] as const satisfies readonly ProblemCode[]

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
        summary: 'List invitations',
        description:
          'Without `status`, those that are open or expired. An invitation is removed 30 days after it was accepted or revoked or has expired.',
        tags,
        params: OrganizationParams,
        querystring: PageQueryOf(invitationFilters),
        response: { 200: PageSchema(Invitation) },
      },
    },
    request => request.actor.run(listInvitations(request.params.id, request.query, cursors.open(request))),
  )

  app.get(
    '/invitations/:invitation_id',
    {
      access: 'invitations:read',
      tagged: true,
      schema: {
        operationId: 'getInvitation',
        summary: 'Get an invitation',
        tags,
        params: InvitationParams,
        response: { 200: Invitation },
      },
    },
    async (request, reply) => {
      const { id, invitation_id } = request.params
      return sendTagged(reply, invitation_id, await request.actor.run(getInvitation(id, invitation_id)))
    },
  )

  inviteAt(app, { url: '/invitations', operationId: 'createInvitation', summary: 'Invite an address by email', tags })
  inviteAt(app, {
    url: '/members',
    operationId: 'addMember',
    summary: 'Add a member by an invitation',
    tags: ['Members'],
  })

  app.post(
    '/invitations/:invitation_id/resend',
    {
      access: 'invitations:write',
      perMinute: 20,
      problems: ['invitation-not-open', ...sendingProblems],
      schema: {
        operationId: 'resendInvitation',
        summary: 'Send an invitation again',
        description:
          'Emails a new link for seven days; earlier links no longer work. Also possible after the invitation has expired. The caller becomes the inviter.',
        tags,
        params: InvitationParams,
        response: { 202: Invitation },
      },
    },
    async (request, reply) => {
      const { actor, params } = request
      const invitation = await actor.transaction(transaction =>
        resendInvitation(transaction, actor, params.invitation_id, hasRecentSignIn(actor)),
      )
      return reply.code(202).send(invitation)
    },
  )

  app.delete(
    '/invitations/:invitation_id',
    {
      access: 'invitations:write',
      tagged: true,
      problems: ['invitation-not-open'],
      schema: {
        operationId: 'revokeInvitation',
        summary: 'Revoke an invitation',
        description: 'Its links no longer work, and an email that is still waiting is not sent.',
        tags,
        params: InvitationParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { id, invitation_id } = request.params
      await request.actor.run(revokeInvitation(id, invitation_id, conditionOf(request, invitation_id)))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/invitations/:invitation_id/link',
    {
      access: 'invitations:write',
      noStore: true,
      perMinute: 20,
      problems: ['invitation-ended', 'owner-required', 'role-exceeds-own'],
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
      problems: ['already-member', ...sendingProblems],
      schema: {
        ...names,
        description:
          'The response is the same whether the address has an account or not; the email leads to its account, or to a new one. ' +
          'An open invitation of the address is replaced, and its link.',
        ...(url !== '/users' && { params: OrganizationParams }),
        body: NewInvitation,
        response: { 202: Invitation },
      },
    },
    async (request, reply) => {
      const { actor, body } = request
      const invitation = await actor.transaction(transaction =>
        createInvitation(transaction, actor, body, hasRecentSignIn(actor)),
      )
      return reply.code(202).send(invitation)
    },
  )
}

/** Many invitations in one request, as JSON or CSV; no other route reads CSV. */
export function bulkRoutes(app: App, { declared: { problems } }: Pick<Services, 'declared'>): void {
  const faultsOf = listFaults(NewInvitation)
  app.addContentTypeParser('text/csv', { parseAs: 'buffer' }, async (_request: unknown, bytes: Buffer) =>
    decodeCsv(bytes),
  )

  app.post(
    '/invitations/bulk',
    {
      access: 'invitations:write',
      perMinute: 10,
      bodyLimit: 1024 * 1024,
      problems: ['email-unverified', 'personal-organization', 'unreadable-csv'],
      schema: {
        operationId: 'createInvitations',
        summary: 'Invite many addresses by email',
        description:
          'Up to 1,000 rows, as JSON or CSV. Each row has its own result, and a row that cannot be invited does not affect the others. ' +
          'An open invitation of an address is kept as it is. The organization sends at most 200 emails an hour; the others wait, as `mail` and `mail_at` say.',
        tags,
        params: OrganizationParams,
        body: {
          content: { 'application/json': { schema: NewInvitations }, 'text/csv': { schema: InvitationsCsv } },
        },
        response: { 200: InvitationResults },
      },
    },
    async request => {
      const { actor } = request
      const rows = await readRows(request.body)
      return actor.transaction(transaction =>
        inviteRows(transaction, actor, rows, { hasRecentSignIn: hasRecentSignIn(actor), problems, faultsOf }),
      )
    },
  )
}
