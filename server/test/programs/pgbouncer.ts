import { spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findFreePort } from './ports.ts'

export const pgbouncerProgram = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer'].find(path =>
  existsSync(path),
)

export interface Pgbouncer {
  /** The same login and database, through the pooler. */
  through(url: string): string
  stop(): Promise<void>
}

/**
 * Starts PgBouncer in front of a PostgreSQL, pooling by transaction, for the logins of these URLs. `poolSize` is per
 * login.
 */
export async function startPgbouncer(urls: string[], poolSize: number): Promise<Pgbouncer> {
  if (pgbouncerProgram === undefined) throw new Error('PgBouncer is not installed')
  const directory = mkdtempSync(join(tmpdir(), 'freehold-pgbouncer-'))
  const port = await findFreePort()
  const [{ hostname, port: databasePort }] = urls.map(url => new URL(url)) as [URL]
  const logins = urls
    .map(url => new URL(url))
    .map(({ username, password }) => `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"`)
  writeFileSync(join(directory, 'users'), `${logins.join('\n')}\n`)
  writeFileSync(
    join(directory, 'pgbouncer.ini'),
    `[databases]
* = host=${hostname} port=${databasePort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(directory, 'users')}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
logfile = ${join(directory, 'log')}
`,
  )
  // It refuses to run as root.
  const account = process.geteuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined
  if (account)
    for (const path of [directory, join(directory, 'users'), join(directory, 'pgbouncer.ini')])
      chownSync(path, account.uid, account.gid)
  const child = spawn(pgbouncerProgram, ['-q', join(directory, 'pgbouncer.ini')], {
    ...account,
    cwd: directory,
    stdio: 'ignore',
  })
  const ended = new Promise(resolve => child.once('exit', resolve))
  for (const deadline = Date.now() + 180_000; !(await answers(port)); await delay(25)) {
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`PgBouncer does not start: ${readFileSync(join(directory, 'log'), 'utf8')}`)
  }
  return {
    through: url => {
      const changed = new URL(url)
      changed.hostname = '127.0.0.1'
      changed.port = String(port)
      return changed.href
    },
    stop: async () => {
      child.kill('SIGINT')
      await Promise.race([ended, delay(3_000, undefined, { ref: false }).then(() => child.kill('SIGKILL'))])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

const answers = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.end(() => resolve(true)))
    socket.once('error', () => resolve(false))
  })
