import { BadValue, type Kind, trimmed } from './kinds.ts'

const fields = ['hostname', 'port', 'username', 'password', 'pathname'] as const

/** A part of a URL that may also be set with its own variable. */
export interface Part {
  readonly name: string
  readonly field: (typeof fields)[number]
  readonly value: string | number | undefined
}

const queryFields = [
  ['host', 'hostname'],
  ['port', 'port'],
  ['user', 'username'],
  ['password', 'password'],
] as const

const nowhere = 'nowhere.invalid'

const otherDatabases = /^(mysql|mariadb|sqlite|oracle|mssql|cockroachdb|mongodb|foundationdb|fdb)\b/i

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new BadValue('has a % that does not begin an escape; write a literal % as %25')
  }
}

function encode(field: Part['field'], value: string | number): string {
  const text = String(value)
  if (field === 'hostname' && !text.startsWith('/')) return text.includes(':') ? `[${text}]` : text
  // The driver reads a database's name with decodeURI and everything else with decodeURIComponent.
  return field === 'pathname' ? encodeURI(text) : encodeURIComponent(text)
}

const stated = (url: URL, field: Part['field']) => decode(field === 'pathname' ? url.pathname.slice(1) : url[field])

const checkEscapes = (url: URL) => fields.forEach(field => stated(url, field))

const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']

/** What other drivers call the modes: `ssl=true`, `ssl=require` (asyncpg), `ssl=0`. */
const modeOf = (ssl: string): string =>
  ({ true: 'verify-full', '1': 'verify-full', false: 'disable', '0': 'disable' })[ssl] ?? ssl

/** Leaves one parameter about TLS, `sslmode`, with a value that has a meaning here. @throws BadValue */
function settleTls(url: URL): void {
  const { searchParams } = url
  const ssl = searchParams.get('ssl')
  if (ssl !== null && searchParams.has('sslmode')) throw new BadValue('has both ssl and sslmode: keep sslmode')
  const mode = ssl === null ? searchParams.get('sslmode') : modeOf(ssl)
  if (mode === 'no-verify')
    throw new BadValue(
      'has sslmode=no-verify, which trusts any server: use verify-full, with &sslrootcert=/path/to/ca.pem for your own authority',
    )
  if (mode !== null && !modes.includes(mode))
    throw new BadValue(
      `has an sslmode that does not exist: ${modes.join(', ')} do, and all but disable verify the server`,
    )
  if (ssl !== null) {
    searchParams.delete('ssl')
    searchParams.set('sslmode', mode as string)
  }
  // libpq's word for the authorities of the system, which are the default here.
  if (searchParams.get('sslrootcert') === 'system') searchParams.delete('sslrootcert')
  // In libpq, a + in the query is not a space.
  url.search = url.search.replaceAll('+', '%20')
}

/**
 * A PostgreSQL URL as the driver expects it: SQLAlchemy's `+driver` in the scheme is removed, and host, port, user and
 * password in the query, which libpq accepts, are moved to their usual places.
 */
export const postgresUrl: Kind<string> = trimmed(
  '`postgresql://user:password@host:port/database`, special characters percent-encoded',
  text => {
    const found = /^(\w+)(?:\+\w+)?:\/\/(.*)$/s.exec(text)
    if (!found && !otherDatabases.test(text)) throw new BadValue('is not a URL')
    const [, scheme = text, rest = ''] = found ?? []
    if (otherDatabases.test(scheme)) {
      throw new BadValue(
        'names another database, and Freehold runs on PostgreSQL only: row-level security isolates organizations; ' +
          'in development leave it out to get an embedded PostgreSQL',
      )
    }
    if (!/^postgres(ql)?$/i.test(scheme)) throw new BadValue('does not begin with postgresql://')
    // `user@/database?host=/folder` is libpq's notation for a socket, but not a valid URL without a host.
    const href = `postgresql://${rest.replace(/^([^/?#]*@)?\//, `$1${nowhere}/`)}`
    if (!URL.canParse(href)) {
      throw new BadValue('is not a valid URL; percent-encode special characters of the password (# is %23, / is %2F)')
    }
    const url = new URL(href)
    if (url.hash || url.pathname.includes('@')) {
      throw new BadValue('has a # or / before the @; percent-encode it (# is %23, / is %2F)')
    }
    for (const [key, field] of queryFields) {
      const value = url.searchParams.get(key)
      if (!value) continue
      url[field] = encode(field, value)
      if (stated(url, field) !== decode(encode(field, value))) throw new BadValue(`has a ${key} that cannot be used`)
      url.searchParams.delete(key)
      // In libpq, a + in the query is not a space.
      url.search = url.search.replaceAll('+', '%20')
    }
    if (['', nowhere].includes(url.hostname)) throw new BadValue('names no host')
    checkEscapes(url)
    settleTls(url)
    return url.href
  },
)

export const redisUrl: Kind<string> = trimmed(
  '`redis://` or `rediss://`, then `user:password@host:port/number`',
  text => {
    if (!/^rediss?:\/\/[^/]/i.test(text) || !URL.canParse(text)) {
      throw new BadValue('is not a redis:// or rediss:// URL; percent-encode special characters of the password')
    }
    const url = new URL(text)
    if (url.search || url.hash) throw new BadValue('has more than host, port and number')
    if (!/^(\/\d{0,3})?$/.test(url.pathname)) throw new BadValue('has a path that is not the number of a database')
    checkEscapes(url)
    return text
  },
)

export const smtpUrl: Kind<string> = trimmed(
  '`smtp://` or `smtps://`, then `user:password@host:port`, special characters percent-encoded',
  text => {
    if (!/^smtps?:\/\/[^/]/i.test(text) || !URL.canParse(text)) {
      throw new BadValue('is not an smtp:// or smtps:// URL; percent-encode special characters of the password')
    }
    const url = new URL(text)
    // Options in the query could turn off TLS.
    if (url.search || url.hash || url.pathname.length > 1) throw new BadValue('has more than host and port')
    checkEscapes(url)
    return url.href
  },
)

/**
 * Joins a URL with the variables for its parts, which supply what the URL does not contain. Returns a fault if both are
 * set and differ, or if the parts name no server.
 */
export function joinUrl(
  scheme: string,
  whole: { name: string; url: string | undefined },
  parts: Part[],
): { url: string | undefined; faults: string[] } {
  const given = parts.filter(part => part.value !== undefined)
  if (given.length === 0) return { url: whole.url, faults: [] }
  const host = parts.find(part => part.field === 'hostname')
  if (!whole.url && host?.value === undefined) {
    const names = given.map(part => part.name).join(', ')
    return { url: undefined, faults: [`${host?.name} is not set: without it, ${names} name no server`] }
  }
  const url = new URL(whole.url ?? `${scheme}://${encode('hostname', host?.value ?? '')}`)
  const faults = given.flatMap(({ name, field, value = '' }) => {
    const known = stated(url, field)
    const own = decode(encode(field, value))
    if (known === '') url[field] = encode(field, value)
    const isSame = known === '' || (field === 'hostname' ? known.toLowerCase() === own.toLowerCase() : known === own)
    return isSame ? [] : [`${name} and ${whole.name} say different things: keep one of them`]
  })
  return { url: url.href, faults }
}
