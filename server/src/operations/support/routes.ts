import { Type } from 'typebox'
import type { App } from '../../platform/http/route.ts'
import { IdOf, OneOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  approveSupport,
  denySupport,
  endSupport,
  getSupport,
  listSupport,
  SupportAccess,
  SupportApproval,
  statuses,
} from './support.ts'

const tags = ['Support access']
const OrganizationParams = Strict({ id: IdOf('organization') })
const SupportParams = Strict({ id: IdOf('organization'), support_id: IdOf('support access') })

const placeIn = ({ id, support_id }: { id: string; support_id: string }) => ({ organization_id: id, id: support_id })

/** The support access to the current organization, below `/organizations/{id}`. */
export function supportRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/support',
    {
      access: 'support:read',
      schema: {
        operationId: 'listSupportAccess',
        summary: 'List support access',
        description: 'What operators have asked for, and what became of it; the latest first.',
        tags,
        params: OrganizationParams,
        querystring: PageQueryOf({ status: Type.Optional(OneOf(statuses)) }),
        response: { 200: PageSchema(SupportAccess) },
      },
    },
    request => {
      const { actor, params, query } = request
      const filters = { organization_id: params.id, ...(query.status && { status: query.status }) }
      return actor.run(listSupport(filters, cursors.open(request)))
    },
  )

  app.get(
    '/support/:support_id',
    {
      access: 'support:read',
      schema: {
        operationId: 'getSupportAccess',
        summary: 'Get a support access',
        tags,
        params: SupportParams,
        response: { 200: SupportAccess },
      },
    },
    ({ actor, params }) => actor.run(getSupport(placeIn(params))),
  )

  app.post(
    '/support/:support_id/approve',
    {
      access: 'support:write',
      stepUp: true,
      noStore: true, // creates nothing: a repeated request gets `support-access-decided`
      problems: ['own-support-access', 'support-access-decided'],
      schema: {
        operationId: 'approveSupportAccess',
        summary: 'Grant support access',
        description:
          'It opens at once, to the operator who asked and to no one else. Each of its requests is an entry of the audit log, also one that only reads.',
        tags,
        params: SupportParams,
        body: SupportApproval,
        response: { 200: SupportAccess },
      },
    },
    ({ actor, params, body }) => actor.run(approveSupport(placeIn(params), body)),
  )

  app.post(
    '/support/:support_id/deny',
    {
      access: 'support:write',
      noStore: true, // as for granting
      problems: ['support-access-decided'],
      schema: {
        operationId: 'denySupportAccess',
        summary: 'Deny support access',
        tags,
        params: SupportParams,
        response: { 204: Type.Null() },
      },
    },
    async ({ actor, params }, reply) => {
      await actor.transaction(transaction => denySupport(transaction, placeIn(params)))
      return reply.code(204).send(null)
    },
  )

  app.delete(
    '/support/:support_id',
    {
      access: 'support:write',
      problems: ['support-access-decided'],
      schema: {
        operationId: 'endSupportAccess',
        summary: 'End support access',
        description: 'At once: requests that are being served fail, and what they write is not committed.',
        tags,
        params: SupportParams,
        response: { 204: Type.Null() },
      },
    },
    async ({ actor, params }, reply) => {
      await actor.run(endSupport(placeIn(params)))
      return reply.code(204).send(null)
    },
  )
}
