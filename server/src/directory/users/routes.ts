import type { FastifyRequest } from 'fastify'
import type { Database } from '../../platform/database/database.ts'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import { getProfile, ProfileChanges, ProfileReplacement, refuseRetiredNames, updateProfile, User } from './users.ts'

export interface UserOptions {
  database: Database
  /** Of the digests of names that erased accounts went by. */
  key: Buffer
}

export function userRoutes(app: App, { database, key }: UserOptions): void {
  /** Only the system login may look whether an erased account went by it. */
  const refuseRetired = async ({ actor: { scope } }: FastifyRequest, username: string | null | undefined) => {
    if (typeof username === 'string') await database.system.run(scope, refuseRetiredNames(key, { username }))
  }

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
        await refuseRetired(request, request.body.username)
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
        await refuseRetired(request, request.body.username)
        const reset = { username: null, given_name: null, family_name: null, full_name: null, locale: null }
        const user = await actor.run(
          updateProfile(actor.user_id, { ...reset, ...request.body }, conditionOf(request, actor.user_id)),
        )
        return sendTagged(reply, user.id, user)
      },
    )
  }
}
