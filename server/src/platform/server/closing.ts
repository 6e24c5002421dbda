import { Server } from 'node:net'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/**
 * For how long, at the end of the drain, new connections are kept again (at most a quarter of it), so that a proxy has its
 * connections and opens no others when the listener closes. Milliseconds.
 */
const SETTLING_MS = 500

/** For how long connections stay open for one last answer once no others are accepted. Milliseconds. */
const LAST_ANSWERS_MS = 500

/** How often connections that have become idle are looked for after that. Milliseconds. */
const SWEEP_MS = 250

/** How long a moment without new connections is waited for. Milliseconds. */
const QUIET_MS = 500

/** What comes before everything is closed: it serves on for so long, then takes no more connections. */
export interface Leaving {
  leave(seconds: number): Promise<void>
}

interface Closing {
  isDraining: boolean
  /** Whether an answer ends its connection. */
  isParting: boolean
  /** How many connections were accepted. */
  accepted: number
  left?: Promise<void>
}

const closings = new WeakMap<object, Closing>()

/** Whether the service was told to stop: it still answers, and a load balancer should send nothing more. */
export const isDraining = ({ server }: Pick<FastifyInstance, 'server'>): boolean =>
  closings.get(server)?.isDraining ?? false

/**
 * Stops listening so that no request is lost; `app.close()` does the rest. For `seconds` everything is served while `/ready`
 * answers 503 and every answer ends its connection, so that load balancers and proxies move on. Then the listener goes, and
 * every connection that is left gets one more answer.
 *
 * A listener that closes resets the connections that wait to be accepted, and an idle connection may be ended while a request
 * is on its way; a proxy repeats neither request if it is a POST. So the listener goes in a quiet moment, while idle
 * connections stay: a proxy that is refused a new connection goes elsewhere, with all that it has.
 */
export function leave(app: FastifyInstance, seconds: number): Promise<void> {
  const { server } = app
  const closing = closings.get(server)
  if (closing === undefined) throw new Error('this app was not told to close gently')
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
  // Not the method of the HTTP server, which ends idle connections at once. What it does besides follows in `app.close()`.
  Server.prototype.close.call(server)
  closing.isParting = true
  for (const deadline = Date.now() + LAST_ANSWERS_MS; Date.now() < deadline && (await countConnections(server)) > 0;)
    await delay(25)
}

/**
 * When the app closes, idle connections are ended until none is left, and what is in flight is finished. The app is made
 * with `return503OnClosing: false`, because the framework would refuse the last requests.
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

/** Waits for a turn of the event loop in which no one connected: then no connection waits to be accepted. */
async function awaitQuiet(closing: Closing): Promise<void> {
  let before = -1
  for (const deadline = Date.now() + QUIET_MS; before !== closing.accepted && Date.now() < deadline;) {
    before = closing.accepted
    await nextTurn()
  }
}

const countConnections = (server: Server): Promise<number> =>
  new Promise(resolve => server.getConnections((_error, count) => resolve(count)))
