import { BadValue, boolean, isLoopback, type Kind, line, origins, readJson, secret } from './kinds.ts'
import type { Variable } from './kinds.ts'
import type { Reading } from './sources.ts'

interface Client {
  clientId: string
  clientSecret: string
}

export interface OidcProvider extends Client {
  name: string
  issuer: string
}

export interface SocialConfig {
  /** Google among them. */
  oidc: readonly OidcProvider[]
  github: (Client & { url: string; apiUrl: string }) | undefined
  autoLink: boolean
  /** The origins that a sign-in may lead back to. */
  redirectOrigins: readonly string[]
}

/** Where browsers are led to when they sign in, as far as it is known before a provider is asked. */
export const providerOriginsOf = ({ oidc, github }: SocialConfig): string[] => [
  ...new Set([...oidc.map(({ issuer }) => issuer), ...(github ? [github.url] : [])].map(url => new URL(url).origin)),
]

/** Codes, tokens and secrets travel there: never in the clear, except within this machine. */
function readSafeUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isHere = url?.protocol === 'http:' && isLoopback(url.hostname)
  if (url === undefined || (url.protocol !== 'https:' && !isHere)) throw new BadValue('does not begin with https://')
  if (url.username || url.password || /[?#\s]/.test(text)) throw new BadValue('holds more than host, port and path')
  return url
}

/** Kept as it is written: it is compared with what the provider says of itself. */
const issuer: Kind<string> = {
  accepts: 'an `https://` URL, as the provider writes it, without `/.well-known/…`',
  read: text => {
    if (readSafeUrl(text.trim()).pathname.includes('/.well-known/')) throw new BadValue('is no issuer')
    return text.trim()
  },
}

const server: Kind<string> = {
  accepts: 'an `https://` URL',
  read: text => readSafeUrl(text.trim()).href.replace(/\/+$/, ''),
}

const redirectOrigins: Kind<readonly string[]> = {
  accepts: `${origins.accepts}; https, unless on this machine`,
  read: text => origins.read(text).map(origin => readSafeUrl(origin).origin),
}

/** A session says by which name it was opened, so no provider may bear the name of a factor. */
const taken = ['google', 'github', 'password', 'passkey', 'totp']

const oidcProviders: Kind<readonly OidcProvider[]> = {
  accepts: 'a JSON list of `{"name", "issuer", "client_id", "client_secret"}`',
  read: text => {
    const entries = readJson(text)
    if (!Array.isArray(entries)) throw new BadValue('is not a list')
    const providers = entries.map(readProvider)
    if (new Set(providers.map(provider => provider.name)).size < providers.length) {
      throw new BadValue('uses one name twice')
    }
    return providers
  },
}

function readProvider(entry: unknown, index: number): OidcProvider {
  const fields = new Map(entry && typeof entry === 'object' ? Object.entries(entry) : [])
  const get = (field: string): string => {
    const value: unknown = fields.get(field)
    if (typeof value !== 'string' || value === '') throw new BadValue(`entry ${index + 1} has no ${field}`)
    return value
  }
  const provider = {
    name: get('name'),
    issuer: get('issuer'),
    clientId: get('client_id'),
    clientSecret: get('client_secret'),
  }
  if (fields.size > 4) throw new BadValue(`entry ${index + 1} has fields that mean nothing here`)
  // The name stands in the callback's path.
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(provider.name) || taken.includes(provider.name)) {
    throw new BadValue(`entry ${index + 1} needs a name of lower-case letters, digits and -, not ${taken.join(' or ')}`)
  }
  try {
    return { ...provider, issuer: issuer.read(provider.issuer) }
  } catch (error) {
    throw error instanceof BadValue
      ? new BadValue(`entry ${index + 1} needs an issuer that is ${issuer.accepts}`)
      : error
  }
}

/** The variables of signing in with an account elsewhere. */
export const socialVariables = {
  GOOGLE_CLIENT_ID: { begins: 'Social sign-in', kind: line, about: 'Sign-in with Google.' },
  GOOGLE_CLIENT_SECRET: { kind: secret(), secret: true, about: 'Both are given or neither.' },
  GOOGLE_ISSUER: {
    kind: issuer,
    default: 'https://accounts.google.com',
    about: 'Who Google is; another address is for a look-alike in tests.',
  },
  GITHUB_CLIENT_ID: { kind: line, about: 'Sign-in with GitHub.' },
  GITHUB_CLIENT_SECRET: { kind: secret(), secret: true, about: 'Both are given or neither.' },
  GITHUB_URL: { kind: server, default: 'https://github.com', about: 'GitHub, or a GitHub Enterprise Server.' },
  GITHUB_API_URL: {
    kind: server,
    otherwise: '`https://api.github.com`, or `GITHUB_URL/api/v3` of a GitHub Enterprise Server',
    about: 'Where its API is.',
  },
  OIDC_PROVIDERS: {
    kind: oidcProviders,
    default: '[]',
    secret: true,
    about: 'Sign-in with any other OpenID Connect provider; docs/guides/social-sign-in.md says how.',
  },
  SOCIAL_REDIRECTS: {
    kind: redirectOrigins,
    default: '[]',
    about: 'Where a sign-in may lead back to, besides the origin of `FRONTEND_URL`.',
  },
  SOCIAL_AUTO_LINK: {
    kind: boolean,
    default: 'true',
    about:
      'Whether whoever proves an e-mail address by a provider signs in to the account that has proved the same ' +
      'address. Without it they sign in first, then link the provider.',
  },
} as const satisfies Record<string, Variable>

const GITHUB = socialVariables.GITHUB_URL.default

/** The part of the configuration that these variables make; a client is there when its id and secret are. */
export function readSocial(values: Reading['values']): SocialConfig {
  const client = (clientId: string | undefined, clientSecret: string | undefined): Client | undefined =>
    clientId === undefined || clientSecret === undefined ? undefined : { clientId, clientSecret }
  const google = client(values.GOOGLE_CLIENT_ID, values.GOOGLE_CLIENT_SECRET)
  const github = client(values.GITHUB_CLIENT_ID, values.GITHUB_CLIENT_SECRET)
  const { GITHUB_URL: url, FRONTEND_URL } = values
  const apiUrl = values.GITHUB_API_URL ?? (url === GITHUB ? 'https://api.github.com' : `${url}/api/v3`)
  return {
    oidc: [...(google ? [{ name: 'google', issuer: values.GOOGLE_ISSUER, ...google }] : []), ...values.OIDC_PROVIDERS],
    github: github && { ...github, url, apiUrl },
    autoLink: values.SOCIAL_AUTO_LINK,
    redirectOrigins: [...(FRONTEND_URL ? [new URL(FRONTEND_URL).origin] : []), ...values.SOCIAL_REDIRECTS],
  }
}
