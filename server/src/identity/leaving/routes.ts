import { Readable } from 'node:stream'
import { Type } from 'typebox'
import { Strict } from '../../platform/schemas.ts'
import { conditionOf } from '../../platform/http/entity-tags.ts'
import { originOf } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { AccountExport, exportAccount } from './export.ts'
import { deleteAccount, restoreAccount } from './leaving.ts'
import type { LeavingOptions } from './leaving.ts'

const tags = ['People']

export function leavingRoutes(app: App, { database, key, graceDays }: LeavingOptions): void {
  app.get(
    '/users/me/export',
    {
      access: 'session',
      stepUp: true,
      secret: true,
      perMinute: 5,
      schema: {
        operationId: 'exportAccount',
        summary: 'Read everything that is stored of oneself',
        description: 'One JSON document to keep. It is sent while it is read, so it may be long.',
        tags,
        response: { 200: AccountExport },
      },
    },
    async (request, reply) => {
      const pieces = exportAccount(database, request.actor.scope)
      // Who may not is told so, in an answer of its own.
      const first = await pieces.next()
      const document = async function* () {
        yield first.value ?? ''
        yield* pieces
      }
      return reply
        .type('application/json; charset=utf-8')
        .header('content-disposition', 'attachment; filename="account.json"')
        .send(Readable.from(document()) as never)
    },
  )

  app.delete(
    '/users/me',
    {
      access: 'session',
      stepUp: true,
      secret: true,
      tagged: true,
      problems: ['last-owner', 'last-superuser'],
      schema: {
        operationId: 'deleteAccount',
        summary: 'Delete one’s account',
        description:
          'Ends every session at once. Teams without another member are closed; a team that would be left without an owner ' +
          'has to get one first. A mail brings everything back until the account is erased.',
        tags,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor } = request
      const { user_id, session_id } = actor
      const origin = { ...originOf(request), user_id }
      await deleteAccount(database, origin, { user_id, session_id }, conditionOf(request, user_id), graceDays)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/auth/restore-account',
    {
      access: 'public',
      secret: true,
      perMinute: 10,
      problems: ['invalid-token'],
      schema: {
        operationId: 'restoreAccount',
        summary: 'Bring a deleted account back',
        description: 'By the token of the mail that told of the deletion. Signs nobody in.',
        tags: ['Authentication'],
        body: Strict({ token: Type.String({ minLength: 1, maxLength: 4096 }) }, { title: 'Restoration' }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await restoreAccount(database, key, originOf(request), request.body.token)
      return reply.code(204).send(null)
    },
  )
}
