import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { Problem } from '../problems.ts'

/** How long everything is still served once the service closes, so that busy connections end with an answer. Milliseconds. */
const LAST_ANSWERS_MS = 300

/** How often connections that have become idle are looked for after that. Milliseconds. */
const SWEEP_MS = 250

/**
 * How the service says goodbye: every answer now ends its connection, what is in flight is finished, and what still arrives
 * on a kept connection is sent elsewhere. Otherwise an idle client would hold the service up until its connection timed
 * out, and a busy one would find its next request cut off. The app is made with `return503OnClosing: false`, because the
 * framework's own 503 is no problem document.
 */
export function closeGently(app: FastifyInstance): void {
  let isClosing = false
  let sweep: NodeJS.Timeout | undefined
  app.addHook('preClose', async () => {
    isClosing = true
    if (!app.server.listening) return
    await delay(LAST_ANSWERS_MS)
    sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS)
  })
  app.addHook('onClose', (_app, done) => {
    clearInterval(sweep)
    done()
  })
  app.addHook('onRequest', (_request, _reply, done) =>
    done(sweep === undefined ? undefined : new Problem('shutting-down', { retryAfter: 1 })),
  )
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isClosing) void reply.header('connection', 'close')
    done(null, payload)
  })
}
