import { userInfo } from 'node:os'
import pg from 'pg'
import type { OpenConnections } from './open-connections.ts'

/**
 * Settings of every connection, whatever the server, the database or the login sets. Poolers track these three for
 * each client; the other settings that matter are checked at the start (session-settings.ts).
 */
const SESSION_SETTINGS = { DateStyle: 'ISO, MDY', TimeZone: 'UTC', standard_conforming_strings: 'on' }

/** Connection parameters that the driver keeps, but that its types omit. */
interface Kept {
  password: string
  connectionParameters: { password: string }
}

const startup = pg.Client.prototype as unknown as { getStartupConf(this: pg.Client): Record<string, string> }

/**
 * A connection configured by its URL alone: what the URL does not set is PostgreSQL's default, never a variable that
 * libpq would read (PGSSLMODE, PGOPTIONS, PGPASSWORD …) or a password file. Overrides one method of the driver's
 * client, which returns the startup parameters; the driver's version is pinned, and connection.test.ts checks this.
 */
export class Connection extends pg.Client {
  readonly #options: string | undefined

  constructor(config: pg.ClientConfig & { connectionString: string; noted?: OpenConnections }) {
    const url = completeUrl(config.connectionString)
    super({ ssl: false, sslnegotiation: 'postgres', client_encoding: 'UTF8', ...config, connectionString: url.href })
    config.noted?.add(this)
    // A connection can be lost while it passes from one user to the next, when no one listens. The next statement fails.
    this.on('error', () => {})
    this.#options = url.searchParams.get('options') ?? config.options
    if (url.password !== '') return
    // With null the driver would read a password file, with undefined the environment.
    const kept = this as unknown as Kept
    kept.password = kept.connectionParameters.password = ''
  }

  getStartupConf(): Record<string, string> {
    const { options: _fromEnvironment, replication: _neither, ...parameters } = startup.getStartupConf.call(this)
    return { ...parameters, ...(this.#options && { options: this.#options }), ...SESSION_SETTINGS }
  }
}

/** The options of a pool of such connections, each of which it notes. */
export const connectionsOf = (noted: OpenConnections): pg.PoolConfig => ({
  Client: Connection as unknown as new () => pg.ClientBase,
  ...({ noted } as object),
})

/** `sslmode` has two meanings here: `disable`, or TLS with a verified certificate. These modes become `verify-full`. */
const VERIFIED_MODES = new Set(['allow', 'prefer', 'require', 'verify-ca'])

/** The URL with explicit values for everything that the driver would otherwise take from the environment. */
function completeUrl(text: string): URL {
  const url = new URL(text)
  if (url.port === '' && !url.searchParams.has('port')) url.port = '5432'
  if (url.username === '' && !url.searchParams.has('user')) url.username = encodeURIComponent(userInfo().username)
  const mode = url.searchParams.get('sslmode')
  if (mode !== null && VERIFIED_MODES.has(mode) && url.searchParams.get('uselibpqcompat') !== 'true')
    url.searchParams.set('sslmode', 'verify-full')
  return url
}
