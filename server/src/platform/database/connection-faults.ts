import type pg from 'pg'

/** A database that cannot be used; the message names the variable, what is wrong and what mends it, never the password. */
class ConnectionError extends Error {
  override name = 'ConnectionError'
}

/** Where a connection was to lead, and which variable says so. */
export interface Target {
  /** Such as DATABASE_TENANT_URL, or `the embedded PostgreSQL`. */
  variable: string
  url: string
}

/** Opens one connection of the pool. @throws ConnectionError */
export async function checkConnection(pool: pg.Pool, target: Target): Promise<void> {
  try {
    const client = await pool.connect()
    client.release()
  } catch (error) {
    throw new ConnectionError(describeConnectionFault(error, target), { cause: error })
  }
}

/** Why no connection could be opened, in one line for an operator. */
export function describeConnectionFault(error: unknown, { variable, url }: Target): string {
  const { hostname, port, username, pathname } = new URL(url)
  const host = decodeURIComponent(hostname)
  const place = `${host}:${port === '' ? 5432 : port}`
  const login = JSON.stringify(decodeURIComponent(username))
  const database = JSON.stringify(decodeURI(pathname.slice(1)))
  const fault = faultOf(error)
  const known = faults.find(({ when }) => when.test(`${fault.code ?? ''} ${fault.message}`))
  const words = known?.words({ place, host, login, database, message: fault.message }) ?? `${place}: ${fault.message}`
  return `${variable}: ${words}`
}

/** Several addresses of one host fail together, in an error without a message of its own: the first one stands for all. */
function faultOf(error: unknown): { code?: string; message: string } {
  if (error instanceof AggregateError) return faultOf(error.errors[0])
  if (!(error instanceof Error)) return { message: String(error) }
  const { code, message } = error as NodeJS.ErrnoException
  return { message, ...(code !== undefined && { code }) }
}

interface Words {
  place: string
  host: string
  login: string
  database: string
  message: string
}

/** What the driver, the system or PostgreSQL says, and what it means. The first that fits counts. */
const faults: readonly { when: RegExp; words: (words: Words) => string }[] = [
  {
    when: /^(28P01|28000) .*(password|no password)/,
    words: ({ place, login }) =>
      `PostgreSQL at ${place} refuses the password of ${login}: correct the password in the URL (special characters percent-encoded), or set that one with alter role`,
  },
  {
    when: /^28000 .*(no encryption|SSL off)/,
    words: ({ place, login }) =>
      `PostgreSQL at ${place} takes ${login} only over TLS: add ?sslmode=verify-full to the URL`,
  },
  {
    when: /^28000 /,
    words: ({ place, login, message }) =>
      `PostgreSQL at ${place} does not let ${login} in (${message}): create the login with the SQL of \`freehold doctor --roles\`, or let it in by pg_hba.conf`,
  },
  {
    when: /^3D000 /,
    words: ({ place, database }) =>
      `there is no database ${database} at ${place}: create it (create database …), or correct the name in the URL`,
  },
  {
    when: /^42501 /,
    words: ({ place, login, database }) =>
      `${login} may not connect to database ${database} at ${place}: run the SQL of \`freehold doctor --roles\``,
  },
  {
    when: /does not support SSL connections/,
    words: ({ place }) =>
      `PostgreSQL at ${place} does not offer TLS, and the sslmode of the URL asks for it: turn on ssl in postgresql.conf, or take sslmode out of the URL where the way there is your own`,
  },
  {
    when: /SELF_SIGNED_CERT|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|self[- ]signed certificate/,
    words: ({ place, message }) =>
      `the certificate of PostgreSQL at ${place} is signed by none that this machine trusts (${message}): name the file of its authority with &sslrootcert=/path/to/ca.pem in the URL; every sslmode but disable verifies the certificate`,
  },
  {
    when: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
    words: ({ place, message }) =>
      `the certificate of PostgreSQL at ${place} is not valid now (${message}): renew it, or set the clock of this machine`,
  },
  {
    when: /ERR_TLS_CERT_ALTNAME_INVALID/,
    words: ({ place, host }) =>
      `the certificate of PostgreSQL at ${place} is for another name than ${host}: write the name of the certificate into the URL`,
  },
  {
    when: /error establishing an SSL connection|ERR_SSL|EPROTO/,
    words: ({ place }) => `what answers at ${place} does not speak PostgreSQL's TLS: correct host and port in the URL`,
  },
  {
    when: /^(ECONNREFUSED) /,
    words: ({ place }) => `nothing answers at ${place}: start PostgreSQL there, or correct host and port in the URL`,
  },
  {
    when: /^(ENOTFOUND|EAI_AGAIN) /,
    words: ({ host }) => `no address is known for the host ${host}: correct the host in the URL, or the name server`,
  },
  {
    when: /^ENOENT .*(connect)/,
    words: ({ host }) => `there is no socket of PostgreSQL in ${host}: start it, or correct the folder in the URL`,
  },
  {
    when: /^(ENOENT|EACCES|EISDIR) .*open/,
    words: ({ message }) =>
      `a certificate that the URL names cannot be read (${message}): correct its path or its permissions`,
  },
  {
    when: /^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH) |timeout/,
    words: ({ place }) =>
      `no answer from ${place}: correct host and port in the URL, or open the way there (firewall, security group)`,
  },
  {
    when: /^53300 /,
    words: ({ place }) =>
      `every connection of PostgreSQL at ${place} is taken: raise max_connections, lower DATABASE_POOL_SIZE, or put a pooler before it`,
  },
  {
    when: /^57P0[123] /,
    words: ({ place, message }) =>
      `PostgreSQL at ${place} takes no connections now (${message}): start again when it does`,
  },
  {
    when: /^08P01 .*startup parameter/,
    words: ({ place, message }) =>
      `the pooler at ${place} refuses the connection (${message}): add the parameter to its ignore_startup_parameters`,
  },
  {
    when: /Connection terminated|ECONNRESET|EPIPE/,
    words: ({ place }) =>
      `what answers at ${place} ends the connection at once: correct host and port in the URL, and look into the log of PostgreSQL or its pooler`,
  },
]
