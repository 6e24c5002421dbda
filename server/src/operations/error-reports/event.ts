import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Fault } from '../../platform/observation/channels.ts'
import { messageOf } from '../../platform/observation/redaction.ts'

/** An event in Sentry's format (develop.sentry.dev/sdk/data-model/event-payloads). */
export interface ErrorEvent {
  event_id: string
  [field: string]: unknown
}

export interface Circumstances {
  version: string
  environment: string
}

/** How many causes and frames are reported, and how many characters of a message. */
const MAX_CAUSES = 5
const MESSAGE_LENGTH = 1000
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
    exception: { values: errors.toReversed().map(one => describeError(one, level !== 'fatal')) },
  }
}

function causesOf(error: unknown): Error[] {
  const errors: Error[] = []
  for (let at = error; at instanceof Error && errors.length < MAX_CAUSES; at = at.cause) errors.push(at)
  return errors.length > 0 ? errors : [new Error(String(error))]
}

const describeError = (error: Error, handled: boolean) => ({
  type: error.name,
  value: messageOf(error).slice(0, MESSAGE_LENGTH),
  mechanism: { type: 'generic', handled },
  stacktrace: { frames: framesOf(error) },
})

/** The frames of a stack, the outermost first, without source text and variables. */
function framesOf({ message, stack = '' }: Error) {
  // The message comes first, and a line of it could look like a frame.
  const at = stack.indexOf(message)
  const lines = at < 0 ? stack : stack.slice(at + message.length)
  const frames = [...lines.matchAll(/^ +at (?:(.+?) \()?(?:file:\/\/)?([^()\s]+?):(\d+):(\d+)\)?$/gm)].slice(
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
