import type { FastifyRequest } from 'fastify'
import { readAddress } from '../addresses.ts'

/**
 * Where a request comes from: limits, failure counters, history, devices and the log all ask here. The first address from
 * the right of X-Forwarded-For that is no trusted proxy's; where that is no address, the socket's. Empty where there is
 * none, as behind a Unix socket.
 */
export const clientAddress = (request: Pick<FastifyRequest, 'ip' | 'socket'>): string =>
  readAddress(request.ip ?? '') ?? peerAddress(request)

/** The other end of the socket: the client, or the proxy before it. Empty where there is none. */
export const peerAddress = ({ socket }: Pick<FastifyRequest, 'socket'>): string =>
  readAddress(socket.remoteAddress ?? '') ?? ''
