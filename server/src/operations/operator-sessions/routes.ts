import { Type } from 'typebox'
import type { App } from '../../platform/http/route.ts'
import { Problem } from '../../platform/problems.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  allOrNothing,
  BulkResults,
  changedOf,
  distinctIds,
  idsOf,
  onlyOutcome,
  resultsOf,
} from '../operator-users/bulk.ts'
import { pageOfKnown } from '../superusers/known-rows.ts'
import { getAnySession, listAllSessions, OperatorSession, SessionFilters } from './operator-sessions.ts'
import { revokeSessions, revokeSessionsOfOrganization, revokeSessionsOfUser } from './revocation.ts'

const tags = ['Operators: sessions']
const read = { access: 'admin:sessions:read' } as const
const write = { access: 'admin:sessions:write' } as const

const RevokedCount = Type.Object(
  {
    revoked: Type.Integer({ minimum: 0, maximum: 1000, description: 'How many sessions were revoked.' }),
    has_more: Type.Boolean({ description: 'Whether there may be more: a request revokes at most 1,000. Repeat it.' }),
  },
  { title: 'RevokedCount' },
)

export function operatorSessionRoutes(
  app: App,
  { cursors, declared: { problems } }: Pick<Services, 'cursors' | 'declared'>,
): void {
  app.get(
    '/admin/sessions',
    {
      ...read,
      schema: {
        operationId: 'listAllSessions',
        summary: 'List the sessions of all users',
        description:
          'With the user and the organization of each. A page takes the same time for any number of sessions, unless `device` finds few; `include_total` counts them all.',
        tags,
        querystring: PageQueryOf(SessionFilters),
        response: { 200: PageSchema(OperatorSession) },
      },
    },
    request => {
      const { user_id, organization_id } = request.query
      const list = listAllSessions(request.query, cursors.open(request))
      return pageOfKnown(request.operator, list, { users: { user_id }, organization_id })
    },
  )

  app.get(
    '/admin/sessions/:id',
    {
      ...read,
      schema: {
        operationId: 'getAnySession',
        summary: 'Get a session of any user',
        tags,
        params: Strict({ id: IdOf('session') }),
        response: { 200: OperatorSession },
      },
    },
    request => request.operator.run(getAnySession(request.params.id)),
  )

  app.delete(
    '/admin/sessions/:id',
    {
      ...write,
      problems: ['own-session', 'support-access-uncontested'],
      schema: {
        operationId: 'revokeAnySession',
        summary: 'Revoke a session of any user',
        description: 'It is refused from the next request on. A session that is over stays as it is.',
        tags,
        params: Strict({ id: IdOf('session') }),
        response: { 204: Type.Null() },
      },
    },
    async ({ operator, params: { id } }, reply) => {
      await operator.transaction(async transaction =>
        onlyOutcome(id, await transaction.run(revokeSessions([id], operator.session_id))),
      )
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/admin/sessions/revoke',
    {
      ...write,
      problems: ['bulk-refused', 'support-access-uncontested'],
      schema: {
        operationId: 'revokeAnySessions',
        summary: 'Revoke many sessions',
        description:
          'In one transaction: a request that fails has changed nothing, and can be repeated with its `Idempotency-Key`. The session of the request itself is refused.',
        tags,
        body: Strict(
          { session_ids: idsOf('session'), all_or_nothing: Type.Optional(allOrNothing) },
          { title: 'SessionRevocation' },
        ),
        response: { 200: BulkResults },
      },
    },
    ({ operator, body }) => {
      const ids = distinctIds(body.session_ids)
      const log = operator.on({ entity_type: 'sessions', details: changedOf })
      return log.transaction(async transaction =>
        resultsOf(ids, await transaction.run(revokeSessions(ids, operator.session_id)), {
          problems,
          isWhole: body.all_or_nothing === true,
        }),
      )
    },
  )

  app.delete(
    '/admin/users/:id/sessions',
    {
      ...write,
      problems: ['own-account', 'support-access-uncontested'],
      schema: {
        operationId: 'revokeSessionsOfUser',
        summary: 'Revoke all sessions of an account',
        tags,
        params: Strict({ id: IdOf('user') }),
        response: { 200: RevokedCount },
      },
    },
    async ({ operator, params: { id } }) => {
      if (id === operator.user_id) throw new Problem('own-account')
      return operator.run(revokeSessionsOfUser(id))
    },
  )

  app.delete(
    '/admin/organizations/:id/sessions',
    {
      ...write,
      problems: ['support-access-uncontested'],
      schema: {
        operationId: 'revokeSessionsOfOrganization',
        summary: 'Revoke the sessions that have chosen an organization',
        description:
          "Whichever users they belong to; members' sessions in other organizations stay, and so does the session of the request itself.",
        tags,
        params: Strict({ id: IdOf('organization') }),
        response: { 200: RevokedCount },
      },
    },
    ({ operator, params: { id } }) => operator.for(id).run(revokeSessionsOfOrganization(id, operator.session_id)),
  )
}
