import { lookup as lookUp } from 'node:dns'
import type { LookupAddress } from 'node:dns'
import { request as requestHttp } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { isLoopback } from '../../config/kinds.ts'
import { isPublicAddress } from '../addresses.ts'
import { sendings } from '../observation/channels.ts'

/**
 * The only client for requests to other servers. It refuses compression, follows no redirects, keeps no connections,
 * and limits the size and the duration of a response.
 */

export interface OutboundRequest {
  method?: string
  headers?: Headers | Record<string, string>
  body?: string | Uint8Array | undefined
  signal?: AbortSignal | undefined
  /** For the whole request: name lookup, connection and response. */
  timeoutMs?: number
  /** The maximum size of the response's body. */
  maxBytes?: number
  /**
   * `operator`: the operator has chosen the URL, so any address is allowed. Otherwise someone else has, and only public
   * addresses are allowed: all addresses of the name are checked, and the connection uses one of those checked.
   */
  to: 'operator' | Reach
}

/** The addresses that a URL may lead to if someone other than the operator has chosen it. */
interface Reach {
  /** Whether a given private address is allowed. */
  isAllowed: (address: string) => boolean
  /** For tests: replaces the name lookup. */
  lookUp?: typeof lookUp
}

/** No response, or an unusable one. The message is for an operator and quotes nothing that was sent. */
export class OutboundError extends Error {
  override name = 'OutboundError'
}

/** The default timeout of a request. */
const TIMEOUT_MS = 5000

/** The default limit; the responses that we expect are much shorter. */
const MAX_BYTES = 256 * 1024

/** The limit of our own server. */
const MAX_HEADER_BYTES = 16 * 1024

/** Whether secrets may be sent to the URL: it uses https, or leads to this machine. */
export const isSafe = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))

/** Sends one request and reads the whole response. @throws OutboundError, or the network's error */
export async function send(address: string | URL, request: OutboundRequest): Promise<Response> {
  const url = new URL(address)
  const { timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES, signal, to } = request
  if (!isSafe(url)) throw new OutboundError(`${url.origin} is not https`)
  if (url.username !== '' || url.password !== '')
    throw new OutboundError('the address contains a user name or a password')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  // An IP address needs no lookup.
  if (to !== 'operator' && isIP(host) !== 0) requireReach(to, host, host)
  const time = AbortSignal.timeout(timeoutMs)
  const until = signal === undefined ? time : AbortSignal.any([signal, time])
  try {
    return await readAnswer(await ask(url, request, until), maxBytes)
  } catch (error) {
    if (time.aborted)
      throw new OutboundError(`${url.host} did not answer within ${timeoutMs / 1000} s`, { cause: error })
    throw error
  }
}

/** Sends the request and waits for the head of the response. */
function ask(url: URL, { method = 'GET', headers = {}, body, to }: OutboundRequest, signal: AbortSignal) {
  const fields = new Headers(headers)
  fields.set('accept-encoding', 'identity')
  if (!fields.has('user-agent')) fields.set('user-agent', 'freehold')
  if (sendings.isHeard) sendings.publish({ to: to === 'operator' ? to : 'other', headers: fields })
  if (body !== undefined) fields.set('content-length', String(Buffer.byteLength(body)))
  return new Promise<IncomingMessage>((resolve, reject) => {
    const sent = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method,
      headers: Object.fromEntries(fields),
      signal,
      agent: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      ...(to !== 'operator' && { lookup: pinnedLookup(to) }),
    })
    sent.on('error', reject).on('response', resolve)
    sent.end(body)
  })
}

/** @throws OutboundError before the body is read if the head is not acceptable */
async function readAnswer(answer: IncomingMessage, maxBytes: number): Promise<Response> {
  const { statusCode: status = 0, headers, rawHeaders } = answer
  try {
    const encoding = headers['content-encoding']
    if (encoding !== undefined)
      throw new OutboundError('the response is compressed, although no compression was requested')
    if (status < 200 || status > 599) throw new OutboundError('the status of the response is not valid')
    if (Number(headers['content-length'] ?? 0) > maxBytes) throw new OutboundError('the response is too long')
    const fields = new Headers()
    for (let at = 0; at < rawHeaders.length; at += 2) fields.append(rawHeaders[at]!, rawHeaders[at + 1]!)
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      length += chunk.byteLength
      if (length > maxBytes) throw new OutboundError('the response is too long')
      chunks.push(chunk)
    }
    const hasBody = ![204, 205, 304].includes(status)
    return new Response(hasBody ? new Uint8Array(Buffer.concat(chunks)) : null, { status, headers: fields })
  } finally {
    answer.destroy()
  }
}

function requireReach({ isAllowed }: Reach, host: string, address: string): void {
  if (isPublicAddress(address) || isAllowed(address)) return
  throw new OutboundError(`${host} leads to a private address; OUTBOUND_NETWORKS lists those that are allowed`)
}

/** Looks a name up once, for the connection itself, so that the checked address is the used one (DNS rebinding). */
const pinnedLookup =
  (reach: Reach): LookupFunction =>
  (host, options, callback) => {
    const look = reach.lookUp ?? lookUp
    look(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return callback(error, '', 0)
      try {
        for (const { address } of found) requireReach(reach, host, address)
      } catch (refused) {
        return callback(refused as Error, '', 0)
      }
      if (options.all === true) return callback(null, found)
      const [first] = found
      if (first === undefined) return callback(new OutboundError(`${host} has no address`), '', 0)
      return callback(null, first.address, first.family)
    })
  }
