import { randomUUID } from 'node:crypto'
import cors from '@fastify/cors'
import Fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger } from 'fastify'
import { admit, identify } from './platform/gate/access.ts'
import type { SigningKey } from './platform/gate/signing-keys.ts'
import type { Tokens } from './platform/gate/access-tokens.ts'
import { auditRoutes } from './directory/history/routes.ts'
import { deviceRoutes } from './identity/devices/routes.ts'
import { createIssuer } from './identity/sign-in/issuer.ts'
import type { AuthKeys } from './identity/sign-in/issuer.ts'
import { checkPassword, policyOf } from './identity/passwords/password-policy.ts'
import { lockoutRoutes } from './identity/lockout/routes.ts'
import type { Passwords } from './identity/passwords/passwords.ts'
import { authPages } from './identity/recovery/pages.ts'
import { recoveryRoutes } from './identity/recovery/routes.ts'
import { authRoutes } from './identity/sign-in/routes.ts'
import { signUpRoutes } from './identity/sign-up/routes.ts'
import { providerOriginsOf } from './config/social.ts'
import type { Config } from './config/config.ts'
import type { Database } from './platform/database/database.ts'
import { Problem } from './platform/problems.ts'
import { tokenKeyOf } from './platform/tokens/one-time-tokens.ts'
import { deriveKey } from './platform/crypto/sealing.ts'
import type { FactorKeys } from './identity/factors/factors.ts'
import { passkeyRoutes } from './identity/passkeys/routes.ts'
import { factorRoutes } from './identity/factors/routes.ts'
import { accountPageRoutes } from './platform/pages/account-pages.ts'
import { closeGently } from './platform/http/closing.ts'
import { documentRoutes } from './platform/openapi/documents.ts'
import { answerErrors, answerUnreadable } from './platform/http/errors.ts'
import { securityHeadersOf, sendSecurityHeaders } from './platform/http/headers.ts'
import { readJsonOnly } from './platform/http/json.ts'
import { announceSuccessors, rewriteUrl } from './platform/http/legacy.ts'
import { logRequests } from './platform/http/logging.ts'
import { describeApi } from './platform/openapi/openapi.ts'
import { createPages } from './platform/http/cursors.ts'
import { createRateLimit } from './platform/http/rate-limit.ts'
import type { App, RouteRules } from './platform/http/route.ts'
import { compileValidator, refuseUnknownParameters } from './platform/http/validation.ts'
import type { InvitationTools } from './identity/invitations/invitations.ts'
import { invitationPages } from './identity/invitations/pages.ts'
import { invitationRoutes } from './identity/invitations/routes.ts'
import { usesOutbox } from './platform/mail/outbox.ts'
import { outboxRoutes } from './platform/mail/outbox-pages.ts'
import { memberRoutes } from './directory/members/routes.ts'
import { organizationRoutes } from './directory/organizations/routes.ts'
import { projectRoutes } from './product/projects/routes.ts'
import { sessionRoutes } from './directory/sessions/routes.ts'
import { socialRoutes } from './identity/social/routes.ts'
import { systemRoutes } from './operations/health/routes.ts'
import { leavingPages } from './identity/leaving/pages.ts'
import { leavingRoutes } from './identity/leaving/routes.ts'
import type { LeavingOptions } from './identity/leaving/leaving.ts'
import { userRoutes } from './directory/users/routes.ts'

export interface AppOptions {
  config: Config
  version: string
  database: Database
  tokens: Tokens
  passwords: Passwords
  signingKeys: () => readonly SigningKey[]
  log: FastifyBaseLogger
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/

/** The whole service but its socket: hooks in the order in which a request meets them, then every feature by name. */
export async function createApp({
  config,
  version,
  database,
  tokens,
  passwords,
  signingKeys,
  log,
}: AppOptions): Promise<App> {
  const app: App = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: request => {
      const given = request.headers['x-request-id']
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
    },
    trustProxy: config.trustedProxies.length > 0 ? [...config.trustedProxies] : false,
    bodyLimit: 256 * 1024,
    // No longer than the request line may be: what is too long for an id names nothing.
    routerOptions: { maxParamLength: 16 * 1024 },
    requestTimeout: 30_000,
    http: { requireHostHeader: false },
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    rewriteUrl,
    clientErrorHandler: answerUnreadable({
      publicUrl: config.publicUrl,
      headers: securityHeadersOf(config.cspMode),
      log,
    }),
  })
  app.setValidatorCompiler(compileValidator)
  readJsonOnly(app)
  answerErrors(app, config.publicUrl)
  logRequests(app)
  sendSecurityHeaders(app, config.cspMode)
  closeGently(app)
  announceSuccessors(app)
  requireAccess(app)
  refuseUnknownParameters(app)
  await app.register(cors, {
    origin:
      config.corsOrigins === 'localhost'
        ? /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/
        : [...config.corsOrigins],
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'If-Match', 'If-None-Match', 'X-Request-ID'],
    exposedHeaders: [
      'Deprecation',
      'ETag',
      'Link',
      'Location',
      'RateLimit',
      'RateLimit-Policy',
      'Retry-After',
      'Sunset',
      'WWW-Authenticate',
      'X-Request-ID',
    ],
    // The cookies of a device and of a browser that signs in with a provider; they let nobody in by themselves.
    credentials: true,
    maxAge: 600,
    strictPreflight: false,
  })

  const limitRate = createRateLimit(config.rateLimit)
  app.decorateRequest('actor')
  app.addHook('onRequest', async (request, reply) => {
    const identity = identify(request, tokens)
    await limitRate(request, reply, identity === undefined || identity instanceof Problem ? undefined : identity.sub)
    admit(request, request.routeOptions.config.rules ?? { access: 'public' }, identity, database)
  })

  await describeApi(app, { name: config.appName, version })
  const pages = createPages(deriveKey(config.secretKey, 'cursors'))
  const keys = authKeys(config.secretKey)
  const issuer = createIssuer(tokens, keys, config.accessTokenSeconds)
  const lockout = { ...config.lockout, key: deriveKey(config.secretKey, 'unknown names') }
  const party = config.passkeys && {
    id: config.passkeys.rpId,
    name: config.appName,
    origins: config.passkeys.origins,
  }
  const rules = {
    idleSeconds: config.refreshTokenSeconds,
    emailVerification: config.emailVerification,
    unverifiedAccess: config.unverifiedAccess,
  }

  const policy = policyOf(config)
  const recovery = { database, key: keys.oneTime, passwords, policy, lockout }
  const leaving: LeavingOptions = { database, key: keys.oneTime, graceDays: config.deletion.graceDays }
  const invitations: InvitationTools = {
    database,
    key: keys.oneTime,
    hashNewPassword: async (password, personal) => {
      await checkPassword(password, policy, personal)
      return passwords.hash(password)
    },
  }
  await documentRoutes(app, {
    name: config.appName,
    cspMode: config.cspMode,
    providers: providerOriginsOf(config.social),
    areOpen: config.publicDocuments,
    token: config.metrics.token,
  })
  if (usesOutbox(config)) outboxRoutes(app, config)
  systemRoutes(app, { name: config.appName, version, environment: config.environment, database, signingKeys })
  await app.register(
    async (v1: App) => {
      signUpRoutes(v1, { database, key: keys.oneTime, issuer, passwords, policy, rules })
      authRoutes(v1, { database, issuer, keys, lockout, passwords, rules })
      recoveryRoutes(v1, recovery)
      factorRoutes(v1, {
        database,
        issuer,
        lockout,
        passwords,
        rules,
        keys: { ...keys, ...factorKeys(config.secretKey) },
        passkeys: { database, party, key: keys.oneTime },
        appName: config.appName,
        trustedDeviceDays: config.trustedDeviceSeconds / 86400,
      })
      passkeyRoutes(v1, { database, party, issuer, keys: { ...keys, ...factorKeys(config.secretKey) }, rules, pages })
      socialRoutes(v1, {
        ...config.social,
        database,
        issuer,
        key: keys.oneTime,
        rules,
        pages,
        publicUrl: config.publicUrl,
      })
      lockoutRoutes(v1, { database, key: keys.oneTime })
      deviceRoutes(v1, pages)
      sessionRoutes(v1, pages)
      userRoutes(v1, { database, key: keys.oneTime })
      leavingRoutes(v1, leaving)
      organizationRoutes(v1, { database, pages })
      memberRoutes(v1, { database, pages })
      invitationRoutes(v1, { ...invitations, pages })
      projectRoutes(v1, pages)
      auditRoutes(v1, pages)
    },
    { prefix: '/api/v1' },
  )
  await app.register(
    async (account: App) =>
      accountPageRoutes(
        account,
        { ...authPages(recovery), ...leavingPages(leaving), ...invitationPages(invitations) },
        {
          database,
          key: keys.oneTime,
          name: config.appName,
          cspMode: config.cspMode,
          defaultLocale: config.mail.defaultLocale,
          frontendUrl: config.frontendUrl,
        },
      ),
    { prefix: '/account' },
  )
  return app
}

/** One key a use. */
export const authKeys = (secretKey: string): AuthKeys => ({
  refresh: deriveKey(secretKey, 'refresh tokens'),
  oneTime: tokenKeyOf(secretKey),
  device: deriveKey(secretKey, 'devices'),
})

const factorKeys = (secretKey: string): FactorKeys => ({
  totp: deriveKey(secretKey, 'authenticator apps'),
  recovery: deriveKey(secretKey, 'recovery codes'),
})

/** A route that does not say who may call it stops the start. */
function requireAccess(app: App): void {
  app.addHook('onRoute', route => {
    const fromPlugin = route.method === 'OPTIONS' || /^\/docs(\/|$)/.test(route.url)
    if (route.access === undefined && !fromPlugin)
      throw new Error(`route ${String(route.method)} ${route.url} declares no access`)
    const { access, stepUp = false, perMinute, secret = false } = route as Partial<RouteRules>
    route.config = {
      ...route.config,
      rules: { access: access ?? 'public', stepUp, secret, ...(perMinute === undefined ? {} : { perMinute }) },
    }
  })
}
