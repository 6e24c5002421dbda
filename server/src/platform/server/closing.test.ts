import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import Fastify from 'fastify'
import { closeGracefully } from './closing.ts'

/** More than the buffers of two sockets. */
const LARGE = 48 * 1024 * 1024

/** A server like ours, with a route that takes a while, and what clients left unfinished. */
async function open(lastResponsesMs = 5000) {
  const app = Fastify({ forceCloseConnections: 'idle', return503OnClosing: false })
  closeGracefully(app, { lastBodiesMs: 1000, lastResponsesMs })
  app.post('/', async () => {
    await delay(2500)
    return 'done'
  })
  app.get('/large', async () => 'x'.repeat(LARGE))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const send = (text: string) =>
    new Promise<{ answer: Promise<string> }>(resolve => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(text, () => resolve({ answer: answered }))
      })
      const answered = new Promise<string>(ended => {
        let received = ''
        socket.on('data', chunk => (received += chunk.toString()))
        socket.on('error', () => {})
        socket.on('close', () => ended(received))
      })
    })
  return { app, port, send }
}

const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

// Red when: closing waits for requests that have not arrived (this test then runs into its time limit), or gives up one
// that is being answered.
test('what never arrives does not hold the close, and what has arrived is answered', { timeout: 60_000 }, async () => {
  const { app, send } = await open()
  const whole = await send(`${head}Content-Length: 2\r\n\r\n{}`)
  const unfinished = [
    await send(`${head}Content-Length: 100\r\n\r\n{"a":`),
    await send(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":`),
    await send('POST / HTTP/1.1\r\nHost:'),
    await send(''),
  ]
  await delay(100)
  const started = Date.now()
  await app.close()
  assert.ok(Date.now() - started < 20_000, `${Date.now() - started} ms`)
  assert.match(await whole.answer, /200 OK[\s\S]*done/)
  for (const { answer } of unfinished) assert.doesNotMatch(await answer, /200 OK/)
})

/** Asks for a response that is larger than what a socket holds, and has begun to receive it. */
async function beginLarge(port: number) {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'readable')
  return socket
}

// Red when: idle connections are closed by Node's rule alone.
test('a response that is still being sent is not cut off', async () => {
  const { app, port } = await open(300_000)
  const socket = await beginLarge(port)
  const closed = app.close()
  await delay(1500) // longer than a sweep
  let received = 0
  for await (const chunk of socket) received += (chunk as Buffer).length
  await closed
  assert.ok(received > LARGE, `${received} bytes`)
})

// Red when: the close waits until a client has read its response (this test then runs into its time limit).
test('a response that is never read does not hold the close', { timeout: 60_000 }, async () => {
  const { app, port } = await open()
  const socket = await beginLarge(port)
  const started = Date.now()
  await app.close()
  assert.ok(Date.now() - started > 4000, 'it has its time')
  socket.destroy()
})
