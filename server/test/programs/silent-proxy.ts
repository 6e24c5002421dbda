import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'

export interface SilentProxy {
  /** The URL that was given, through the proxy. */
  readonly url: string
  /** From now on the server at the other end seems silent: it takes everything, answers nothing and closes nothing. */
  hold(): void
  /** What the server has said since, on any connection. */
  said(): string
  /** Passes it on in one piece, and ends the latest connection. */
  flush(): void
}

/** A way to a server on which the server can fall silent. */
export async function startProxy(url: string): Promise<SilentProxy> {
  const { hostname, port } = new URL(url)
  let kept: Buffer[] | undefined
  let flush = (): void => {}
  const proxy = createServer({ allowHalfOpen: true }, near => {
    const far = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
    near.on('data', (chunk: Buffer) => void far.write(chunk))
    near.on('end', () => far.end())
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
    far.on('data', (chunk: Buffer) => void (kept === undefined ? near.write(chunk) : kept.push(chunk)))
    far.on('end', () => void (kept === undefined && near.end()))
    far.on('error', () => {})
    flush = () => {
      near.end(Buffer.concat(kept ?? []))
      kept = undefined
    }
  }).listen(0, '127.0.0.1')
  after(() => proxy.close())
  await once(proxy, 'listening')
  return {
    url: Object.assign(new URL(url), { port: String((proxy.address() as AddressInfo).port) }).href,
    hold: () => void (kept = []),
    said: () => Buffer.concat(kept ?? []).toString('latin1'),
    flush: () => flush(),
  }
}
