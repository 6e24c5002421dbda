import type { FastifyInstance } from 'fastify'
import { isLoopback } from '../../config/kinds.ts'

export type CspMode = 'strict' | 'relaxed' | 'disabled'

/** X-XSS-Protection is 0, because the obsolete filter that it controls is itself a vulnerability. */
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

/** Responses are data: a browser that opens one must not run or frame anything. */
const policies: Record<CspMode, string | undefined> = {
  strict: "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
  relaxed:
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
  disabled: undefined,
}

/**
 * Our own pages run scripts from this server only; their libraries add inline styles. A form that starts a sign-in is
 * redirected to the provider, so the policy must name the provider as well (CSP 3, section 4.1.3).
 */
const pagePolicies: Record<CspMode, ((providers: string) => string) | undefined> = {
  strict: providers =>
    `default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'${providers}; connect-src 'self'${providers}; img-src 'self' data:; style-src 'self' 'unsafe-inline'`,
  relaxed: () =>
    "default-src 'self' https: data:; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; style-src 'self' https: 'unsafe-inline'",
  disabled: undefined,
}

/** Two years, as the preload list recommends. */
const HSTS = { 'strict-transport-security': 'max-age=63072000; includeSubDomains' } as const

export interface HeaderOptions {
  cspMode: CspMode
  /** The URL at which clients reach the service. */
  publicUrl: string
}

/**
 * The header fields of every response, even to input that never became a request. If the public URL uses HTTPS, HSTS is
 * sent whether or not the proxy says how a request came; browsers ignore it over HTTP (RFC 6797, section 8.1). HSTS is
 * never sent for this machine's own names, because other programs are served there without TLS.
 */
export function securityHeadersOf({ cspMode, publicUrl }: HeaderOptions): Readonly<Record<string, string>> {
  const policy = policies[cspMode]
  const { protocol, hostname } = new URL(publicUrl)
  return {
    ...always,
    ...(policy !== undefined && { 'content-security-policy': policy }),
    ...(protocol === 'https:' && !isLoopback(hostname) && HSTS),
  }
}

/** The policy of our own pages, with the origins of providers; `extra` adds a directive. Undefined: no policy. */
export const pagePolicyOf = (cspMode: CspMode, providers: readonly string[], extra?: string): string | undefined => {
  const policy = pagePolicies[cspMode]?.(providers.map(origin => ` ${origin}`).join(''))
  return policy === undefined || extra === undefined ? policy : `${policy}; ${extra}`
}

export function sendSecurityHeaders(app: FastifyInstance, options: HeaderOptions): void {
  const headers = securityHeadersOf(options)
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(headers)
    reply.header('x-request-id', request.id)
    if (request.protocol === 'https') reply.headers(HSTS)
    if (request.routeOptions.config.rules?.noStore) reply.header('cache-control', 'no-store')
    done()
  })
}
