import { openId } from '../../platform/crypto/sealing.ts'

/**
 * The cookie that holds the device token. It signs no one in: it names a failure counter, and for a trusted device it
 * can replace the second factor. Lax, so that it is sent when a provider redirects the browser back.
 */
const NAME = '__Host-device'
/** In seconds; renewed at each sign-in. A device that was not seen for this long is deleted. */
const MAX_AGE = 365 * 86400

/** A complete Set-Cookie value; the token is base64url. */
export const writeDeviceCookie = (token: string): string =>
  `${NAME}=${token}; Path=/; Max-Age=${MAX_AGE}; HttpOnly; Secure; SameSite=Lax`

/** The id of the device from the body or else the cookie; undefined if the token is not valid. */
export function readDevice(key: Buffer, cookies: string | undefined, given: string | undefined): string | undefined {
  const token = given ?? /(?:^|;)\s*__Host-device=([\w-]+)\s*(?:;|$)/.exec(cookies ?? '')?.[1]
  return token === undefined ? undefined : openId(key, 'device', token)
}
