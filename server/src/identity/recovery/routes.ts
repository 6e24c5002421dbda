import { Type } from 'typebox'
import { preferredLocale } from '../../platform/locales.ts'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { Accepted, Email, Strict, Token } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { NewPassword, Password } from '../passwords/password-policy.ts'
import { Proof, proofProblems } from '../proofs/messages.ts'
import { completePasswordChange } from './required-change.ts'
import { changePassword, completePasswordReset, requestPasswordReset } from './recovery.ts'

const rules = { access: 'public', noStore: true, perMinute: TRIES_PER_MINUTE } as const
const tags = ['Authentication']

/** The routes to reset and to change a password. */
export function recoveryRoutes(app: App, services: Services): void {
  app.post(
    '/auth/password-reset',
    {
      ...rules,
      schema: {
        operationId: 'requestPasswordReset',
        summary: 'Request a password reset',
        description:
          'The response is the same for every address; each gets at most five emails an hour. The token is valid for 30 minutes.',
        tags,
        body: Strict({ email: Email }, { title: 'PasswordResetRequest' }),
        response: { 202: Accepted },
      },
    },
    async (request, reply) => {
      const locale = preferredLocale(request.headers['accept-language'])
      await requestPasswordReset(request.visitor, request.body.email, locale)
      return reply.code(202).send({ status: 'accepted' })
    },
  )

  app.post(
    '/auth/password-reset/complete',
    {
      ...rules,
      problems: ['invalid-token', 'weak-password'],
      schema: {
        operationId: 'completePasswordReset',
        summary: 'Set a new password by the token from an email',
        description:
          'Revokes all sessions and devices, and lifts a lock. It creates no session, so a second factor is ' +
          'still required. If the password is rejected, the token stays valid.',
        tags,
        body: Strict({ token: Token, new_password: NewPassword }, { title: 'PasswordReset' }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { token, new_password } = request.body
      await completePasswordReset(request.visitor, services, token, new_password)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/auth/password-change/complete',
    {
      ...rules,
      problems: ['invalid-token', 'weak-password'],
      schema: {
        operationId: 'completePasswordChange',
        summary: 'Set the new password that an operator required',
        description:
          'Takes the `password_change_token` of a sign-in that was refused with `password-change-required`; it is valid for 15 minutes. Revokes all ' +
          'sessions and devices, and creates no session: sign in with the new password. If the password is rejected, the token stays valid.',
        tags,
        body: Strict({ token: Token, new_password: NewPassword }, { title: 'RequiredPasswordChange' }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { token, new_password } = request.body
      await completePasswordChange(request.visitor, services, token, new_password)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/auth/change-password',
    {
      ...rules,
      access: 'session',
      problems: [...proofProblems, 'weak-password'],
      schema: {
        operationId: 'changePassword',
        summary: "Change the current user's password",
        description:
          'Takes the current password if the account has one, and `proof` by a second factor if it has one; an account ' +
          'with neither needs a sign-in with its provider within the last two minutes. Other sessions and devices are revoked, unless `end_other_sessions` ' +
          'is false.',
        tags,
        body: Strict(
          {
            current_password: Type.Optional(Password),
            proof: Type.Optional(Proof),
            new_password: NewPassword,
            end_other_sessions: Type.Optional(Type.Boolean({ default: true })),
          },
          {
            title: 'PasswordChange',
            examples: [
              { current_password: 'SecureP@ss123', new_password: 'Correct-horse-7', end_other_sessions: true },
            ],
          },
        ),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor, body, visitor } = request
      const { current_password, proof, new_password, end_other_sessions: endsOthers = true } = body
      await changePassword(visitor, services, actor, { current_password, proof, new_password, endsOthers })
      return reply.code(204).send(null)
    },
  )
}
