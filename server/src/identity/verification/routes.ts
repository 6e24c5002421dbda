import { preferredLocale } from '../../platform/locales.ts'
import type { App } from '../../platform/http/route.ts'
import { Accepted, Email, Strict, Token } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { requestVerification } from '../accounts/email.ts'
import { requestEmailChange, Verification, verifyEmail } from './verification.ts'

const rules = { access: 'public', noStore: true, perMinute: 10 } as const
const tags = ['Authentication']

/** Verifying an address, and changing it. */
export function verificationRoutes(app: App, services: Services): void {
  app.post(
    '/auth/verify-email',
    {
      ...rules,
      problems: ['invalid-token'],
      schema: {
        operationId: 'verifyEmail',
        summary: 'Verify an e-mail address',
        description:
          'Takes the token of every mail that verifies an address: of a sign-up, which creates the account, of a change of ' +
          'address, and of an account whose address is not verified. It creates no session and revokes none.',
        tags,
        body: Strict({ token: Token }, { title: 'EmailVerification' }),
        response: { 200: Verification },
      },
    },
    request => verifyEmail(request.visitor, services, request.body.token),
  )

  app.post(
    '/auth/verify-email/resend',
    {
      ...rules,
      schema: {
        operationId: 'resendVerification',
        summary: 'Resend the verification mail',
        description: 'Answers the same for every address; at most five mails go to one in an hour.',
        tags,
        body: Strict({ email: Email }, { title: 'VerificationRequest' }),
        response: { 202: Accepted },
      },
    },
    async (request, reply) => {
      const locale = preferredLocale(request.headers['accept-language'])
      await requestVerification(request.visitor, request.body.email, locale)
      return reply.code(202).send({ status: 'accepted' })
    },
  )

  app.post(
    '/auth/change-email',
    {
      ...rules,
      access: 'session',
      stepUp: true,
      schema: {
        operationId: 'changeEmail',
        summary: "Change the current user's e-mail address",
        description:
          'A mail to the new address confirms it, with `POST /api/v1/auth/verify-email`; until then the present one stays, ' +
          'and is told. Answers the same whether the new one has an account or not.',
        tags,
        body: Strict({ new_email: Email }, { title: 'EmailChange' }),
        response: { 202: Accepted },
      },
    },
    async (request, reply) => {
      const { actor, body, headers, visitor } = request
      await requestEmailChange(visitor, actor, body.new_email, preferredLocale(headers['accept-language']))
      return reply.code(202).send({ status: 'accepted' })
    },
  )
}
