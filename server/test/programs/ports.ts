import { createSocket } from 'node:dgram'
import { findFreePort as findPortFrom } from '../../src/platform/embedded/postgres-process.ts'

/**
 * A port of 127.0.0.1 that is free now, below those that the system gives to outgoing connections: one of them could be
 * in use a moment later. Browsers refuse 10080, and embedded servers begin at 20000. It is reserved for this process: the
 * one that will listen there needs some seconds to start, and may be started again.
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = await findPortFrom(11_000 + Math.floor(Math.random() * 8900))
    if (await reserve(port)) return port
  }
}

/** Takes the same port for datagrams, which nothing here sends, until this process ends. @returns whether it was free */
const reserve = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = createSocket('udp4').unref()
    socket.once('error', () => resolve(false))
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
