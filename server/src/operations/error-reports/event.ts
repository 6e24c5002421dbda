import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Fault } from '../../platform/observation/channels.ts'

/** An event in Sentry's format (develop.sentry.dev/sdk/data-model/event-payloads). */
export interface ErrorEvent {
  event_id: string
  [field: string]: unknown
}

export interface Circumstances {
  version: string
  environment: string
}

/** How many causes and frames are reported. */
const MAX_CAUSES = 5
const MAX_FRAMES = 50

/** Where the code is installed; the paths of frames are relative to it. */
const root = fileURLToPath(new URL('../../../../', import.meta.url))

/**
 * What is reported about a fault: the errors with their stacks, the method and pattern of the route, and ids. Nothing of
 * the request itself: no path, query, header, body or address.
 */
export function describeFault(
  { level, message, error, request, details }: Fault,
  { version, environment }: Circumstances,
): ErrorEvent {
  const { url, method } = request?.routeOptions ?? {}
  const errors = causesOf(error)
  return {
    event_id: randomUUID().replaceAll('-', ''),
    timestamp: Date.now() / 1000,
    platform: 'node',
    level,
    logger: 'freehold',
    release: `freehold@${version}`,
    environment,
    ...(url !== undefined && { transaction: `${String(method)} ${url}` }),
    tags: { what: message, ...(request && { request_id: request.id }) },
    contexts: { runtime: { name: 'node', version: process.versions.node } },
    ...(details !== undefined && { extra: details }),
    // The innermost cause comes first.
    exception: { values: errors.toReversed().map(describeError) },
  }
}

function causesOf(error: unknown): Error[] {
  const errors: Error[] = []
  for (let at = error; at instanceof Error && errors.length < MAX_CAUSES; at = at.cause) errors.push(at)
  return errors.length > 0 ? errors : [new Error(String(error))]
}

const describeError = (error: Error) => ({
  type: error.name,
  value: messageOf(error),
  mechanism: { type: 'generic', handled: true },
  stacktrace: { frames: framesOf(error.stack ?? '') },
})

/** Messages of classes 22 and 23 of PostgreSQL quote values, as in platform/server/logging.ts. */
function messageOf(error: Error & { code?: string; severity?: string }): string {
  const quotes = error.severity !== undefined && /^2[23]/.test(error.code ?? '')
  return quotes ? `a value was refused (${error.code})` : redact(error.message).slice(0, 1000)
}

/** Removes what looks like an address, a token or another secret. */
export const redact = (text: string): string =>
  text
    .replaceAll(/\b(Bearer|Basic) +[^\s,"']+/gi, '$1 (removed)')
    .replaceAll(/\beyJ[\w-]+(?:\.[\w-]+)*/g, '(token)')
    .replaceAll(
      /([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@|[^\s<>"'(/:]+@[^\s<>"')]+/gi,
      (_found, scheme: string | undefined) => (scheme === undefined ? '(address)' : `${scheme}(removed)@`),
    )
    .replaceAll(/\?[^\s"')]+/g, '?(removed)')
    .replaceAll(/[\w-]{24,}/g, word => (/\d/.test(word) && !ID.test(word) ? '(removed)' : word))

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The frames of a stack, the outermost first, without source text and variables. */
function framesOf(stack: string) {
  const frames = [...stack.matchAll(/^ +at (?:(.+?) \()?(?:file:\/\/)?([^()\s]+?):(\d+):(\d+)\)?$/gm)].slice(
    0,
    MAX_FRAMES,
  )
  return frames.toReversed().map(([, name, file = '', line, column]) => ({
    function: name ?? '<anonymous>',
    filename: file.startsWith(root) ? file.slice(root.length) : file,
    lineno: Number(line),
    colno: Number(column),
    in_app: !file.includes('node_modules') && !file.startsWith('node:'),
  }))
}
