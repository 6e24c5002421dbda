import { Type } from 'typebox'
import type { Database } from '../../platform/database/database.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Id, Strict } from '../../platform/schemas.ts'
import type { App } from '../../platform/http/route.ts'
import { originOf } from '../../platform/http/route.ts'
import { revokeSession, revokeSessions } from '../../directory/sessions/sessions.ts'
import type { Lockout } from '../lockout/attempts.ts'
import type { SignInRules } from './sign-in.ts'
import type { AuthKeys, Issuer } from './issuer.ts'
import { logIn, switchOrganization } from './log-in.ts'
import { getMe } from './me.ts'
import { Login, Logout, Me, Refresh, SignedInAnswer, Switched } from './messages.ts'
import type { Passwords } from '../passwords/passwords.ts'
import { refresh } from './refresh.ts'
import { openRefreshToken } from './refresh-token.ts'

export interface AuthOptions {
  database: Database
  issuer: Issuer
  keys: AuthKeys
  lockout: Lockout
  passwords: Passwords
  rules: SignInRules
}

/** Requests a minute from one address, where passwords are tried. */
const PASSWORD_TRIES = 10

export function authRoutes(app: App, options: AuthOptions): void {
  const { database, issuer, keys, lockout, passwords, rules: signInRules } = options
  const rules = { access: 'public', secret: true, perMinute: PASSWORD_TRIES } as const
  const tags = ['Authentication']

  app.post(
    '/auth/login',
    {
      ...rules,
      problems: ['invalid-credentials', 'mfa-required', 'email-unverified'],
      schema: {
        operationId: 'logIn',
        summary: 'Sign in by e-mail address or username',
        tags,
        body: Login,
        response: { 200: SignedInAnswer },
      },
    },
    async (request, reply) => {
      const { email, username } = request.body
      if ((email === undefined) === (username === undefined))
        throw invalidField('/email', 'give either email or username')
      const { device_token, ...credentials } = request.body
      const device_id = issuer.readDevice(request, device_token)
      const tools = { database, passwords, lockout }
      const result = await logIn(tools, signInRules, originOf(request), { ...credentials, device_id })
      return issuer.answer(reply, result)
    },
  )

  app.post(
    '/auth/refresh',
    {
      ...rules,
      problems: ['invalid-refresh-token', 'email-unverified'],
      perMinute: 60,
      schema: {
        operationId: 'refresh',
        summary: 'Exchange a refresh token for new tokens',
        tags,
        body: Refresh,
        response: { 200: SignedInAnswer },
      },
    },
    async (request, reply) => {
      const { refresh_token, organization_id } = request.body
      return issuer.answer(
        reply,
        await refresh(
          { database, key: keys.refresh, rules: signInRules },
          originOf(request),
          refresh_token,
          organization_id,
        ),
      )
    },
  )

  app.post(
    '/auth/logout',
    {
      access: 'public',
      problems: ['not-signed-in', 'session-ended', 'invalid-refresh-token'],
      secret: true,
      schema: {
        operationId: 'logOut',
        summary: 'End the session',
        description: "Ends the access token's session or, when that token has expired, the one of `refresh_token`.",
        tags,
        body: Logout,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor } = request
      const presented =
        request.body?.refresh_token === undefined
          ? undefined
          : openRefreshToken(keys.refresh, request.body.refresh_token)
      if (actor !== undefined) await actor.run(revokeSession(actor.session_id, 'logout'))
      else if (presented !== undefined)
        await database.system
          .run({ origin: originOf(request) }, revokeSession(presented.session_id, 'logout'))
          .catch(ignoreMissing)
      else throw new Problem(request.body?.refresh_token === undefined ? 'not-signed-in' : 'invalid-refresh-token')
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/auth/logout-all',
    {
      access: 'session',
      secret: true,
      schema: {
        operationId: 'logOutEverywhere',
        summary: "End all of one's sessions",
        tags,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await request.actor.run(revokeSessions(request.actor.user_id, 'logout-all'))
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/auth/me',
    {
      access: 'session',
      secret: true,
      problems: ['membership-ended'],
      schema: {
        operationId: 'getMe',
        summary: 'Read who is signed in, where, and what they may do',
        tags,
        response: { 200: Me },
      },
    },
    request => request.actor.run(getMe(request.actor.organization_id)),
  )

  app.post(
    '/auth/switch-organization',
    {
      access: 'session',
      secret: true,
      problems: ['email-unverified'],
      schema: {
        operationId: 'switchOrganization',
        summary: "Get an access token for another of one's organizations",
        tags,
        body: Strict({ organization_id: Id }),
        response: { 200: Switched },
      },
    },
    async request => {
      const { actor } = request
      const organization = await actor.run(switchOrganization(signInRules, request.body.organization_id))
      return {
        organization,
        ...issuer.accessToken(
          { id: actor.user_id, email: actor.email },
          { id: actor.session_id, auth_time: actor.auth_time },
          organization,
        ),
      }
    },
  )
}

/** A session that has ended already needs no ending. */
function ignoreMissing(error: unknown): void {
  if (!(error instanceof Problem) || error.code !== 'not-found') throw error
}
