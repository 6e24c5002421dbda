import { randomUUID } from 'node:crypto'
import cors from '@fastify/cors'
import type { FastifyCorsOptionsDelegateCallback } from '@fastify/cors'
import Fastify, { LogController } from 'fastify'
import type { Config } from '../../config/config.ts'
import type { Database } from '../database/database.ts'
import { authorize, identify } from '../http/access.ts'
import { checkHeaderFields } from '../http/header-fields.ts'
import type { App, RouteRules } from '../http/route.ts'
import { recordSupportRequest } from '../http/support-access.ts'
import { refuseUnknownParameters, schemaController } from '../http/validation.ts'
import { networkTest } from '../addresses.ts'
import { Problem } from '../problems.ts'
import type { Services } from '../services.ts'
import { observeRequests } from '../observation/requests.ts'
import { closeGracefully } from './closing.ts'
import { createNotices } from '../pages/notice.ts'
import { answerErrors, answerUnreadable } from './errors.ts'
import { securityHeadersOf, sendSecurityHeaders } from './headers.ts'
import { readJsonOnly } from './json.ts'
import { announceSuccessors, rewriteUrl } from './legacy.ts'
import { logRequests } from './logging.ts'
import { noticeProxies } from '../http/client-address.ts'
import { createOwnCounters, createSharedCounters } from './counters.ts'
import { createRateLimit } from './rate-limit.ts'
import { noteRoutes, refuseUnrouted } from './unrouted.ts'
import type { RouteTable } from './unrouted.ts'

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/

/** The HTTP server without routes or a socket, with its hooks in the order in which they run. */
export async function createServer(
  { config, log, declared, accessTokens, redis, keys }: Services,
  database: Database,
): Promise<App> {
  let routes: RouteTable | undefined
  const { problems, formats } = declared
  const answers = { problems, formats, publicUrl: config.publicUrl, notices: createNotices(config) }
  const app: App = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: request => {
      const given = request.headers['x-request-id']
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
    },
    trustProxy: config.trustedProxies.length > 0 ? networkTest(config.trustedProxies) : false,
    bodyLimit: 256 * 1024,
    // As long as a request line may be, so that a path with an overlong id gets a normal 404.
    routerOptions: { maxParamLength: 16 * 1024 },
    requestTimeout: 30_000,
    http: { requireHostHeader: false },
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // A response with anyOf is validated against its schemas, which use this format.
    serializerOpts: { ajv: { formats: { line: true } } },
    rewriteUrl: request => rewriteUrl(formats, request),
    schemaController,
    clientErrorHandler: answerUnreadable({
      ...answers,
      headers: securityHeadersOf(config),
      log,
      routes: () => routes,
    }),
  })
  routes = noteRoutes(app)
  readJsonOnly(app)
  answerErrors(app, answers)
  observeRequests(app)
  logRequests(app)
  sendSecurityHeaders(app, config)
  noticeProxies(app, config.trustedProxies)
  closeGracefully(app)
  announceSuccessors(app)
  requireAccess(app, declared.permissions)
  refuseUnknownParameters(app)
  await app.register(cors, { delegator: corsFor(config) })
  if (redis !== undefined) {
    app.addHook('onReady', () => redis.open())
    app.addHook('onClose', async () => redis.close())
  }
  const own = createOwnCounters()
  const counters = redis === undefined ? own : createSharedCounters(redis, keys.redis, own)
  const rateLimit = createRateLimit(config.rateLimit, counters)
  app.decorateRequest('actor')
  app.decorateRequest('operator')
  app.decorateRequest('visitor')
  app.addHook('onRequest', async (request, reply) => {
    const identity = identify(request, accessTokens)
    await rateLimit.count(request, reply, identity instanceof Problem ? undefined : identity)
    const rules = request.routeOptions.config.rules ?? { access: 'public' }
    const markReplayed = () => void reply.header('idempotent-replayed', 'true')
    const { confirm } = rateLimit
    await recordSupportRequest(request, rules, identity, { database, confirm })
    const { supportPermissions } = declared
    authorize(request, rules, identity, { database, supportPermissions, confirm, markReplayed })
    checkHeaderFields(request, rules)
  })
  refuseUnrouted(app, routes)
  app.addHook('onSend', async (request, reply) => rateLimit.settle(request, reply))
  // For requests without a response, because the client has disconnected.
  app.addHook('onResponse', async (request, reply) => rateLimit.settle(request, reply))
  return app
}

/** CORS fields are sent only to browsers: without an Origin, the response has only Vary. */
function corsFor(config: Config): FastifyCorsOptionsDelegateCallback {
  const [options, none] = [corsOptionsOf(config), { origin: false }]
  return ({ headers, method }, callback) =>
    callback(null, headers.origin === undefined && method !== 'OPTIONS' ? none : options)
}

/** Fields that pages add to every request to trace it (W3C Trace Context and Baggage, Sentry); the service ignores them. */
const TRACING = ['traceparent', 'tracestate', 'baggage', 'sentry-trace']

const corsOptionsOf = ({ corsOrigins, corsHeaders }: Config) => ({
  origin: corsOrigins === 'localhost' ? /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/ : [...corsOrigins],
  methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
  allowedHeaders: [
    'Authorization',
    'Content-Type',
    'Idempotency-Key',
    'If-Match',
    'If-None-Match',
    'X-Request-ID',
    ...TRACING,
    ...corsHeaders,
  ],
  exposedHeaders: [
    'Deprecation',
    'ETag',
    'Idempotent-Replayed',
    'Link',
    'Location',
    'RateLimit',
    'RateLimit-Policy',
    'Retry-After',
    'Sunset',
    'WWW-Authenticate',
    'X-Request-ID',
  ],
  // For the cookies of a device and of a sign-in with a provider; neither grants access by itself.
  credentials: true,
  maxAge: 600,
  strictPreflight: false,
})

/** Whether the access is a permission in an organization. */
const isOfOrganization = (access: string | undefined): boolean =>
  access !== undefined && access !== 'public' && access !== 'session' && !access.startsWith('admin:')

/** A route without access, or with a permission that no feature declares, prevents the start. */
function requireAccess(app: App, permissions: Readonly<Record<string, unknown>>): void {
  const known = new Set<string>()
  app.addHook('onRoute', route => {
    const place = `${String(route.method)} ${route.url}`
    // The CORS plugin answers preflight requests.
    if (route.access === undefined && route.method !== 'OPTIONS')
      throw new Error(`route ${place} declares no access: give it access: 'public', 'session' or a permission`)
    const {
      access,
      requires,
      stepUp = false,
      perMinute,
      countsItself = false,
      limitedAs,
      noStore = false,
      tagged = false,
      browsed = false,
    } = route as Partial<RouteRules>
    if (access !== undefined && access !== 'public' && access !== 'session' && !(access in permissions))
      throw new Error(
        `route ${place} asks for the permission ${access}, which no feature declares: add it to the permissions of the feature`,
      )
    if (requires !== undefined && (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(requires) || !isOfOrganization(access)))
      throw new Error(
        `route ${place} requires ${JSON.stringify(requires)}: give it an entitlement such as 'sso', and as access a permission in an organization`,
      )
    const operationId = route.schema?.operationId
    if (operationId !== undefined && known.has(operationId))
      throw new Error(`route ${place} has the operationId ${operationId}, as another route has: give it one of its own`)
    if (operationId !== undefined) known.add(operationId)
    route.config = {
      ...route.config,
      rules: {
        access: access ?? 'public',
        stepUp,
        noStore,
        tagged,
        browsed,
        countsItself,
        ...(requires !== undefined && { requires }),
        ...(perMinute !== undefined && { perMinute }),
        ...(limitedAs !== undefined && { limitedAs }),
      },
    }
  })
}
