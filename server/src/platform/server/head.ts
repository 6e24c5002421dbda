import type { IncomingMessage } from 'node:http'

const heads = new WeakSet<IncomingMessage>()

/**
 * The response to HEAD is that to GET without its content (RFC 9110, section 9.3.2): all code sees a GET, and Node,
 * which has already read the method, sends only the header fields.
 */
export function answerHeadAsGet(request: IncomingMessage): void {
  if (request.method !== 'HEAD') return
  heads.add(request)
  request.method = 'GET'
}

/** The method that was sent. */
export const sentMethodOf = (request: IncomingMessage): string => (heads.has(request) ? 'HEAD' : (request.method ?? ''))
