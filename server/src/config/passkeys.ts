import { BadValue, isLoopback, type Kind, readList, readOrigin, trimmed } from './kinds.ts'
import type { Reading } from './sources.ts'

/** WebAuthn's relying party: the domain of passkeys, and the origins whose pages may use them. */
export interface RelyingParty {
  rpId: string
  origins: readonly string[]
}

const isAddress = (hostname: string) => /^\[|^\d+(\.\d+){3}$/.test(hostname)

/** The id of a relying party must be a domain, not an IP address. */
export const rpId: Kind<string> = trimmed(
  'a domain name such as `example.com`, or `localhost`; no scheme, port or IP address',
  text => {
    const name = text.toLowerCase()
    if (!/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(name) || !URL.canParse(`https://${name}`)) {
      throw new BadValue('is not a domain name')
    }
    if (isAddress(new URL(`https://${name}`).hostname)) throw new BadValue('is an IP address')
    return name
  },
)

/** Android apps have no web origin; the hash of their certificate is used instead. */
const appOrigin = /^android:apk-key-hash:[\w-]{43}$/

export const passkeyOrigins: Kind<readonly string[]> = trimmed(
  'a comma list or a JSON list of `https://` origins, `http://localhost:…`, `android:apk-key-hash:…`',
  text =>
    readList(text, entry => {
      if (appOrigin.test(entry)) return entry
      const origin = readOrigin(entry)
      if (!isSecure(origin)) throw new BadValue('is not https, which browsers require for passkeys')
      return origin
    }),
)

const isSecure = (origin: string) => origin.startsWith('https:') || isLoopback(new URL(origin).hostname)

const isWithin = (origin: string, domain: string) => `.${new URL(origin).hostname}`.endsWith(`.${domain}`)

/** The relying party that the configuration sets or implies; undefined if browsers would not accept it. */
export function readRelyingParty({ values }: Reading, publicUrl: string): RelyingParty | undefined {
  const pages = [values.FRONTEND_URL, publicUrl].filter(url => url !== undefined).map(url => new URL(url))
  const domain = values.PASSKEY_RP_ID ?? pages[0]?.hostname ?? ''
  if (isAddress(domain)) return undefined
  const own = pages.map(({ origin }) => origin).filter(origin => isSecure(origin) && isWithin(origin, domain))
  // Origins outside the domain are allowed: it may list them in /.well-known/webauthn (related origins).
  const origins = values.PASSKEY_ORIGINS ?? [...new Set(own)]
  return origins.length === 0 ? undefined : { rpId: domain, origins }
}

/** The warning if there is none. */
export const doubtAboutPasskeys = (party: RelyingParty | undefined): string[] =>
  party === undefined
    ? [
        'passkeys are off: browsers require a domain name and https, or localhost. Set PUBLIC_URL or FRONTEND_URL to ' +
          'such a URL, or set PASSKEY_RP_ID and PASSKEY_ORIGINS',
      ]
    : []
