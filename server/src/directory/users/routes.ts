import type { FastifyRequest } from 'fastify'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { getProfile, ProfileChanges, ProfileReplacement, refuseRetiredNames, updateProfile, User } from './users.ts'

/** The fields that PUT resets; the username is not among them. */
const resets = { given_name: null, family_name: null, full_name: null, locale: null }

export function userRoutes(app: App, { keys }: Pick<Services, 'keys'>): void {
  /** The username of an erased account counts as taken. */
  const update = (request: FastifyRequest, changes: ProfileChanges) => {
    const { account, user_id } = request.actor
    const statement = updateProfile(user_id, changes, conditionOf(request, user_id))
    const { username } = changes
    if (typeof username !== 'string') return account.run(statement)
    return account.transaction(async transaction => {
      await transaction.run(refuseRetiredNames(keys.oneTime, { username }))
      return transaction.run(statement)
    })
  }

  // The same resource at two paths.
  for (const [path, name] of [
    ['/users/me', 'OwnProfile'],
    ['/users/profile', 'OwnProfileAlias'],
  ] as const) {
    const shared = { access: 'session', tagged: true } as const
    const tags = ['People']
    app.get(
      path,
      {
        ...shared,
        schema: { operationId: `get${name}`, summary: 'Get the current user', tags, response: { 200: User } },
      },
      async (request, reply) => {
        const user = await request.actor.account.run(getProfile())
        return sendTagged(reply, user.id, user)
      },
    )
    for (const [method, verb, summary, body, preset] of [
      ['PATCH', 'update', "Update the current user's names", ProfileChanges, {}],
      ['PUT', 'replace', "Replace the current user's names", ProfileReplacement, resets],
    ] as const) {
      app.route({
        method,
        url: path,
        ...shared,
        problems: ['username-taken'],
        schema: { operationId: `${verb}${name}`, summary, tags, body, response: { 200: User } },
        handler: async (request, reply) => {
          const user = await update(request, { ...preset, ...request.body })
          return sendTagged(reply, user.id, user)
        },
      })
    }
  }
}
