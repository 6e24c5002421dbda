import { Type } from 'typebox'
import type { TObject, TSchema } from 'typebox'
import { hasRecentSignIn } from '../../platform/gate/actor.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import { getMember, listMembers, Member, MemberFilters, Person } from './member-list.ts'
import {
  changeMember,
  leaveOrganization,
  MemberChanges,
  MemberReplacement,
  removeMember,
  restoreMember,
  transferOrganization,
} from './members.ts'
import { requireGivenRole } from '../organizations/held-role.ts'

const OrganizationParams = Strict({ id: IdOf('organization') })

/** The members of the current organization, below `/organizations/{id}`. */
export const memberRoutes = membersAt({
  path: '/members',
  idName: 'user_id',
  name: { one: 'Member', many: 'Members' },
  tag: 'Members',
  list: OrganizationParams,
  single: Strict({ id: IdOf('organization'), user_id: IdOf('user') }),
  item: Member,
})

/** The same members as the people of the organization that the access token names. */
export const peopleRoutes = membersAt({
  path: '/users',
  idName: 'id',
  name: { one: 'Person', many: 'People' },
  tag: 'People',
  list: undefined,
  single: Strict({ id: IdOf('user') }),
  item: Person,
})

interface MembersAt {
  path: '/members' | '/users'
  /** The parameter of the path that names the user. */
  idName: 'user_id' | 'id'
  name: { one: string; many: string }
  tag: string
  /** The parameters of the paths of the list and of one member. */
  list: typeof OrganizationParams | undefined
  single: TObject
  item: typeof Member | typeof Person
}

/** The same resource at two paths; its operations differ only in names and in the form of a member. */
function membersAt({ path, idName, name: { one, many }, tag, list, single, item }: MembersAt) {
  const tags = [tag]
  const idOf = ({ params }: { params: unknown }) => (params as Record<string, string>)[idName] as string
  const shared = { params: single, tags }
  const response = { 200: item as TSchema }

  return (app: App, { cursors }: Pick<Services, 'cursors'>): void => {
    app.get(
      path,
      {
        access: 'members:read',
        schema: {
          operationId: `list${many}`,
          summary: `List ${many.toLowerCase()}`,
          description:
            'Callers who may change members also see members whose account is deleted and, with `status=removed`, members whom they can restore. ' +
            'A page takes the same time for any number of members; `include_total` counts them, which takes about 0.1 seconds for 100,000.',
          tags,
          ...(list && { params: list }),
          querystring: PageQueryOf(MemberFilters),
          response: { 200: PageSchema(item as TSchema) },
        },
      },
      request => request.actor.run(listMembers(request.actor.organization_id, request.query, cursors.open(request))),
    )

    app.get(
      `${path}/:${idName}`,
      {
        access: 'members:read',
        tagged: true,
        schema: {
          ...shared,
          operationId: `get${one}`,
          summary: `Get a ${one.toLowerCase()}`,
          response,
        },
      },
      async (request, reply) => {
        const { organization_id } = request.actor
        return sendTagged(reply, idOf(request), await request.actor.run(getMember(organization_id, idOf(request))))
      },
    )

    for (const [method, verb, body, resets] of [
      ['PATCH', 'update', MemberChanges, {}],
      ['PUT', 'replace', MemberReplacement, { title: null, company: null }],
    ] as const) {
      app.route({
        method,
        url: `${path}/:${idName}`,
        access: 'members:write',
        tagged: true,
        problems: [
          'guest-limited',
          'last-owner',
          'member-account-deleted',
          'own-membership',
          'owner-required',
          'role-exceeds-own',
          'seats-exhausted',
          'step-up-required',
        ],
        schema: {
          ...shared,
          operationId: `${verb}${one}`,
          summary: `${verb === 'update' ? 'Update' : 'Replace'} a ${one.toLowerCase()}'s role, title, company or status`,
          description:
            'Changes the membership only: the account belongs to the user. A disabled member has no access from the next request on.',
          body,
          response,
        },
        handler: async (request, reply) => {
          const { actor } = request
          const user_id = idOf(request)
          const changes = { ...resets, ...request.body }
          if (method === 'PUT') requireGivenRole(request.body)
          const rules = { condition: conditionOf(request, user_id), hasRecentSignIn: hasRecentSignIn(actor) }
          const member = await actor.transaction(transaction =>
            changeMember(transaction, actor.organization_id, user_id, changes, rules),
          )
          return sendTagged(reply, user_id, member)
        },
      })
    }

    app.delete(
      `${path}/:${idName}`,
      {
        access: 'members:write',
        tagged: true,
        problems: ['last-owner', 'owner-required', 'role-exceeds-own', 'step-up-required'],
        schema: {
          ...shared,
          operationId: `remove${one}`,
          summary: `Remove a ${one.toLowerCase()}`,
          description:
            'Ends the membership, which can be restored for 30 days, and revokes the open invitations of the member. If the account ' +
            'is deleted, restoring it no longer restores the membership.',
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        const { actor } = request
        const user_id = idOf(request)
        const rules = { condition: conditionOf(request, user_id), hasRecentSignIn: hasRecentSignIn(actor) }
        await actor.transaction(transaction => removeMember(transaction, actor.organization_id, user_id, rules))
        return reply.code(204).send(null)
      },
    )

    app.post(
      `${path}/:${idName}/restore`,
      {
        access: 'members:write',
        noStore: true, // creates nothing: a repeated request gets `already-member`
        problems: [
          'already-member',
          'guest-limited',
          'member-not-restorable',
          'owner-required',
          'role-exceeds-own',
          'seats-exhausted',
          'step-up-required',
        ],
        schema: {
          ...shared,
          operationId: `restore${one}`,
          summary: `Restore a removed ${one.toLowerCase()}`,
          description:
            'Possible within 30 days of the removal by an administrator; the user is notified by email. A user who left needs an invitation.',
          response,
        },
      },
      async request => {
        const { actor } = request
        return actor.transaction(transaction =>
          restoreMember(transaction, actor.organization_id, idOf(request), hasRecentSignIn(actor)),
        )
      },
    )
  }
}

/** Leaving and transferring the current organization, below `/organizations/{id}`. */
export function membershipRoutes(app: App): void {
  app.post(
    '/leave',
    {
      access: 'organization:leave',
      noStore: true, // it ends the membership, so a repeated request is refused before a stored response is looked up
      problems: ['last-owner'],
      schema: {
        operationId: 'leaveOrganization',
        summary: 'Leave the organization',
        description: 'Possible without the second factor that the organization requires.',
        tags: ['Organizations'],
        params: OrganizationParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await request.actor.run(leaveOrganization(request.params.id, request.actor.user_id))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/transfer',
    {
      access: 'organization:transfer',
      noStore: true, // as for leaving: the caller loses the permission
      problems: ['guest-limited', 'last-owner'],
      stepUp: true,
      schema: {
        operationId: 'transferOrganization',
        summary: 'Transfer ownership',
        description:
          'Without the second factor that the organization requires, only possible if there is no other owner.',
        tags: ['Organizations'],
        params: OrganizationParams,
        body: Strict({ user_id: IdOf('user') }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await request.actor.run(transferOrganization(request.params.id, request.actor.user_id, request.body.user_id))
      return reply.code(204).send(null)
    },
  )
}
