import { listMembers, Member, MemberFilters } from '../../directory/members/member-list.ts'
import { sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import { Problem } from '../../platform/problems.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { hasUncontestedAccess } from '../support/support.ts'
import {
  getOrganization,
  listOrganizations,
  OperatedOrganization,
  OperatedOrganizationQuery,
  reactivateOrganization,
  suspendOrganization,
  Suspension,
} from './operator-organizations.ts'

/** All organizations, for operators. */
export function operatorOrganizationRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  const tags = ['Operators: organizations']
  const params = Strict({ id: IdOf('organization') })

  app.get(
    '/admin/organizations',
    {
      access: 'admin:organizations:read',
      schema: {
        operationId: 'operatorListOrganizations',
        summary: 'List all organizations',
        tags,
        querystring: OperatedOrganizationQuery,
        response: { 200: PageSchema(OperatedOrganization) },
      },
    },
    request => request.operator.run(listOrganizations(request.query, cursors.open(request))),
  )

  app.get(
    '/admin/organizations/:id',
    {
      access: 'admin:organizations:read',
      tagged: true,
      schema: {
        operationId: 'operatorGetOrganization',
        summary: 'Get any organization',
        tags,
        params,
        response: { 200: OperatedOrganization },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      return sendTagged(reply, id, await request.operator.run(getOrganization(id)))
    },
  )

  app.get(
    '/admin/organizations/:id/members',
    {
      access: 'admin:organizations:read',
      schema: {
        operationId: 'operatorListMembers',
        summary: 'List the members of any organization',
        description: 'Of an organization that is not deleted. A suspended one has its members still.',
        tags,
        params,
        querystring: PageQueryOf(MemberFilters),
        response: { 200: PageSchema(Member) },
      },
    },
    request => {
      const { id } = request.params
      return request.operator.within(id).run(listMembers(id, request.query, cursors.open(request)))
    },
  )

  app.post(
    '/admin/organizations/:id/suspend',
    {
      access: 'admin:organizations:write',
      problems: ['organization-already-suspended'],
      schema: {
        operationId: 'suspendOrganization',
        summary: 'Suspend an organization',
        description:
          'At once, its members can neither read nor change anything in it (problem `organization-suspended`): they can only leave ' +
          'it. No one can join it, and invitations that are due are not sent. Nothing is lost. Its owners get an email with the reason.',
        tags,
        params,
        body: Suspension,
        response: { 200: OperatedOrganization },
      },
    },
    ({ operator, params: { id }, body: { reason } }) =>
      operator
        .on({ entity_type: 'organizations', entity_id: id, details: { reason } })
        .within(id)
        .run(suspendOrganization(id, reason)),
  )

  app.post(
    '/admin/organizations/:id/reactivate',
    {
      access: 'admin:organizations:write',
      problems: ['organization-not-suspended', 'support-access-uncontested'],
      schema: {
        operationId: 'reactivateOrganization',
        summary: 'Reactivate a suspended organization',
        description:
          'Everything is as before the suspension. Its owners get an email. An emergency support access that they could not end before it opens must be ended first.',
        tags,
        params,
        response: { 200: OperatedOrganization },
      },
    },
    ({ operator, params: { id } }) =>
      operator.within(id).transaction(async transaction => {
        if (await transaction.run(hasUncontestedAccess(id))) throw new Problem('support-access-uncontested')
        return transaction.run(reactivateOrganization(id))
      }),
  )
}
