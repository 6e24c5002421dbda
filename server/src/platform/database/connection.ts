import { userInfo } from 'node:os'
import pg from 'pg'

/**
 * What every session works with, whatever the server, the database or the login sets. These three are the ones that
 * poolers know and keep apart; the others that matter are compared at the start (session-settings.ts).
 */
const SESSION_SETTINGS = { DateStyle: 'ISO, MDY', TimeZone: 'UTC', standard_conforming_strings: 'on' }

/** What the driver keeps of a connection's parameters; its types leave it out. */
interface Kept {
  password: string
  connectionParameters: { password: string }
}

const startup = pg.Client.prototype as unknown as { getStartupConf(this: pg.Client): Record<string, string> }

/**
 * A connection that its URL alone describes: what the URL leaves open is PostgreSQL's default, never a variable that libpq
 * would read (PGSSLMODE, PGOPTIONS, PGPASSWORD …) nor a password file. Extends the driver's client at one seam, the
 * parameters of the start; its version is pinned, and connection.test.ts stands guard.
 */
export class Connection extends pg.Client {
  readonly #options: string | undefined

  constructor(config: pg.ClientConfig & { connectionString: string }) {
    const url = completeUrl(config.connectionString)
    super({ ssl: false, sslnegotiation: 'postgres', client_encoding: 'UTF8', ...config, connectionString: url.href })
    this.#options = url.searchParams.get('options') ?? config.options
    if (url.password !== '') return
    // Not null, which would look into a password file, nor undefined, which would ask the environment.
    const kept = this as unknown as Kept
    kept.password = kept.connectionParameters.password = ''
  }

  getStartupConf(): Record<string, string> {
    const { options: _fromEnvironment, replication: _neither, ...parameters } = startup.getStartupConf.call(this)
    return { ...parameters, ...(this.#options && { options: this.#options }), ...SESSION_SETTINGS }
  }
}

/** The class, as the types of the driver's pool want it. */
export const poolClient = Connection as unknown as new () => pg.ClientBase

/** `sslmode` has two meanings here: `disable`, and TLS with a certificate that is verified; the driver says so itself only later. */
const VERIFIED_MODES = new Set(['allow', 'prefer', 'require', 'verify-ca'])

/** The URL with what would otherwise be taken from elsewhere. */
function completeUrl(text: string): URL {
  const url = new URL(text)
  if (url.port === '' && !url.searchParams.has('port')) url.port = '5432'
  if (url.username === '' && !url.searchParams.has('user')) url.username = encodeURIComponent(userInfo().username)
  const mode = url.searchParams.get('sslmode')
  if (mode !== null && VERIFIED_MODES.has(mode) && url.searchParams.get('uselibpqcompat') !== 'true')
    url.searchParams.set('sslmode', 'verify-full')
  return url
}
