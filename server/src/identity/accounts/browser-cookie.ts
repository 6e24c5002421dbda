import { createHash, randomBytes } from 'node:crypto'

/** Ties what a browser begins to what it ends: no other browser can end it, and none can be made to end what another began. */
export interface BrowserCookie {
  /** The browser's secret, if it has one that we could have made. */
  read(cookies: string | undefined): string | undefined
  /** A whole Set-Cookie field: the browser keeps the secret for so many seconds. */
  write(secret: string, seconds: number): string
}

/**
 * Bound to this host where the service is reached by https. By http, which is this machine in development, not every
 * browser takes a secure cookie, so the name is bare. Lax: it comes along when a provider sends the browser back.
 */
export function createBrowserCookie(publicUrl: string): BrowserCookie {
  const [name, secure] = publicUrl.startsWith('https:') ? ['__Host-browser', ' Secure;'] : ['browser', '']
  const pattern = new RegExp(`(?:^|;)\\s*${name}=([\\w-]{43})\\s*(?:;|$)`)
  return {
    read: cookies => pattern.exec(cookies ?? '')?.[1],
    write: (secret, seconds) => `${name}=${secret}; Path=/; Max-Age=${seconds}; HttpOnly;${secure} SameSite=Lax`,
  }
}

/** 256 random bits. */
export const newBrowserSecret = (): string => randomBytes(32).toString('base64url')

/** What is kept of a secret: SHA-256, base64url, as PKCE writes it too (RFC 7636, section 4.2). */
export const digest = (secret: string): string => createHash('sha256').update(secret).digest('base64url')
