import type { IncomingMessage } from 'node:http'
import { Server } from 'node:net'
import type { Socket } from 'node:net'
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

/**
 * How long a request may still take to arrive after that. Node's own limits end with the listener, so a client that
 * sends half a request would keep the process for ever. Milliseconds.
 */
const LAST_BODIES_MS = 10_000

/** How long, from the same moment, a response may take to leave: a client may never read it. Milliseconds. */
const LAST_RESPONSES_MS = 25_000

/** How long to wait at most for a moment without new connections. Milliseconds. */
const QUIET_MS = 500

/** The drain before the close: serves for a while, then accepts no further connections. */
export interface Leaving {
  leave(seconds: number): Promise<void>
}

interface Closing {
  isDraining: boolean
  /** Whether responses close their connection. */
  isParting: boolean
  /** How many connections were accepted. */
  accepted: number
  /** The open connections, each with the request that is being received or answered on it. */
  open: Map<Socket, IncomingMessage | undefined>
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
 * When the app closes, closes idle connections until none is left, lets running requests finish, and gives up those that
 * do not arrive in time, and responses that do not leave in time. The app is created with `return503OnClosing: false`,
 * because Fastify would otherwise refuse the last requests.
 */
export function closeGracefully(
  app: FastifyInstance,
  { lastBodiesMs = LAST_BODIES_MS, lastResponsesMs = LAST_RESPONSES_MS } = {},
): void {
  const closing: Closing = { isDraining: false, isParting: false, accepted: 0, open: new Map() }
  closings.set(app.server, closing)
  app.server.on('connection', (socket: Socket) => {
    closing.accepted += 1
    closing.open.set(socket, undefined)
    socket.once('close', () => closing.open.delete(socket))
  })
  app.server.on('request', (request, response) => {
    closing.open.set(request.socket, request)
    response.once('close', () => {
      if (closing.open.get(request.socket) === request) closing.open.set(request.socket, undefined)
    })
  })
  // Node takes a connection for idle as soon as the response has been written, also if most of it still has to be sent.
  const closeIdle = app.server.closeIdleConnections.bind(app.server)
  const isSending = (): boolean =>
    closing.open.entries().some(([{ writableLength }, request]) => request !== undefined && writableLength > 0)
  app.server.closeIdleConnections = () => void (isSending() || closeIdle())
  let sweep: NodeJS.Timeout | undefined
  app.addHook('preClose', async () => {
    await leave(app, 0)
    const began = performance.now()
    sweep = setInterval(() => {
      app.server.closeIdleConnections()
      const now = performance.now() - began
      // A request that has arrived is answered, as long as that can be expected; one that has not is given up.
      for (const [socket, request] of closing.open)
        if (now > (request?.complete === true ? lastResponsesMs : lastBodiesMs)) socket.destroy()
    }, SWEEP_MS)
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
