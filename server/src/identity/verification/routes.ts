import { Type } from 'typebox'
import { preferredLocale } from '../../platform/locales.ts'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { Accepted, Email, Strict, Token } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { createBrowserCookie } from '../accounts/browser-cookie.ts'
import { requestVerification } from '../accounts/email.ts'
import { requireSession } from '../factors/factors.ts'
import { Password } from '../passwords/password-policy.ts'
import { Proof, proofProblems } from '../proofs/messages.ts'
import { requestEmailChange, Verification, verifyEmail } from './verification.ts'

const rules = { access: 'public', noStore: true, perMinute: TRIES_PER_MINUTE } as const
const tags = ['Authentication']

/** The routes to verify an address and to change it. */
export function verificationRoutes(app: App, services: Services): void {
  const cookie = createBrowserCookie(services.config.publicUrl)
  app.post(
    '/auth/verify-email',
    {
      ...rules,
      problems: ['invalid-token', 'invalid-credentials', 'session-ended', 'weak-password'],
      schema: {
        operationId: 'verifyEmail',
        summary: 'Verify an email address',
        description:
          'Takes the token of every email that verifies an address. For a sign-up, `password` is the new password, and creates the ' +
          'account. For an existing account with a password, `password` is that password, or an access token of that account is ' +
          'sent along. For a change of address, and for an account without a password, the token is enough. It creates no session and ' +
          'revokes none.',
        tags,
        body: Strict({ token: Token, password: Type.Optional(Password) }, { title: 'EmailVerification' }),
        response: { 200: Verification },
      },
    },
    ({ visitor, actor, body: { token, password }, headers }) =>
      verifyEmail(visitor, services, token, {
        password,
        browser: cookie.read(headers.cookie),
        session: actor && { user_id: actor.user_id, check: () => actor.account.run(requireSession) },
      }),
  )

  app.post(
    '/auth/verify-email/resend',
    {
      ...rules,
      schema: {
        operationId: 'resendVerification',
        summary: 'Resend the verification email',
        description: 'The response is the same for every address; each gets at most five emails an hour.',
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
      problems: proofProblems,
      schema: {
        operationId: 'changeEmail',
        summary: "Change the current user's email address",
        description:
          'An email to the new address confirms it, with `POST /api/v1/auth/verify-email`; until then the current one stays ' +
          'and gets a notice. The response is the same whether the new one has an account or not.',
        tags,
        body: Strict(
          { new_email: Email, proof: Type.Optional(Proof) },
          { title: 'EmailChange', examples: [{ new_email: 'jane@example.com', proof: { password: 'SecureP@ss123' } }] },
        ),
        response: { 202: Accepted },
      },
    },
    async (request, reply) => {
      const { actor, body, headers, visitor } = request
      const locale = preferredLocale(headers['accept-language'])
      await requestEmailChange(visitor, services, actor, { ...body, proof: body.proof, locale })
      return reply.code(202).send({ status: 'accepted' })
    },
  )
}
