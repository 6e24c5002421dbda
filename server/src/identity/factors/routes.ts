import { Type } from 'typebox'
import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { renewRecoveryCodes } from './factors.ts'
import { RecoveryCodes } from './messages.ts'

export function factorRoutes(app: App, services: Pick<Services, 'declared' | 'keys'>): void {
  app.post(
    '/auth/mfa/recovery-codes',
    {
      access: 'session',
      stepUp: true,
      noStore: true,
      problems: ['second-factor-missing'],
      schema: {
        operationId: 'makeRecoveryCodes',
        summary: 'Generate new recovery codes',
        description: 'All earlier ones are void.',
        tags: ['Second factors'],
        response: { 200: Type.Object({ recovery_codes: RecoveryCodes }, { title: 'RecoveryCodes' }) },
      },
    },
    async ({ actor, visitor }) => ({ recovery_codes: await renewRecoveryCodes(visitor, services, actor) }),
  )
}
