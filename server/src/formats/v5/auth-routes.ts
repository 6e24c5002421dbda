import type { FastifyReply } from 'fastify'
import { revokeSession } from '../../directory/sessions/sessions.ts'
import { MfaToken } from '../../identity/mfa/messages.ts'
import { finishSignIn } from '../../identity/mfa/proofs.ts'
import { factorAnswer, factorKinds } from '../../identity/proofs/messages.ts'
import { logIn } from '../../identity/sign-in/log-in.ts'
import { logOutByToken, refresh } from '../../identity/sign-in/refresh.ts'
import type { SignInOutcome } from '../../identity/sign-in/sign-in.ts'
import { enrol } from '../../identity/sign-up/enrol.ts'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { preferredLocale } from '../../platform/locales.ts'
import { isProblem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { Type } from 'typebox'
import {
  AnyQuery,
  Done,
  signedInOf,
  success,
  Success,
  V5Login,
  V5Logout,
  V5Refresh,
  V5Registration,
  V5SignedIn,
  Waiting,
} from './messages.ts'

/** The lifetime of a token of v5, whose front ends know no refresh. Seconds. */
const TOKEN_SECONDS = 86_400

export function authRoutes(
  app: App,
  services: Pick<
    Services,
    'declared' | 'factorVerifiers' | 'issuer' | 'keys' | 'lockout' | 'passwordPolicy' | 'passwords' | 'signInRules'
  >,
): void {
  const { issuer, signInRules } = services
  const rules = { access: 'public', noStore: true } as const
  const shared = { tags: ['Authentication'], querystring: AnyQuery }
  // A session that is not refreshed expires, and no token is valid for longer than its session.
  const seconds = Math.min(TOKEN_SECONDS, signInRules.idleSeconds)
  const answer = (reply: FastifyReply, signedIn: SignInOutcome) =>
    success(signedInOf(issuer.answer(reply, signedIn, seconds)))

  app.post(
    '/auth/register',
    {
      ...rules,
      perMinute: TRIES_PER_MINUTE,
      limitedAs: '/api/v1/auth/register',
      problems: ['email-taken', 'weak-password'],
      schema: {
        ...shared,
        operationId: 'v5Register',
        summary: 'Sign up with a personal tenant',
        description:
          'Responds 201 with a token if addresses may be verified later. If they must be verified first, it responds 200 with `verification-required`, whether the address has an account or not: the link in the email creates the account.',
        body: V5Registration,
        response: { 200: Success(Waiting), 201: Success(V5SignedIn) },
      },
    },
    async (request, reply) => {
      const { email, password, firstName: given_name, lastName: family_name } = request.body
      const names = {
        ...(given_name !== undefined && { given_name }),
        ...(family_name !== undefined && { family_name }),
      }
      const registration = { email, ...(password !== undefined && { password }), ...names }
      const locale = preferredLocale(request.headers['accept-language'])
      const signedIn = await enrol(request.visitor, services, registration, { organization: undefined, locale })
      return signedIn === undefined
        ? reply.code(200).send(success({ status: 'verification-required' as const }))
        : reply.code(201).send(answer(reply, signedIn))
    },
  )

  app.post(
    '/auth/login',
    {
      ...rules,
      perMinute: TRIES_PER_MINUTE,
      limitedAs: '/api/v1/auth/login',
      problems: ['invalid-credentials', 'mfa-required', 'email-unverified', 'password-change-required'],
      schema: {
        ...shared,
        operationId: 'v5LogIn',
        summary: 'Sign in',
        body: V5Login,
        response: { 200: Success(V5SignedIn) },
      },
    },
    async (request, reply) => {
      const { email, password } = request.body
      const device_id = issuer.readDevice(request)
      return answer(reply, await logIn(request.visitor, services, { email, password, device_id }))
    },
  )

  app.post(
    '/auth/mfa/verify',
    {
      ...rules,
      perMinute: TRIES_PER_MINUTE,
      limitedAs: '/api/v1/auth/mfa/verify',
      problems: [
        'invalid-code',
        'invalid-credentials',
        'invalid-passkey',
        'invalid-token',
        'email-unverified',
        'passkeys-unavailable',
      ],
      schema: {
        ...shared,
        operationId: 'v5VerifySecondFactor',
        summary: 'Finish a sign-in with a second factor',
        description: 'As `POST /api/v1/auth/mfa/verify`.',
        body: Type.Object({ mfa_token: MfaToken, ...factorAnswer }, { title: 'MfaAnswer', 'x-one-of': factorKinds }),
        response: { 200: Success(V5SignedIn) },
      },
    },
    async ({ visitor, body }, reply) => {
      const { mfa_token, code, recovery_code, passkey } = body
      const given = { code, recovery_code, passkey }
      return answer(reply, await finishSignIn(visitor, services, mfa_token, given, { trustSeconds: undefined }))
    },
  )

  app.post(
    '/auth/refresh',
    {
      ...rules,
      perMinute: 60,
      limitedAs: '/api/v1/auth/refresh',
      problems: ['invalid-refresh-token', 'email-unverified'],
      schema: {
        ...shared,
        operationId: 'v5Refresh',
        summary: 'Exchange a refresh token for new tokens',
        body: V5Refresh,
        response: { 200: Success(V5SignedIn) },
      },
    },
    async ({ visitor, body }, reply) => answer(reply, await refresh(visitor, services, body.refreshToken, undefined)),
  )

  app.post(
    '/auth/logout',
    {
      ...rules,
      problems: ['session-ended'],
      schema: {
        ...shared,
        operationId: 'v5LogOut',
        summary: 'Sign out',
        description:
          'Revokes the session of the token or, without a valid token, that of `refreshToken`. It succeeds without either, and for a session that has already ended.',
        body: V5Logout,
        response: { 200: Done },
      },
    },
    async ({ actor, visitor, body }) => {
      const revoking =
        actor !== undefined
          ? actor.account.run(revokeSession(actor.session_id, 'logout'))
          : body.refreshToken === undefined
            ? undefined
            : logOutByToken(visitor, services, body.refreshToken)
      await revoking?.catch(ignoreEnded)
      return success(null)
    },
  )
}

function ignoreEnded(error: unknown): void {
  const isEnded = isProblem(error, 'not-found', 'session-ended', 'invalid-refresh-token')
  if (!isEnded) throw error
}
