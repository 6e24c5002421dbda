import { Type } from 'typebox'
import type { Database } from '../../platform/database/database.ts'
import { Strict } from '../../platform/schemas.ts'
import type { App } from '../../platform/http/route.ts'
import { originOf } from '../../platform/http/route.ts'
import { unlockByToken } from './lockout.ts'

export function lockoutRoutes(app: App, { database, key }: { database: Database; key: Buffer }): void {
  app.post(
    '/auth/unlock',
    {
      access: 'public',
      secret: true,
      perMinute: 10,
      problems: ['invalid-token'],
      schema: {
        operationId: 'unlock',
        summary: 'Unlock sign-in after too many failures',
        description: 'By the token of the mail that told of the lock.',
        tags: ['Authentication'],
        body: Strict({ token: Type.String({ minLength: 1, maxLength: 4096 }) }, { title: 'Unlock' }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await unlockByToken(database, key, originOf(request), request.body.token)
      return reply.code(204).send(null)
    },
  )
}
