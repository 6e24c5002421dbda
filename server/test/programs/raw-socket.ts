import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { App } from '../../src/platform/http/route.ts'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  text: string
}

/** Lets the app listen on a free port of this machine, and sends it raw bytes that no client would send. */
export async function connectRaw(app: App): Promise<(request: string) => Promise<RawAnswer>> {
  if (!app.server.listening) await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return async request => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    // A server that closes before it has read everything causes a reset; what it sent first has arrived.
    socket.on('error', () => {})
    // Most answers leave the connection open. The first byte may take long, on a busy machine.
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
      socket.setTimeout(3000)
    })
    socket.write(request, 'latin1')
    socket.setTimeout(60_000, () => socket.destroy())
    await once(socket, 'close')
    const [head = '', ...rest] = text.split('\r\n\r\n')
    const [first = '', ...lines] = head.split('\r\n')
    const headers = Object.fromEntries(
      lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    return { status: Number(first.split(' ')[1]), headers, text: rest.join('\r\n\r\n') }
  }
}
