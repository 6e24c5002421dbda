import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from './ports.ts'
import { isInstalled } from './programs.ts'
import { waitUntil } from './service-process.ts'

/** Redis or Valkey: the tests run on either. */
const program = ['redis-server', 'valkey-server'].find(isInstalled)

/** The option that skips a test, with a message, if there is no Redis. */
export const needsRedis: { skip?: string } = program === undefined ? { skip: 'redis-server not installed' } : {}

export interface RedisServer {
  readonly url: string
  /** Starts it again, on the same port, with additional options. */
  start(...options: string[]): Promise<void>
  /** Kills it, as in a crash. */
  stop(): Promise<void>
  /** Stops the process without closing its connections, as on a machine that hangs, until `resume`. */
  pause(): void
  resume(): void
  /** One command. @returns the reply as text */
  ask(...words: string[]): Promise<string>
}

/** Starts a Redis on a free port, without files. */
export async function startRedis(t: { after(end: () => unknown): void }, ...first: string[]): Promise<RedisServer> {
  const port = await findFreePort()
  const directory = mkdtempSync(join(tmpdir(), 'freehold-redis-'))
  let child: ChildProcess | undefined
  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    start: async (...options) => {
      const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory, ...options]
      const started = spawn(program as string, settings, { stdio: 'ignore' })
      child = started
      // With a password it answers, too, that one is missing.
      await waitUntil(() => {
        if (started.exitCode !== null) throw new Error(`${program} ended with code ${started.exitCode}`)
        return server.ask('PING').then(
          reply => /PONG|NOAUTH/.test(reply),
          () => false,
        )
      })
    },
    stop: async () => {
      const ended = new Promise(resolve => child?.once('exit', resolve))
      if (child?.kill('SIGKILL') === true) await ended
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    ask: (...words) =>
      new Promise((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(`${words.join(' ')}\r\n`))
        socket.setEncoding('utf8').once('data', reply => {
          socket.destroy()
          resolve(String(reply))
        })
        socket.once('error', reject)
      }),
  }
  t.after(async () => {
    await server.stop()
    rmSync(directory, { recursive: true })
  })
  await server.start(...first)
  return server
}
