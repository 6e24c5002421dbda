import { openId } from '../../platform/crypto/sealing.ts'

/**
 * The device's token where a browser keeps it. It signs no one in: it names a counter of failures, and at most stands for
 * the second factor. Lax, so that it comes along when a provider sends the browser back.
 */
const NAME = '__Host-device'
/** Renewed at each sign-in; the device is removed when it has not been seen for as long. Seconds. */
const MAX_AGE = 365 * 86400

/** A whole Set-Cookie field; the token is base64url. */
export const writeDeviceCookie = (token: string): string =>
  `${NAME}=${token}; Path=/; Max-Age=${MAX_AGE}; HttpOnly; Secure; SameSite=Lax`

/** The id of the device that the request names, in its body or else in the cookie; undefined when we did not make it. */
export function readDevice(key: Buffer, cookies: string | undefined, given: string | undefined): string | undefined {
  const token = given ?? /(?:^|;)\s*__Host-device=([\w-]+)\s*(?:;|$)/.exec(cookies ?? '')?.[1]
  return token === undefined ? undefined : openId(key, 'device', token)
}
