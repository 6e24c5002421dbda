import { Type } from 'typebox'
import type { Static } from 'typebox'
import { hasRecentSignIn } from '../../platform/gate/actor.ts'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import { Invitation, NewInvitation } from '../../identity/invitations/invitations.ts'
import { createInvitation } from '../../identity/invitations/sending.ts'
import { invalidField, isProblem, Problem } from '../../platform/problems.ts'
import type { ProblemCode } from '../../platform/problems.ts'
import { IdOf, OneOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { actions, actOnUsers } from './actions.ts'
import type { Action } from './actions.ts'
import { allOrNothing, BulkResults, changedOf, distinctIds, idsOf, onlyOutcome, resultsOf } from './bulk.ts'
import { changeUser, UserChanges, UserReplacement } from './changes.ts'
import type { ChangedUser } from './changes.ts'
import { pageOfKnown, requireUnsuspended } from '../superusers/known-rows.ts'
import { getUser, OperatorUserDetails } from './user.ts'
import { listUsers, OperatorUser, UserFilters } from './user-list.ts'

/** A new invitation, with its organization. */
const InvitationByOperator = Strict(
  { organization_id: IdOf('organization'), ...NewInvitation.properties },
  {
    title: 'InvitationByOperator',
    description: '`role`, or `role_id` of a custom role of the organization, is required.',
    examples: [
      {
        organization_id: '0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e',
        email: 'jane@example.com',
        role: 'member',
        title: 'Engineer',
      },
    ],
  },
)
const invitingProblems = ['email-unverified', 'too-many-invitations', 'too-many-open-invitations'] as const

const tags = ['Operators: users']
const read = { access: 'admin:users:read' } as const
const write = { access: 'admin:users:write' } as const
const params = Strict({ id: IdOf('user') })

export function operatorUserRoutes(app: App, { cursors, declared }: Pick<Services, 'cursors' | 'declared'>): void {
  app.get(
    '/admin/users',
    {
      ...read,
      schema: {
        operationId: 'listAllUsers',
        summary: 'List all accounts',
        tags,
        querystring: PageQueryOf(UserFilters),
        response: { 200: PageSchema(OperatorUser) },
      },
    },
    request => {
      const { organization_id } = request.query
      return pageOfKnown(request.operator, listUsers(request.query, cursors.open(request)), { organization_id })
    },
  )

  app.post(
    '/admin/users',
    {
      ...write,
      problems: [
        'already-member',
        'organization-suspended',
        'own-account',
        'personal-organization',
        'step-up-required',
        ...invitingProblems,
      ],
      schema: {
        operationId: 'inviteAnyUser',
        summary: 'Invite an address to an organization',
        description:
          'In any role, but not the own address. The response is the same whether the address has an account or not. The owners of the organization are notified by email; members see that an operator invited, but not which one.',
        tags,
        body: InvitationByOperator,
        response: { 202: Invitation },
      },
    },
    async ({ actor, operator, body: { organization_id, ...invitation } }, reply) => {
      if (invitation.email.toLowerCase() === actor.email.toLowerCase()) throw new Problem('own-account')
      const place = { organization_id, user_id: null }
      const invited = await operator
        .on({
          entity_type: 'invitations',
          entity_id: ({ id }: Static<typeof Invitation>) => id,
          details: ({ role, role_id, guest }: Static<typeof Invitation>) => ({ role, role_id, guest }),
        })
        .within(organization_id)
        .transaction(async transaction => {
          await requireUnsuspended(transaction, organization_id)
          return createInvitation(transaction, place, invitation, hasRecentSignIn(actor))
        })
        .catch((error: unknown) => {
          if (isProblem(error, 'not-found')) throw invalidField('/organization_id', 'is not the id of an organization')
          throw error
        })
      return reply.code(202).send(invited)
    },
  )

  app.get(
    '/admin/users/:id',
    {
      ...read,
      tagged: true,
      schema: {
        operationId: 'getAnyUser',
        summary: 'Get an account',
        description: 'With its memberships, second factors and sessions. An erased account is not found.',
        tags,
        params,
        response: { 200: OperatorUserDetails },
      },
    },
    async ({ operator, params: { id } }, reply) => sendTagged(reply, id, await operator.run(getUser(declared, id))),
  )

  for (const [method, verb, body, resets] of [
    ['PATCH', 'update', UserChanges, {}],
    ['PUT', 'replace', UserReplacement, { given_name: null, family_name: null, full_name: null }],
  ] as const) {
    app.route({
      method,
      url: '/admin/users/:id',
      ...write,
      tagged: true,
      problems: [
        'guest-holds-roles',
        'last-superuser',
        'own-account',
        'seats-exhausted',
        'step-up-required',
        'support-access-uncontested',
      ],
      schema: {
        operationId: `${verb}AnyUser`,
        summary: `${verb === 'update' ? 'Update' : 'Replace'} an account`,
        description:
          'Disables or enables it, grants or revokes the platform role, makes it a guest, or corrects its names. The user is notified of the first two by email. ' +
          'Operators never set passwords or change addresses.',
        tags,
        params,
        body,
        response: { 200: OperatorUserDetails },
      },
      handler: async (request, reply) => {
        const { actor, operator, params: path } = request
        const { id } = path as { id: string }
        const changes = { ...resets, ...request.body }
        const rules = {
          condition: conditionOf(request, id),
          own_id: operator.user_id,
          hasRecentSignIn: hasRecentSignIn(actor),
        }
        const { user } = await operator
          .on({ entity_type: 'users', entity_id: id, details: ({ changed }: { changed: ChangedUser }) => changed })
          .transaction(async transaction => {
            const changed = await changeUser(transaction, id, changes, rules)
            return { changed, user: await transaction.run(getUser(declared, id)) }
          })
        return sendTagged(reply, id, user)
      },
    })
  }

  actAt(app, declared, 'restore', {
    summary: 'Restore a deleted account',
    description: 'With the memberships and organizations that its deletion ended, until it is erased.',
    problems: ['own-account'],
  })
  actAt(app, declared, 'unlock', {
    summary: 'Unlock the sign-in of an account',
    description: 'Lifts the locks on passwords and on codes after too many failures.',
    problems: ['own-account'],
  })
  actAt(app, declared, 'require-password-change', {
    summary: 'Require a new password',
    description:
      'Revokes the sessions. The next sign-in with the present password gets 403 `password-change-required`, with a token that sets a new one. ' +
      'Sign-in by passkey or provider is not affected. The user is notified by email.',
    problems: ['account-without-password', 'own-account', 'support-access-uncontested'],
  })

  app.post(
    '/admin/users/bulk',
    {
      ...write,
      problems: ['bulk-refused', 'support-access-uncontested'],
      schema: {
        operationId: 'actOnUsers',
        summary: 'Do the same to many accounts',
        description:
          'In one transaction, with a result for each account: a request that fails has changed nothing, and can be repeated with its `Idempotency-Key`. ' +
          "The operator's own account and the last superuser are refused.",
        tags,
        body: Strict(
          { action: OneOf(actions), ids: idsOf('user'), all_or_nothing: Type.Optional(allOrNothing) },
          { title: 'BulkAction' },
        ),
        response: { 200: BulkResults },
      },
    },
    ({ operator, body: { action, ids: given, all_or_nothing } }) => {
      const ids = distinctIds(given)
      const { problems } = declared
      const details = (result: Static<typeof BulkResults>) => ({ action, ...changedOf(result) })
      return operator.on({ entity_type: 'users', details }).transaction(async transaction =>
        resultsOf(ids, await actOnUsers(transaction, action, ids, operator.user_id), {
          problems,
          isWhole: all_or_nothing === true,
        }),
      )
    },
  )
}

interface Described {
  summary: string
  description: string
  problems: readonly ProblemCode[]
}

/** A route that does one action to one account, and returns it. */
function actAt(
  app: App,
  declared: Services['declared'],
  action: Exclude<Action, 'disable' | 'enable' | 'end-sessions'>,
  { summary, description, problems }: Described,
): void {
  const name = {
    restore: 'restoreAnyUser',
    unlock: 'unlockAnyUser',
    'require-password-change': 'requirePasswordChange',
  }
  app.post(
    `/admin/users/:id/${action}`,
    {
      ...write,
      noStore: true, // creates nothing: a repetition changes nothing more
      problems,
      schema: {
        operationId: name[action],
        summary,
        description: `${description} Without effect if it is so already.`,
        tags,
        params,
        response: { 200: OperatorUserDetails },
      },
    },
    async ({ operator, params: { id } }) =>
      operator.transaction(async transaction => {
        onlyOutcome(id, await actOnUsers(transaction, action, [id], operator.user_id))
        return transaction.run(getUser(declared, id))
      }),
  )
}
