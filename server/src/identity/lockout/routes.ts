import { Type } from 'typebox'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { Strict, Token } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { unlockByToken } from './lockout.ts'

export function lockoutRoutes(app: App, services: Pick<Services, 'keys'>): void {
  app.post(
    '/auth/unlock',
    {
      access: 'public',
      noStore: true,
      perMinute: TRIES_PER_MINUTE,
      problems: ['invalid-token'],
      schema: {
        operationId: 'unlock',
        summary: 'Unlock sign-in after too many failures',
        description: 'Takes the token from the email about the lock.',
        tags: ['Authentication'],
        body: Strict({ token: Token }, { title: 'Unlock' }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await unlockByToken(request.visitor, services, request.body.token)
      return reply.code(204).send(null)
    },
  )
}
