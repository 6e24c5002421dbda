import { BadValue, boolean, isLoopback, type Kind, line, origins, readJson, secret, trimmed } from './kinds.ts'
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
  /** Includes Google. */
  oidc: readonly OidcProvider[]
  github: (Client & { url: string; apiUrl: string }) | undefined
  autoLink: boolean
  /** The origins to which a sign-in may redirect. */
  redirectOrigins: readonly string[]
}

/** The origins to which a sign-in redirects the browser, as far as they are known without asking a provider. */
export const providerOriginsOf = ({ oidc, github }: SocialConfig): string[] => [
  ...new Set([...oidc.map(({ issuer }) => issuer), ...(github ? [github.url] : [])].map(url => new URL(url).origin)),
]

/** Codes, tokens and secrets are sent there, so it must use https unless it is this machine. */
function readSafeUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isHere = url?.protocol === 'http:' && isLoopback(url.hostname)
  if (url === undefined || (url.protocol !== 'https:' && !isHere)) throw new BadValue('does not begin with https://')
  if (url.username || url.password || /[?#\s]/.test(text)) throw new BadValue('has more than host, port and path')
  return url
}

/** Kept exactly as given, because it is compared with the issuer in the provider's metadata. */
const issuer: Kind<string> = trimmed('an `https://` URL, as the provider writes it, without `/.well-known/…`', text => {
  if (readSafeUrl(text).pathname.includes('/.well-known/')) throw new BadValue('is no issuer')
  return text
})

const server: Kind<string> = trimmed('an `https://` URL', text => readSafeUrl(text).href.replace(/\/+$/, ''))

const redirectOrigins: Kind<readonly string[]> = {
  accepts: `${origins.accepts}; https, unless on this machine`,
  read: text => origins.read(text).map(origin => readSafeUrl(origin).origin),
}

/** Names that providers cannot have, because `sessions.methods` contains them and the names of providers. */
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
  if (fields.size > 4) throw new BadValue(`entry ${index + 1} has unknown fields`)
  // The name is part of the callback's path.
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

/** The variables of sign-in with a provider. */
export const socialVariables = {
  GOOGLE_CLIENT_ID: { begins: 'Social sign-in', kind: line, about: 'Sign-in with Google.' },
  GOOGLE_CLIENT_SECRET: { kind: secret, secret: true, about: 'Set both or neither.' },
  GOOGLE_ISSUER: {
    kind: issuer,
    default: 'https://accounts.google.com',
    about: "Google's issuer; another value is only for tests with a simulated Google.",
  },
  GITHUB_CLIENT_ID: { kind: line, about: 'Sign-in with GitHub.' },
  GITHUB_CLIENT_SECRET: { kind: secret, secret: true, about: 'Set both or neither.' },
  GITHUB_URL: { kind: server, default: 'https://github.com', about: 'GitHub, or a GitHub Enterprise Server.' },
  GITHUB_API_URL: {
    kind: server,
    otherwise: '`https://api.github.com`, or `GITHUB_URL/api/v3` of a GitHub Enterprise Server',
    about: 'The URL of its API.',
  },
  OIDC_PROVIDERS: {
    kind: oidcProviders,
    default: '[]',
    secret: true,
    about: 'Sign-in with any other OpenID Connect provider; see docs/guides/social-sign-in.md.',
  },
  SOCIAL_REDIRECTS: {
    kind: redirectOrigins,
    default: '[]',
    about: 'The origins to which a sign-in may redirect, besides that of `FRONTEND_URL`.',
  },
  SOCIAL_AUTO_LINK: {
    kind: boolean,
    default: 'true',
    about:
      'Whether a sign-in with a provider that has verified an email address signs in to the account that has verified ' +
      'the same address. If not, users must first sign in, then link the provider.',
  },
} as const satisfies Record<string, Variable>

const GITHUB = socialVariables.GITHUB_URL.default

/** The configuration from these variables; a client is set if its id and secret are. */
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
