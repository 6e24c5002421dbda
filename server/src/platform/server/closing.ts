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

interface Closing {
  isDraining: boolean
  /** Whether an answer ends its connection. */
  isParting: boolean
  connections: number
}

const closings = new WeakMap<object, Closing>()

/** Whether the service was told to stop: it still answers, and a load balancer should send nothing more. */
export const isDraining = ({ server }: Pick<FastifyInstance, 'server'>): boolean =>
  closings.get(server)?.isDraining ?? false

/**
 * Serves as before for `seconds`, while `/ready` answers 503 and every answer ends its connection, so that load balancers
 * and proxies move on. What follows is `app.close()`.
 */
export async function drain(app: FastifyInstance, seconds: number): Promise<void> {
  const closing = closings.get(app.server)
  if (closing === undefined) return
  closing.isDraining = closing.isParting = true
  const settling = Math.min(SETTLING_MS, seconds * 250)
  await delay(seconds * 1000 - settling)
  closing.isParting = false
  await delay(settling)
}

/**
 * What happens when the app is closed, so that no request is lost: first the listener goes, then every connection that is
 * left gets one more answer, then idle ones are ended, and what is in flight is finished. A listener that closes resets the
 * connections that wait to be accepted, and an idle connection may be ended while a request is on its way; a proxy repeats
 * neither request if it is a POST. Once a proxy was refused a new connection, it goes elsewhere with all of them. The app is
 * made with `return503OnClosing: false`, because the framework would refuse the last requests.
 */
export function closeGently(app: FastifyInstance): void {
  const { server } = app
  const closing: Closing = { isDraining: false, isParting: false, connections: 0 }
  closings.set(server, closing)
  server.on('connection', () => (closing.connections += 1))
  let sweep: NodeJS.Timeout | undefined
  app.addHook('preClose', async () => {
    closing.isDraining = closing.isParting = true
    if (!server.listening) return
    await awaitQuiet(closing)
    // Not the method of the HTTP server, which ends idle connections at once. What it does besides follows in `app.close()`.
    Server.prototype.close.call(server)
    for (const deadline = Date.now() + LAST_ANSWERS_MS; Date.now() < deadline && (await countConnections(server)) > 0;)
      await delay(25)
    sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
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

/** Waits for a turn of the event loop in which nobody connected: then no connection waits to be accepted. */
async function awaitQuiet(closing: Closing): Promise<void> {
  let before = -1
  for (const deadline = Date.now() + QUIET_MS; before !== closing.connections && Date.now() < deadline;) {
    before = closing.connections
    await nextTurn()
  }
}

const countConnections = (server: Server): Promise<number> =>
  new Promise(resolve => server.getConnections((_error, count) => resolve(count)))
