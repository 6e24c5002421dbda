import { Type } from 'typebox'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { RecoveryCodes } from '../factors/messages.ts'
import { Code, Proof, ProofBody, proofProblems } from '../proofs/messages.ts'
import type { ProofServices } from '../proofs/proof.ts'
import { TotpSeed } from './messages.ts'
import { beginTotp, confirmTotp, removeTotp } from './totp.ts'

export function totpRoutes(app: App, services: ProofServices & Pick<Services, 'config' | 'keys'>): void {
  const tags = ['Second factors']
  const session = { access: 'session', noStore: true } as const

  app.post(
    '/auth/mfa/totp',
    {
      ...session,
      problems: ['totp-enrolled'],
      schema: {
        operationId: 'beginTotp',
        summary: 'Begin to enrol an authenticator app',
        description: 'Codes are not required until one has confirmed the app. Beginning again replaces the seed.',
        tags,
        response: { 200: TotpSeed },
      },
    },
    ({ actor, visitor }) => beginTotp(visitor, services, actor, actor.email),
  )

  app.post(
    '/auth/mfa/totp/confirm',
    {
      ...session,
      perMinute: TRIES_PER_MINUTE,
      problems: [...proofProblems, 'not-found', 'totp-enrolled'],
      schema: {
        operationId: 'confirmTotp',
        summary: 'Confirm the authenticator app with one of its codes',
        description: 'From now on every sign-in requires a code, and this session counts as having verified one.',
        tags,
        body: Strict({ code: Code, proof: Type.Optional(Proof) }, { title: 'TotpConfirmation' }),
        response: { 200: Type.Object({ recovery_codes: Type.Optional(RecoveryCodes) }, { title: 'TotpConfirmed' }) },
      },
    },
    async ({ actor, visitor, body }) => {
      const recovery_codes = await confirmTotp(visitor, services, actor, body.code, body.proof)
      return recovery_codes === undefined ? {} : { recovery_codes }
    },
  )

  app.delete(
    '/auth/mfa/totp',
    {
      ...session,
      perMinute: TRIES_PER_MINUTE,
      problems: [...proofProblems, 'not-found'],
      schema: {
        operationId: 'removeTotp',
        summary: 'Remove the authenticator app',
        description:
          'Removing the last second factor also removes the recovery codes and the trust in devices; sessions can then not access organizations that require one.',
        tags,
        body: ProofBody,
        response: { 204: Type.Null() },
      },
    },
    async ({ actor, visitor, body }, reply) => {
      await removeTotp(visitor, services, actor, body?.proof)
      return reply.code(204).send(null)
    },
  )
}
