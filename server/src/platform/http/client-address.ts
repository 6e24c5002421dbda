import type { FastifyRequest } from 'fastify'
import { readAddress } from '../addresses.ts'

/**
 * The client's address, for limits, failure counters, the audit log, devices and the log: the first one from the right
 * of X-Forwarded-For that is not a trusted proxy's; if that is not an address, the socket's. Empty if there is none, as
 * behind a Unix socket.
 */
export const clientAddress = (request: Pick<FastifyRequest, 'ip' | 'socket'>): string =>
  readAddress(request.ip ?? '') ?? peerAddress(request)

/** The other end of the socket: the client, or the proxy before it. Empty where there is none. */
export const peerAddress = ({ socket }: Pick<FastifyRequest, 'socket'>): string =>
  readAddress(socket.remoteAddress ?? '') ?? ''
