import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { waitUntil } from '../../../test/programs/service-process.ts'
import { jobEnds, jobStarts } from '../../platform/observation/channels.ts'
import { startTracing } from './tracing.ts'

// Collectors that do not do what they should. All of them get the same spans at the same time.

const SEND_MS = 200

interface Collector {
  url: string
  open: Set<Socket>
  /** How many connections there have been. */
  count: () => number
}

/** A server that treats each connection in its own way. */
async function startCollector(treat: (socket: Socket) => void): Promise<Collector> {
  const open = new Set<Socket>()
  let count = 0
  const server = createServer(socket => {
    count += 1
    open.add(socket)
    socket.on('error', () => {}).on('close', () => open.delete(socket))
    treat(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, open, count: () => count }
}

const answering = (text: string) => (socket: Socket) => void socket.once('data', () => socket.write(text))
/** Sends a piece of an endless response again and again. */
const dripping = (head: string, piece: string) => (socket: Socket) => {
  socket.resume().write(head)
  const timer = setInterval(() => socket.write(piece), SEND_MS / 4)
  socket.once('close', () => clearInterval(timer))
}
const OK = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'

const treatments: Record<string, (socket: Socket) => void> = {
  'hangs up': socket => void socket.destroy(),
  'says nothing': socket => void socket.resume(),
  'is no HTTP': answering('SSH-2.0-OpenSSH_9.2\r\n'),
  'answers garbage': answering(`${OK}content-length: 9\r\n\r\n{]garbage`),
  'wants no more for a day': answering(
    'HTTP/1.1 429 Too Many Requests\r\nretry-after: 86400\r\ncontent-length: 0\r\n\r\n',
  ),
  'leads elsewhere': answering('HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n'),
  'never ends its body': dripping(`${OK}transfer-encoding: chunked\r\n\r\n`, '1\r\n.\r\n'),
  'never ends its head': dripping(OK, 'x-more: x\r\n'),
  'sends megabytes': dripping(`${OK}\r\n`, 'x'.repeat(1_000_000)),
}

let serial = 0
/** A span, as a job makes it. */
function record(): void {
  const job = { queue: 'mail', id: `job-${serial++}`, data: {}, traceparent: undefined }
  jobStarts.within(job, () => {})
  jobEnds.publish({ ...job, milliseconds: 1, error: undefined })
}

// Red when: openAgent keeps connections, or does not close those of a collector that goes on to send.
test('a collector that hangs up, hangs, drips or sends garbage costs little memory, few connections and no time', async t => {
  const lines: string[] = []
  const log = { warn: (details: object, message: string) => void lines.push(`${message} ${JSON.stringify(details)}`) }
  const collectors = await Promise.all(
    Object.entries(treatments).map(async ([name, treat]) => ({ name, ...(await startCollector(treat)) })),
  )
  const tracings = collectors.map(({ url }) =>
    startTracing(
      { endpoint: url, headers: {}, serviceName: 'x', sampledShare: 1 },
      { version: '1', environment: 'test', log },
      { sendMs: SEND_MS },
    ),
  )
  // More than can wait, in batches that are sent one after the other.
  let longest = 0
  let most = 0
  for (let round = 0; round < 40; round++) {
    const start = performance.now()
    for (let index = 0; index < 256; index++) record()
    longest = Math.max(longest, performance.now() - start)
    await delay(50)
    most = Math.max(most, ...collectors.map(({ open }) => open.size))
  }
  t.diagnostic(`256 spans took at most ${Math.round(longest)} ms; at most ${most} connections were open at once`)
  // It is tried again.
  for (const { count } of collectors) await waitUntil(() => count() > 1)
  assert.ok(most <= 2, `${most} connections to one collector`)
  const start = performance.now()
  await Promise.all(tracings.map(tracing => tracing.close()))
  assert.ok(performance.now() - start < 20_000, 'the end waits for at most two seconds')
  await waitUntil(() => collectors.every(({ open }) => open.size === 0))
  assert.match(lines.join('\n'), /traces could not be sent to OTEL_EXPORTER_OTLP_ENDPOINT/)
  assert.doesNotMatch(lines.join('\n'), /garbage|job-/)
})

// Red when: close waits until the collector has answered.
test('a process that stops waits for at most two seconds for a collector that says nothing', async () => {
  const { url, count } = await startCollector(treatments['says nothing']!)
  const tracing = startTracing(
    { endpoint: url, headers: {}, serviceName: 'x', sampledShare: 1 },
    { version: '1', environment: 'test', log: { warn: () => {} } },
  )
  for (let index = 0; index < 10; index++) record()
  const start = performance.now()
  await tracing.close()
  assert.ok(performance.now() - start < 20_000, `${performance.now() - start} ms`)
  assert.equal(count(), 1)
})
