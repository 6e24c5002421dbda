import type { FastifyInstance } from 'fastify'
import { networkTest } from '../addresses.ts'
import { peerAddress } from '../http/client-address.ts'

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
