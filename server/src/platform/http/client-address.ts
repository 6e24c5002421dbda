import type { FastifyInstance, FastifyRequest } from 'fastify'
import { networkTest, readAddress } from '../addresses.ts'

/**
 * The client's address, for limits, failure counters, the audit log, devices and the log: the first one from the right
 * of X-Forwarded-For that is not a trusted proxy's; if that is not an address, the socket's. Empty if there is none, as
 * behind a Unix socket.
 */
export const clientAddress = (request: Pick<FastifyRequest, 'ip' | 'socket'>): string =>
  readAddress(request.ip ?? '') ?? peerAddress(request)

/** The other end of the socket: the client, or the proxy before it. Empty where there is none. */
const peerAddress = ({ socket }: Pick<FastifyRequest, 'socket'>): string =>
  readAddress(socket.remoteAddress ?? '') ?? ''

const FORWARDED = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'x-forwarded-proto'] as const

/**
 * Warns once about requests from a proxy that TRUSTED_PROXIES does not name: all its clients then have its address, and
 * share its limits. Any client can send such a field, so the warning is logged only once and has no other effect.
 */
export function noticeProxies(app: FastifyInstance, trustedProxies: readonly string[]): void {
  let isSaid = false
  const trusts = networkTest(trustedProxies)
  app.addHook('onRequest', (request, _reply, done) => {
    const field = isSaid ? undefined : FORWARDED.find(name => request.headers[name] !== undefined)
    const address = peerAddress(request)
    if (field !== undefined && !trusts(address)) {
      isSaid = true
      const state = trustedProxies.length === 0 ? 'TRUSTED_PROXIES is empty' : 'TRUSTED_PROXIES does not name it'
      request.log.warn(
        `a request from ${address} has ${field}, but ${state}: if that is your proxy, all its clients share one address ` +
          `in rate limits, the audit log and logs; set TRUSTED_PROXIES=${address}`,
      )
    }
    done()
  })
}
