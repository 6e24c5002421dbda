import { isIP } from 'node:net'

/** The fault of a value; the message never contains a secret. */
export class BadValue extends Error {
  override name = 'BadValue'
}

/** How one kind of variable is read. `accepts` completes "accepted: …" in faults and in the reference. */
export interface Kind<T> {
  readonly accepts: string
  /** @throws BadValue */
  readonly read: (text: string) => T
}

/** The declaration of a variable, from which the loader, the reference page and .env.example are generated. */
export interface Variable {
  /** The title of the group that begins with this variable. */
  readonly begins?: string
  readonly kind: Kind<unknown>
  /** Other names for the same variable; with their own kind if the unit differs. */
  readonly aliases?: readonly (string | { readonly name: string; readonly kind: Kind<unknown> })[]
  /** The default, as text; `deployedDefault` replaces it in staging and production. */
  readonly default?: string
  readonly deployedDefault?: string
  /** Describes what happens without the variable, if there is no fixed default. */
  readonly otherwise?: string
  readonly about: string
  /** Never shown, and may be set with NAME_FILE. */
  readonly secret?: true
  /** The reason why the variable is accepted but has no effect. */
  readonly ignored?: string
  /** The feature that reads it arrives with a later version. */
  readonly later?: true
}

const trueWords = ['true', '1', 'yes', 'on']
const falseWords = ['false', '0', 'no', 'off']

// Only values that are not secrets are shown; but a value with an @ may contain a password.
const shown = (value: string) => (value.includes('@') ? 'the value' : JSON.stringify(value.slice(0, 60)))

/** A kind that ignores spaces around the text. */
export const trimmed = <T>(accepts: string, read: (text: string) => T): Kind<T> => ({
  accepts,
  read: text => read(text.trim()),
})

const isHostname = (text: string) =>
  isIP(text) === 6 ? URL.canParse(`http://[${text}]`) : /^[\w.-]+$/.test(text) && URL.canParse(`http://${text}`)

const isEmail = (text: string) => /^[^\s@<>"]+@[^\s@<>"]+$/.test(text)

/** Whether a host name, in the notation of `URL.hostname`, always means this machine. */
export const isLoopback = (hostname: string) => /^(localhost|.+\.localhost|127(\.\d+){3}|\[?::1\]?)$/.test(hostname)

export const line: Kind<string> = trimmed('one line of at most 200 characters', text => {
  if (text.length > 200 || /\p{Cc}/u.test(text)) throw new BadValue('is too long or has a control character')
  return text
})

export const path: Kind<string> = trimmed('a path, absolute or from the working directory', text => {
  if (text.includes('\0')) throw new BadValue('has a zero byte')
  return text
})

/** The embedded PostgreSQL to use. */
export const programs: Kind<string> = {
  ...path,
  accepts: '`system`, `bundled` (the one that npm installs), or the folder of `postgres` and `initdb`',
}

/** Read without trimming, because a password may begin with a space. */
export const secret: Kind<string> = { accepts: 'any text', read: text => text }

/** A secret that clients send as a bearer token, so it has only characters that a header field can carry. */
export const bearerToken = (minimum: number): Kind<string> =>
  trimmed(`at least ${minimum} characters of ASCII, without spaces`, text => {
    if (text.length < minimum) throw new BadValue(`has ${text.length} characters`)
    if (!/^[\x21-\x7e]+$/.test(text)) throw new BadValue('has a space or a character outside ASCII')
    return text
  })

export const boolean: Kind<boolean> = trimmed('`true` or `false`', text => {
  if (trueWords.includes(text.toLowerCase())) return true
  if (falseWords.includes(text.toLowerCase())) return false
  throw new BadValue(`${shown(text)} is neither true nor false`)
})

/** For names that other programs use too: a value that does not mean true is not for us. */
export const sharedFlag: Kind<boolean> = trimmed('`true`; other values are ignored', text =>
  trueWords.includes(text.toLowerCase()),
)

/** For variables without effect: any value is accepted, and only `false` causes no warning. */
export const ignoredFlag: Kind<boolean> = trimmed('anything', text => !falseWords.includes(text.toLowerCase()))

/** A whole number; `factor` converts the unit of the variable into the unit of the configuration. */
export const integer = (minimum: number, maximum: number, factor = 1): Kind<number> =>
  trimmed(`a whole number from ${minimum} to ${maximum}`, text => {
    if (!/^\d+$/.test(text)) throw new BadValue(`${shown(text)} is not a whole number`)
    if (Number(text) < minimum || Number(text) > maximum) throw new BadValue(`${shown(text)} is out of range`)
    return Number(text) * factor
  })

/** One of a few words, in any case. */
export const choice = <const Word extends string>(words: readonly Word[], synonyms: Record<string, Word> = {}) =>
  trimmed(words.map(word => `\`${word}\``).join(', '), (text): Word => {
    const word = words.find(candidate => candidate.toLowerCase() === text.toLowerCase()) ?? synonyms[text.toLowerCase()]
    if (!word) throw new BadValue(`${shown(text)} is not one of them`)
    return word
  })

export const email: Kind<string> = trimmed('an email address', text => {
  if (!isEmail(text)) throw new BadValue('is not an email address')
  return text
})

export const sender: Kind<string> = trimmed('an email address, or `Name <address>`', text => {
  if (/\p{Cc}/u.test(text) || !isEmail(/^[^<>]*<(.*)>$/.exec(text)?.[1] ?? text)) {
    throw new BadValue('is not an email address')
  }
  return text
})

export const hostname: Kind<string> = trimmed('a host name or an IP address', text => {
  if (!isHostname(text)) throw new BadValue(`${shown(text)} is neither a host name nor an IP address`)
  return text
})

export const databaseHost: Kind<string> = trimmed('a host name, an IP address or the folder of a Unix socket', text =>
  text.startsWith('/') ? text : hostname.read(text),
)

export const databaseName: Kind<string> = trimmed('a name without `?` and `#`', text => {
  // The driver decodes the database's name with decodeURI, which does not decode these two.
  if (/[?#]/.test(text)) throw new BadValue('has ? or #')
  return text
})

export const schemaName: Kind<string> = trimmed(
  'lower-case letters, digits and `_`, at most 63, not beginning with a digit or `pg_`',
  text => {
    if (!/^(?!pg_|information_schema$)[a-z_][a-z0-9_]{0,62}$/.test(text)) {
      throw new BadValue(`${shown(text)} cannot name a schema`)
    }
    return text
  },
)

function parseUrl(text: string, schemes: readonly string[]): URL {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (!scheme || !schemes.includes(scheme)) throw new BadValue(`does not begin with ${schemes.join(':// or ')}://`)
  if (!URL.canParse(text)) throw new BadValue('is not a valid URL')
  return new URL(text)
}

export const url = (...schemes: string[]): Kind<string> =>
  trimmed(`a URL that begins with ${schemes.map(scheme => `\`${scheme}://\``).join(' or ')}`, text => {
    parseUrl(text, schemes)
    return text
  })

function readPage(text: string): URL {
  const page = parseUrl(text, ['https', 'http'])
  if (page.username || page.password) throw new BadValue('has a user name or password')
  if (/[?#]/.test(text)) throw new BadValue('has a query or fragment')
  if (page.hostname.includes('*')) throw new BadValue('has a wildcard')
  return page
}

export function readOrigin(text: string): string {
  const page = readPage(text)
  if (page.pathname !== '/') throw new BadValue('has a path')
  return page.origin
}

export const origin: Kind<string> = trimmed(
  '`http://` or `https://`, host and port, without a path; https outside development, unless on this machine',
  readOrigin,
)

export const page: Kind<string> = trimmed('an `http://` or `https://` URL without query and fragment', text =>
  readPage(text).href.replace(/\/+$/, ''),
)

export function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new BadValue('is not valid JSON')
  }
}

export function readList<T>(text: string, readEntry: (entry: string) => T): T[] {
  const entries = text.startsWith('[') ? readJson(text) : text.split(',')
  if (!Array.isArray(entries) || !entries.every(entry => typeof entry === 'string')) {
    throw new BadValue('is not a list of texts')
  }
  const readNamed = (entry: string) => {
    try {
      return readEntry(entry)
    } catch (error) {
      if (error instanceof BadValue) throw new BadValue(`${shown(entry)} ${error.message}`)
      throw error
    }
  }
  return [
    ...new Set(
      entries
        .map(entry => entry.trim())
        .filter(Boolean)
        .map(readNamed),
    ),
  ]
}

export const corsOrigins: Kind<readonly string[] | 'localhost'> = trimmed(
  'a comma list or a JSON list of origins such as `https://app.example.com` (no wildcards), or the word `localhost`',
  text => (text === 'localhost' ? text : readList(text, readOrigin)),
)

/** A list of origins, in the notation of browsers. */
export const origins: Kind<readonly string[]> = trimmed(
  'a comma list or a JSON list of origins such as `https://app.example.com`',
  text => readList(text, readOrigin),
)

/** A list of header field names, in lower case. */
export const fieldNames: Kind<readonly string[]> = trimmed(
  'a comma list or a JSON list of header field names such as `X-Correlation-ID`',
  text =>
    readList(text, entry => {
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(entry) || entry === '*') throw new BadValue('is not the name of a header field')
      return entry.toLowerCase()
    }),
)

export const networks: Kind<readonly string[]> = trimmed(
  'a comma list or a JSON list of IP addresses and networks such as `10.0.0.0/8`',
  text =>
    readList(text, entry => {
      const [address = '', bits, ...rest] = entry.split('/')
      const widest = isIP(address) === 4 ? 32 : 128
      const isNetwork = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= widest)
      if (isIP(address) === 0 || address.includes('%') || !isNetwork || rest.length > 0) {
        throw new BadValue('is neither an IP address nor a network')
      }
      // Every client could then choose the address that limits and the audit log use.
      if (bits !== undefined && Number(bits) === 0) throw new BadValue('would trust every client')
      return entry
    }),
)
