import { createHash, randomBytes } from 'node:crypto'

/**
 * Binds a flow to the browser that began it, so that no other browser can finish it, not even tricked by an attacker.
 */
export interface BrowserCookie {
  /** The browser's secret, if its cookie has the right form. */
  read(cookies: string | undefined): string | undefined
  /** A complete Set-Cookie value; the browser keeps the secret for that many seconds. */
  write(secret: string, seconds: number): string
}

/**
 * Bound to this host if the service is reached by https. By http, which is local development, some browsers reject a
 * secure cookie, so the name has no prefix. Lax, so that it is sent when a provider redirects the browser back.
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

/** The stored digest of a secret: SHA-256, base64url, as in PKCE (RFC 7636, section 4.2). */
export const digest = (secret: string): string => createHash('sha256').update(secret).digest('base64url')
