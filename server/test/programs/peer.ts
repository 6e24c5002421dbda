import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'

interface Received {
  path: string
  headers: NodeJS.Dict<string | string[]>
  body: string
}

/** A server of someone else on this machine, which remembers what it is sent. */
export interface Peer {
  readonly url: string
  readonly host: string
  readonly received: readonly Received[]
  /** The status of its answers from now on; 0: it never answers. */
  answer(status: number, headers?: Record<string, string>): void
  stop(): Promise<void>
}

/** Starts it, at a free port or at the given one. */
export async function startPeer(port = 0): Promise<Peer> {
  const received: Received[] = []
  let [status, fields]: [number, Record<string, string>] = [200, {}]
  const server = createServer((request, response) => {
    let body = ''
    request
      .setEncoding('utf8')
      .on('data', (text: string) => (body += text))
      .on('end', () => {
        received.push({ path: request.url ?? '', headers: request.headers, body })
        if (status > 0) response.writeHead(status, { 'content-type': 'application/json', ...fields }).end('{}')
      })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const stop = async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
  after(stop)
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${host}`,
    host,
    received,
    answer: (next, headers = {}) => {
      status = next
      fields = headers
    },
    stop,
  }
}
