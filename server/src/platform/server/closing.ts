import { Server } from 'node:net'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/**
 * How long, at the end of the drain, connections are kept alive again (at most a quarter of it), so that a proxy reuses
 * its connections and opens no new ones when the listener closes. Milliseconds.
 */
const SETTLING_MS = 500

/** How long connections stay open for one last response after the listener has closed. Milliseconds. */
const LAST_ANSWERS_MS = 500

/** How often idle connections are closed after that. Milliseconds. */
const SWEEP_MS = 250

/** How long to wait at most for a moment without new connections. Milliseconds. */
const QUIET_MS = 500

/** The drain before the close: serves for a while, then accepts no more connections. */
export interface Leaving {
  leave(seconds: number): Promise<void>
}

interface Closing {
  isDraining: boolean
  /** Whether responses close their connection. */
  isParting: boolean
  /** How many connections were accepted. */
  accepted: number
  left?: Promise<void>
}

const closings = new WeakMap<object, Closing>()

/** Whether the service is stopping: it still answers, but load balancers should send no more requests. */
export const isDraining = ({ server }: Pick<FastifyInstance, 'server'>): boolean =>
  closings.get(server)?.isDraining ?? false

/**
 * Stops listening without losing a request; `app.close()` does the rest. For `seconds`, all requests are served, but
 * `/ready` answers 503 and every response closes its connection, so that load balancers and proxies use other servers.
 * Then the listener closes, and every remaining connection gets one more response.
 *
 * Closing a listener resets the connections that wait to be accepted, and an idle connection may be closed while a
 * request is on its way; a proxy repeats neither request if it is a POST. So the listener closes when no connections
 * arrive, while idle connections stay open: a proxy whose new connection is refused uses another server.
 */
export function leave(app: FastifyInstance, seconds: number): Promise<void> {
  const { server } = app
  const closing = closings.get(server)
  if (closing === undefined) throw new Error('closeGracefully was not called for this app')
  return (closing.left ??= leaveOnce(server, closing, seconds))
}

async function leaveOnce(server: FastifyInstance['server'], closing: Closing, seconds: number): Promise<void> {
  closing.isDraining = true
  if (!server.listening) return
  if (seconds > 0) {
    const settling = Math.min(SETTLING_MS, seconds * 250)
    closing.isParting = true
    await delay(seconds * 1000 - settling)
    closing.isParting = false
    await delay(settling)
  }
  await awaitQuiet(closing)
  // Not the method of the HTTP server, which closes idle connections at once. The rest of it follows in `app.close()`.
  Server.prototype.close.call(server)
  closing.isParting = true
  for (const deadline = Date.now() + LAST_ANSWERS_MS; Date.now() < deadline && (await countConnections(server)) > 0;)
    await delay(25)
}

/**
 * When the app closes, closes idle connections until none is left, and lets running requests finish. The app is created
 * with `return503OnClosing: false`, because Fastify would otherwise refuse the last requests.
 */
export function closeGracefully(app: FastifyInstance): void {
  const closing: Closing = { isDraining: false, isParting: false, accepted: 0 }
  closings.set(app.server, closing)
  app.server.on('connection', () => (closing.accepted += 1))
  let sweep: NodeJS.Timeout | undefined
  app.addHook('preClose', async () => {
    await leave(app, 0)
    sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS)
  })
  app.addHook('onClose', (_app, done) => {
    clearInterval(sweep)
    done()
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing.isParting) void reply.header('connection', 'close')
    done(null, payload)
  })
}

/** Waits for a turn of the event loop without a new connection: then no connection waits to be accepted. */
async function awaitQuiet(closing: Closing): Promise<void> {
  let before = -1
  for (const deadline = Date.now() + QUIET_MS; before !== closing.accepted && Date.now() < deadline;) {
    before = closing.accepted
    await nextTurn()
  }
}

const countConnections = (server: Server): Promise<number> =>
  new Promise(resolve => server.getConnections((_error, count) => resolve(count)))
