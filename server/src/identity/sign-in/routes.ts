import { Type } from 'typebox'
import { revokeOwnSessions, revokeSession } from '../../directory/sessions/sessions.ts'
import type { Actor } from '../../platform/gate/actor.ts'
import type { Permission } from '../../platform/gate/permissions.ts'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { isProblem, Problem } from '../../platform/problems.ts'
import { Id, OneOf, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { logIn, switchOrganization } from './log-in.ts'
import { getMe } from './me.ts'
import { Login, Logout, Me, Refresh, SignedInAnswer, Switched } from './messages.ts'
import { logOutByToken, refresh } from './refresh.ts'

export function signInRoutes(
  app: App,
  services: Pick<Services, 'issuer' | 'keys' | 'lockout' | 'passwords' | 'signInRules' | 'declared'>,
): void {
  const { issuer, declared, signInRules } = services
  const rules = { access: 'public', noStore: true, perMinute: TRIES_PER_MINUTE } as const
  const tags = ['Authentication']

  app.post(
    '/auth/login',
    {
      ...rules,
      problems: ['invalid-credentials', 'mfa-required', 'email-unverified', 'password-change-required'],
      schema: {
        operationId: 'logIn',
        summary: 'Sign in by email address or username',
        tags,
        body: Login,
        response: { 200: SignedInAnswer },
      },
    },
    async (request, reply) => {
      const { device_token, ...credentials } = request.body
      const device_id = issuer.readDevice(request, device_token)
      return issuer.answer(reply, await logIn(request.visitor, services, { ...credentials, device_id }))
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
      return issuer.answer(reply, await refresh(request.visitor, services, refresh_token, organization_id))
    },
  )

  app.post(
    '/auth/logout',
    {
      access: 'public',
      problems: ['not-signed-in', 'session-ended', 'invalid-refresh-token'],
      noStore: true,
      schema: {
        operationId: 'logOut',
        summary: 'Sign out',
        description:
          'Revokes the session of the access token or, if that has expired or its session has ended, the session of `refresh_token`. Signing out twice is no error.',
        tags,
        body: Logout,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor, body, visitor } = request
      const refresh_token = body.refresh_token
      if (actor === undefined && refresh_token === undefined) throw new Problem('not-signed-in')
      const isSignedOut = actor !== undefined && (await logOutOnce(actor))
      if (!isSignedOut && refresh_token !== undefined) {
        const byToken = logOutByToken(visitor, services, refresh_token)
        await (actor === undefined ? byToken : byToken.catch(ignoreInvalid))
      }
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/auth/logout-all',
    {
      access: 'session',
      noStore: true,
      schema: {
        operationId: 'logOutEverywhere',
        summary: "Revoke all of the current user's sessions",
        tags,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { account, user_id } = request.actor
      await account.transaction(transaction => revokeOwnSessions(transaction, user_id, 'logout-all'))
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/auth/me',
    {
      access: 'session',
      noStore: true,
      problems: ['membership-ended'],
      schema: {
        operationId: 'getMe',
        summary: 'Get the current user, session, organization and permissions',
        description: 'With `explain`, the response says why that permission is allowed or denied.',
        tags,
        querystring: Strict({
          explain: Type.Optional(
            OneOf(Object.keys(declared.permissions).sort(), { description: 'The permission to explain.' }),
          ),
        }),
        response: { 200: Me },
      },
    },
    ({ actor, query }) => {
      const { account, organization_id } = actor as Partial<Pick<typeof actor, 'organization_id'>> & typeof actor
      const explained = query.explain as Permission | undefined
      // Without an organization there is no gate to ask.
      const runner =
        explained === undefined || organization_id === undefined ? account : account.within(organization_id, explained)
      return runner.run(getMe(declared, organization_id, explained))
    },
  )

  app.post(
    '/auth/switch-organization',
    {
      access: 'session',
      noStore: true,
      problems: ['email-unverified'],
      schema: {
        operationId: 'switchOrganization',
        summary: 'Get an access token for another organization',
        tags,
        body: Strict({ organization_id: Id }),
        response: { 200: Switched },
      },
    },
    async request => {
      const { actor } = request
      const organization = await actor.account.run(switchOrganization(signInRules, request.body.organization_id))
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

/** Revokes the session of the caller. @returns false if it had ended before */
const logOutOnce = ({ account, session_id }: Actor): Promise<boolean> =>
  account.run(revokeSession(session_id, 'logout')).then(
    () => true,
    (error: unknown) => {
      if (isProblem(error, 'session-ended', 'not-found')) return false
      throw error
    },
  )

/** The caller is signed out already, whatever the other token is. */
function ignoreInvalid(error: unknown): void {
  if (!isProblem(error, 'invalid-refresh-token')) throw error
}
