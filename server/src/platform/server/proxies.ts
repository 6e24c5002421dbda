import { BlockList, isIPv6 } from 'node:net'
import type { FastifyInstance } from 'fastify'

const FORWARDED = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'x-forwarded-proto'] as const

/**
 * Warns once about requests from a proxy that TRUSTED_PROXIES does not name: all its clients then have its address, and
 * share its limits. Any client can send such a field, so the warning is logged only once and has no other effect.
 */
export function noticeProxies(app: FastifyInstance, trustedProxies: readonly string[]): void {
  let isSaid = false
  const trusts = trust(trustedProxies)
  app.addHook('onRequest', (request, _reply, done) => {
    const field = isSaid ? undefined : FORWARDED.find(name => request.headers[name] !== undefined)
    const address = request.socket.remoteAddress ?? ''
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

function trust(proxies: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  const familyOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4')
  for (const entry of proxies) {
    const [address = '', bits] = entry.split('/')
    if (bits === undefined) list.addAddress(address, familyOf(address))
    else list.addSubnet(address, Number(bits), familyOf(address))
  }
  return address => list.check(address, familyOf(address))
}
