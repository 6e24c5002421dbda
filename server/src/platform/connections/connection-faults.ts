import type pg from 'pg'

/** A database that cannot be used; the message names the variable, the fault and its fix, never the password. */
class ConnectionError extends Error {
  override name = 'ConnectionError'
}

/** The server to connect to, and the variable that sets it. */
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

/** The reason why no connection could be opened, in one line for an operator. */
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

/** If a host has several addresses, their failures come in one error without a message: report the first one. */
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

/** Errors of the driver, the system or PostgreSQL, with an explanation of each. The first that matches is used. */
const faults: readonly { when: RegExp; words: (words: Words) => string }[] = [
  {
    when: /^(28P01|28000) .*(password|no password)/,
    words: ({ place, login }) =>
      `PostgreSQL at ${place} refuses the password of ${login}: correct the password in the URL (special characters percent-encoded), or change the login's password with alter role`,
  },
  {
    when: /^28000 .*(no encryption|SSL off)/,
    words: ({ place, login }) =>
      `PostgreSQL at ${place} takes ${login} only over TLS: add ?sslmode=verify-full to the URL`,
  },
  {
    when: /^28000 /,
    words: ({ place, login, message }) =>
      `PostgreSQL at ${place} does not let ${login} in (${message}): create the login with the SQL of \`freehold doctor --roles\`, or allow it in pg_hba.conf`,
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
      `PostgreSQL at ${place} does not offer TLS, and the sslmode of the URL requires it: turn on ssl in postgresql.conf, or remove sslmode from the URL if the network is your own`,
  },
  {
    when: /SELF_SIGNED_CERT|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|self[- ]signed certificate/,
    words: ({ place, message }) =>
      `the certificate of PostgreSQL at ${place} is not signed by an authority that this machine trusts (${message}): name the authority's certificate file with &sslrootcert=/path/to/ca.pem in the URL; every sslmode except disable verifies the certificate`,
  },
  {
    when: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
    words: ({ place, message }) =>
      `the certificate of PostgreSQL at ${place} is not valid now (${message}): renew it, or correct the clock of this machine`,
  },
  {
    when: /ERR_TLS_CERT_ALTNAME_INVALID/,
    words: ({ place, host }) =>
      `the certificate of PostgreSQL at ${place} is not for the name ${host}: use the certificate's name as the host in the URL`,
  },
  {
    when: /error establishing an SSL connection|ERR_SSL|EPROTO/,
    words: ({ place }) => `the server at ${place} does not speak PostgreSQL's TLS: correct host and port in the URL`,
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
    words: ({ host }) => `there is no PostgreSQL socket in ${host}: start PostgreSQL, or correct the folder in the URL`,
  },
  {
    when: /^(ENOENT|EACCES|EISDIR) .*open/,
    words: ({ message }) =>
      `a certificate that the URL names cannot be read (${message}): correct its path or its permissions`,
  },
  {
    when: /^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH) |timeout/,
    words: ({ place }) =>
      `no answer from ${place}: correct host and port in the URL, or allow the connection (firewall, security group)`,
  },
  {
    when: /^53300 /,
    words: ({ place }) =>
      `every connection of PostgreSQL at ${place} is in use: raise max_connections, lower DATABASE_POOL_SIZE, or put a pooler in front of it`,
  },
  {
    when: /^57P0[123] /,
    words: ({ place, message }) =>
      `PostgreSQL at ${place} accepts no connections now (${message}): start again when it does`,
  },
  {
    when: /^08P01 .*startup parameter/,
    words: ({ place, message }) =>
      `the pooler at ${place} refuses the connection (${message}): add the parameter to its ignore_startup_parameters`,
  },
  {
    when: /Connection terminated|ECONNRESET|EPIPE/,
    words: ({ place }) =>
      `the server at ${place} closes the connection at once: correct host and port in the URL, and check the log of PostgreSQL or its pooler`,
  },
]
