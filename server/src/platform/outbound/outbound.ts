import { lookup as lookUp } from 'node:dns'
import type { LookupAddress } from 'node:dns'
import { request as requestHttp } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { isLoopback } from '../../config/kinds.ts'
import { isPublicAddress } from '../addresses.ts'

/**
 * The one client for every request that the service makes to elsewhere. It asks for no compression and refuses any, follows
 * no redirect, keeps no connection, and bounds the size and the time of an answer on the wire.
 */

export interface OutboundRequest {
  method?: string
  headers?: Headers | Record<string, string>
  body?: string | Uint8Array | undefined
  signal?: AbortSignal | undefined
  /** For all of it: the name, the connection, the answer to its last byte. */
  timeoutMs?: number
  /** Of the answer's body. */
  maxBytes?: number
  /**
   * `operator`: the operator has chosen the address, wherever it leads. Otherwise someone else has, and it leads to public
   * addresses only: each that the name stands for is looked at, and the connection goes to one of these very addresses.
   */
  to: 'operator' | Reach
}

/** What someone else's choice of an address may reach. */
interface Reach {
  /** Whether an address that is not public may be reached all the same. */
  isAllowed: (address: string) => boolean
  /** For tests: how names are looked up. */
  lookUp?: typeof lookUp
}

/** Nothing was answered, or not as it must be. The message is for an operator and quotes nothing that was sent. */
export class OutboundError extends Error {
  override name = 'OutboundError'
}

/** An answer that takes longer is not waited for. */
const TIMEOUT_MS = 5000

/** No answer that we ask for is anywhere near as long. */
const MAX_BYTES = 256 * 1024

/** As much as our own server takes. */
const MAX_HEADER_BYTES = 16 * 1024

/** Whether what is secret may travel there: by https, or within this machine. */
export const isSafe = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))

/** Sends one request and reads the whole answer. @throws OutboundError; whatever the network says */
export async function send(address: string | URL, request: OutboundRequest): Promise<Response> {
  const url = new URL(address)
  const { timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES, signal, to } = request
  if (!isSafe(url)) throw new OutboundError(`${url.origin} is not https`)
  if (url.username !== '' || url.password !== '') throw new OutboundError('the address holds a name or a password')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  // No name is looked up for an address.
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

/** The head of the answer. */
function ask(url: URL, { method = 'GET', headers = {}, body, to }: OutboundRequest, signal: AbortSignal) {
  const fields = new Headers(headers)
  fields.set('accept-encoding', 'identity')
  if (!fields.has('user-agent')) fields.set('user-agent', 'freehold')
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

/** @throws OutboundError before anything of a body is read that is not to be read */
async function readAnswer(answer: IncomingMessage, maxBytes: number): Promise<Response> {
  const { statusCode: status = 0, headers, rawHeaders } = answer
  try {
    const encoding = headers['content-encoding']
    if (encoding !== undefined) throw new OutboundError('the answer is encoded, and was asked not to be')
    if (status < 200 || status > 599) throw new OutboundError('the answer has no status that there is')
    if (Number(headers['content-length'] ?? 0) > maxBytes) throw new OutboundError('the answer is too long')
    const fields = new Headers()
    for (let at = 0; at < rawHeaders.length; at += 2) fields.append(rawHeaders[at]!, rawHeaders[at + 1]!)
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      length += chunk.byteLength
      if (length > maxBytes) throw new OutboundError('the answer is too long')
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
  throw new OutboundError(`${host} leads to a private address; OUTBOUND_NETWORKS lists those that may be reached`)
}

/** Looks a name up once, for the connection itself: what is looked at is what is connected to, whatever the name says next. */
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
