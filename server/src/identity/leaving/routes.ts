import { Readable } from 'node:stream'
import { Type } from 'typebox'
import { conditionOf } from '../../platform/http/entity-tags.ts'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { Strict, Token } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { accountExportOf, exportAccount } from './export.ts'
import { deleteAccount, restoreAccount } from './leaving.ts'

const tags = ['People']

export function leavingRoutes(app: App, services: Services): void {
  const { declared } = services

  app.get(
    '/users/me/export',
    {
      access: 'session',
      stepUp: true,
      noStore: true,
      perMinute: 5,
      schema: {
        operationId: 'exportAccount',
        summary: "Export the current user's data",
        description: 'One JSON document. It is streamed and can be large.',
        tags,
        response: { 200: accountExportOf(declared.exportSections) },
      },
    },
    async (request, reply) => {
      const { actor, visitor } = request
      const pieces = exportAccount({ visitor, account: actor.account }, declared, actor)
      // If the first piece is refused, the response is a problem.
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
      noStore: true,
      tagged: true,
      problems: ['last-owner', 'last-superuser'],
      schema: {
        operationId: 'deleteAccount',
        summary: "Delete the current user's account",
        description:
          'Revokes every session at once. Teams without another member are closed; for a team that would be left without an ' +
          'owner, first make another member an owner. A link in an email restores everything until the account is erased.',
        tags,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor, visitor } = request
      await deleteAccount(visitor, services, actor, conditionOf(request, actor.user_id))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/auth/restore-account',
    {
      access: 'public',
      noStore: true,
      perMinute: TRIES_PER_MINUTE,
      problems: ['invalid-token', 'seats-exhausted'],
      schema: {
        operationId: 'restoreAccount',
        summary: 'Restore a deleted account',
        description: 'Takes the token from the email about the deletion. It creates no session.',
        tags: ['Authentication'],
        body: Strict({ token: Token }, { title: 'Restoration' }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await restoreAccount(request.visitor, services, request.body.token)
      return reply.code(204).send(null)
    },
  )
}
