import { conditionOf, sendTagged } from '../http/entity-tags.ts'
import type { App } from '../http/route.ts'
import { getProfile, ProfileChanges, ProfileReplacement, updateProfile, User } from './users.ts'

export function userRoutes(app: App): void {
  // One resource under two names.
  for (const [path, name] of [
    ['/users/me', 'OwnProfile'],
    ['/users/profile', 'OwnProfileAlias'],
  ] as const) {
    app.get(
      path,
      {
        access: 'session',
        tagged: true,
        schema: { operationId: `get${name}`, summary: 'Read who one is', tags: ['People'], response: { 200: User } },
      },
      async (request, reply) => {
        const user = await request.actor.run(getProfile(request.actor.user_id))
        return sendTagged(reply, user.id, user)
      },
    )

    app.patch(
      path,
      {
        access: 'session',
        tagged: true,
        problems: ['username-taken'],
        schema: {
          operationId: `update${name}`,
          summary: "Change one's names",
          tags: ['People'],
          body: ProfileChanges,
          response: { 200: User },
        },
      },
      async (request, reply) => {
        const { actor } = request
        const user = await actor.run(updateProfile(actor.user_id, request.body, conditionOf(request, actor.user_id)))
        return sendTagged(reply, user.id, user)
      },
    )

    app.put(
      path,
      {
        access: 'session',
        tagged: true,
        problems: ['username-taken'],
        schema: {
          operationId: `replace${name}`,
          summary: "Replace one's names",
          tags: ['People'],
          body: ProfileReplacement,
          response: { 200: User },
        },
      },
      async (request, reply) => {
        const { actor } = request
        const reset = { username: null, given_name: null, family_name: null, full_name: null }
        const user = await actor.run(
          updateProfile(actor.user_id, { ...reset, ...request.body }, conditionOf(request, actor.user_id)),
        )
        return sendTagged(reply, user.id, user)
      },
    )
  }
}
