import { randomUUID } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { filtersOf } from '../../platform/http/cursors.ts'
import type { App } from '../../platform/http/route.ts'
import { IdOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { pageOfKnown } from '../superusers/known-rows.ts'
import {
  approveSupport,
  endSupport,
  findOrganizationOf,
  getOpenSupport,
  getOrganizationOf,
  getSupport,
  listSupport,
  NewSupportAccess,
  requestSupport,
  SupportAccess,
  SupportApproval,
  SupportQuery,
  SupportToken,
} from './support.ts'

const tags = ['Support access']
const params = Strict({ id: IdOf('support access') })

/** Support access for operators: asking for it, using it, and granting it to another operator in an emergency. */
export function supportOperatorRoutes(
  app: App,
  { cursors, accessTokens, config }: Pick<Services, 'cursors' | 'accessTokens' | 'config'>,
): void {
  app.post(
    '/admin/organizations/:id/support',
    {
      access: 'admin:support:write',
      schema: {
        operationId: 'requestSupportAccess',
        summary: 'Ask for support access to an organization',
        description:
          'Its owners are notified by email. An owner or administrator of the organization grants the access or, in an emergency, a second operator.',
        tags,
        params: Strict({ id: IdOf('organization') }),
        body: NewSupportAccess,
        response: { 201: SupportAccess },
      },
    },
    async ({ operator, params: { id }, body }, reply) => {
      const access = await operator
        .on({ entity_type: 'support', entity_id: (made: { id: string }) => made.id, details: body })
        .within(id)
        .run(requestSupport(id, operator.user_id, body))
      reply.code(201).header('location', `/api/v1/admin/support/${access.id}`)
      return access
    },
  )

  app.get(
    '/admin/support',
    {
      access: 'admin:support:read',
      schema: {
        operationId: 'listSupportAccessOfOperators',
        summary: 'List the support access to all organizations',
        tags,
        querystring: SupportQuery,
        response: { 200: PageSchema(SupportAccess) },
      },
    },
    async request => {
      const { operator, query } = request
      const filters = filtersOf(query)
      return pageOfKnown(operator, listSupport(filters, cursors.open(request)), filters)
    },
  )

  app.get(
    '/admin/support/:id',
    {
      access: 'admin:support:read',
      schema: {
        operationId: 'getSupportAccessOfOperator',
        summary: 'Get a support access',
        tags,
        params,
        response: { 200: SupportAccess },
      },
    },
    async request => {
      const place = await findPlace(request)
      return request.operator.within(place.organization_id).run(getSupport(place))
    },
  )

  app.post(
    '/admin/support/:id/token',
    {
      access: 'admin:support:write',
      noStore: true, // the response contains a token
      problems: ['support-access-not-open', 'organization-suspended', 'second-factor-required'],
      schema: {
        operationId: 'createSupportToken',
        summary: 'Get an access token for an open support access',
        description:
          'Its subject (`sub`) is the support access, and `act.sub` the operator. It stops working as soon as the access or the session of the operator ends. There is no refresh token: ask again.',
        tags,
        params,
        response: { 200: SupportToken },
      },
    },
    async request => {
      const { actor, operator } = request
      const { organization_id, id } = await findPlace(request)
      const { role, expires_at, seconds } = await operator
        .within(organization_id)
        .run(getOpenSupport({ organization_id, id }))
      const expires_in = Math.min(config.accessTokenSeconds, seconds)
      const claims = {
        sub: id,
        user_id: id,
        act: { sub: operator.user_id },
        jti: randomUUID(),
        sid: operator.session_id,
        auth_time: actor.auth_time,
        // The principal has no mailbox: no one can have an address of .invalid (RFC 2606, section 2).
        email: `${id}@support.invalid`,
        organization_id,
        tenant_id: organization_id,
        role,
      }
      const access_token = accessTokens.sign(claims, expires_in)
      return { access_token, token_type: 'bearer' as const, expires_in, organization_id, role, expires_at }
    },
  )

  app.post(
    '/admin/support/:id/approve',
    {
      access: 'admin:support:write',
      stepUp: true,
      noStore: true, // creates nothing: a repeated request gets `support-access-decided`
      problems: [
        'own-support-access',
        'second-operator-required',
        'support-access-decided',
        'support-access-uncontested',
        'second-factor-required',
      ],
      schema: {
        operationId: 'approveSupportAccessInEmergency',
        summary: 'Grant support access in an emergency, as a second operator',
        description:
          'Without the organization. The owners are notified by email at once, and the access opens 15 minutes later, so that they can end it before: ' +
          'until then operators neither disable their accounts nor end their sessions.',
        tags,
        params,
        body: SupportApproval,
        response: { 200: SupportAccess },
      },
    },
    async request => {
      const place = await findPlace(request)
      return request.operator
        .on({ entity_type: 'support', entity_id: place.id, details: request.body })
        .within(place.organization_id)
        .run(approveSupport(place, request.body))
    },
  )

  app.delete(
    '/admin/support/:id',
    {
      access: 'admin:support:write',
      problems: ['support-access-decided', 'second-factor-required'],
      schema: {
        operationId: 'endSupportAccessOfOperator',
        summary: 'Withdraw or end support access',
        description: 'At once, also that of another operator.',
        tags,
        params,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const place = await findPlace(request)
      await request.operator.within(place.organization_id).run(endSupport(place))
      return reply.code(204).send(null)
    },
  )
}

/** Where the access in the path is. @throws Problem permission-missing, not-found */
async function findPlace({ actor, operator, params: given }: FastifyRequest) {
  const { id } = given as { id: string }
  const found = await actor.account.run(findOrganizationOf(id))
  // A caller who is not an operator gets the same answer, whether it exists or not.
  const { organization_id } = found ?? (await operator.run(getOrganizationOf(id)))
  return { organization_id, id }
}
