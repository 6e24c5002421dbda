import type { FastifyInstance } from 'fastify'

export type CspMode = 'strict' | 'relaxed' | 'disabled'

/** Document 004's headers and their present company; X-XSS-Protection is 0 because the old filter is itself a hole. */
const always = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '0',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'x-permitted-cross-domain-policies': 'none',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
} as const

/** Answers are data: a browser that opens one runs and frames nothing. */
const policies: Record<CspMode, string | undefined> = {
  strict: "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
  relaxed: "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
  disabled: undefined,
}

/** Two years, as the preload list asks. */
const HSTS = 'max-age=63072000; includeSubDomains'

export function sendSecurityHeaders(app: FastifyInstance, cspMode: CspMode): void {
  const policy = policies[cspMode]
  const headers = policy === undefined ? always : { ...always, 'content-security-policy': policy }
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers)
    reply.header('x-request-id', request.id)
    if (request.protocol === 'https') reply.header('strict-transport-security', HSTS)
    if (request.routeOptions.config.rules?.secret) reply.header('cache-control', 'no-store')
  })
}

/** A page of our own that runs scripts from this server only. */
export const pagePolicy = (extra = ''): string =>
  `default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'${extra}`
