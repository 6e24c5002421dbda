import { Type } from 'typebox'
import { isFresh } from '../../platform/gate/access.ts'
import { preferredLocale } from '../../platform/locales.ts'
import { Email, OneOf, Strict } from '../../platform/schemas.ts'
import { originOf } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { Accepted, Login, NewPassword, Token } from '../sign-in/messages.ts'
import { changePassword, completePasswordReset, requestEmailChange, requestPasswordReset } from './recovery.ts'
import type { RecoveryTools } from './recovery.ts'
import { requestVerification, verifications, verifyEmail } from '../verification/verification.ts'

const rules = { access: 'public', secret: true, perMinute: 10 } as const
const tags = ['Authentication']

/** What everybody is answered, so that nobody learns which addresses have an account. */
const ACCEPTED = { status: 'accepted' } as const

/** Proving an address, forgetting a password, changing either. */
export function recoveryRoutes(app: App, tools: RecoveryTools): void {
  const { system } = tools.database

  app.post(
    '/auth/verify-email',
    {
      ...rules,
      problems: ['invalid-token'],
      schema: {
        operationId: 'verifyEmail',
        summary: 'Confirm an address by the token in a mail',
        description:
          'One door for every mail that proves an address: of a sign-up, which makes the account, of a change of address, ' +
          'and of an account that has one unconfirmed. It signs nobody in, and ends no session.',
        tags,
        body: Strict({ token: Token }, { title: 'EmailVerification' }),
        response: {
          200: Type.Object({ status: OneOf(verifications), email: Email }, { title: 'EmailVerified' }),
        },
      },
    },
    request => verifyEmail(tools, originOf(request), request.body.token),
  )

  app.post(
    '/auth/verify-email/resend',
    {
      ...rules,
      schema: {
        operationId: 'resendVerification',
        summary: 'Ask again for the mail that confirms an address',
        description: 'Answers the same for every address; at most five mails go to one in an hour.',
        tags,
        body: Strict({ email: Email }, { title: 'VerificationRequest' }),
        response: { 202: Accepted },
      },
    },
    async (request, reply) => {
      const locale = preferredLocale(request.headers['accept-language'])
      await system.run({ origin: originOf(request) }, requestVerification(request.body.email, locale))
      return reply.code(202).send(ACCEPTED)
    },
  )

  app.post(
    '/auth/password-reset',
    {
      ...rules,
      schema: {
        operationId: 'requestPasswordReset',
        summary: 'Ask for the mail that lets one set a new password',
        description:
          'Answers the same for every address; at most five mails go to one in an hour. The token lives 30 minutes.',
        tags,
        body: Strict({ email: Email }, { title: 'PasswordResetRequest' }),
        response: { 202: Accepted },
      },
    },
    async (request, reply) => {
      const locale = preferredLocale(request.headers['accept-language'])
      await system.run({ origin: originOf(request) }, requestPasswordReset(request.body.email, locale))
      return reply.code(202).send(ACCEPTED)
    },
  )

  app.post(
    '/auth/password-reset/complete',
    {
      ...rules,
      problems: ['invalid-token', 'weak-password'],
      schema: {
        operationId: 'completePasswordReset',
        summary: 'Set a new password by the token in a mail',
        description:
          'Ends all sessions, forgets all devices and lifts a lock. It signs nobody in, so a second factor is asked for as ' +
          'always. A password that is refused leaves the token unspent.',
        tags,
        body: Strict({ token: Token, new_password: NewPassword }, { title: 'PasswordReset' }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { token, new_password } = request.body
      await completePasswordReset(tools, originOf(request), token, new_password)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/auth/change-password',
    {
      ...rules,
      access: 'session',
      problems: ['invalid-credentials', 'step-up-required', 'weak-password'],
      schema: {
        operationId: 'changePassword',
        summary: "Change one's password",
        description:
          'The current password is the proof; an account without one, which signs in elsewhere, needs a sign-in younger than ' +
          'ten minutes. Other sessions end, and other devices are forgotten, unless `end_other_sessions` is false.',
        tags,
        body: Strict(
          {
            current_password: Type.Optional(Login.properties.password),
            new_password: NewPassword,
            end_other_sessions: Type.Optional(Type.Boolean({ default: true })),
          },
          { title: 'PasswordChange' },
        ),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor, body } = request
      const { current_password, new_password, end_other_sessions: endsOthers = true } = body
      const holder = { user_id: actor.user_id, session_id: actor.session_id, isFresh: isFresh(actor) }
      await changePassword(tools, actor.scope.origin, holder, { current_password, new_password, endsOthers })
      return reply.code(204).send(null)
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
        summary: 'Ask for another e-mail address',
        description:
          'A mail to the new address confirms it, with `POST /api/v1/auth/verify-email`; until then the present one stays, ' +
          'and is told. Answers the same whether the new one has an account or not.',
        tags,
        body: Strict({ new_email: Email }, { title: 'EmailChange' }),
        response: { 202: Accepted },
      },
    },
    async (request, reply) => {
      const { actor } = request
      const locale = preferredLocale(request.headers['accept-language'])
      await requestEmailChange(tools, actor.scope.origin, actor, request.body.new_email, locale)
      return reply.code(202).send(ACCEPTED)
    },
  )
}
