import { ClientError } from 'openid-client'
import { NAME_LENGTH } from '../../platform/schemas.ts'
import { readLine } from '../../platform/texts.ts'
import { isEmail } from '../../platform/validator.ts'

/** A user at a provider: identified by issuer and subject; everything else is only what the provider states. */
export interface Profile {
  issuer: string
  subject: string
  /** Undefined if there is none, or it is not valid for an account. */
  email: string | undefined
  /** Whether the provider states that the address is verified. */
  email_verified: boolean
  given_name: string | undefined
  family_name: string | undefined
  full_name: string | undefined
}

/** Whether a claim has a value; some providers send null or an empty text for what they do not know. */
export const isStated = (value: unknown): boolean =>
  value !== undefined && value !== null && (typeof value !== 'string' || value.trim() !== '')

/**
 * The claims of an ID token, and from the userinfo endpoint what the ID token does not state. A statement that an address
 * is verified counts only for the address that it comes with.
 */
export function mergeClaims(
  token: Readonly<Record<string, unknown>>,
  userinfo: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const stated = (claims: object) => Object.fromEntries(Object.entries(claims).filter(([, value]) => isStated(value)))
  const [first, second] = [stated(token), stated(userinfo)]
  const isOther =
    'email' in first && 'email' in second && plainAddress(first['email']) !== plainAddress(second['email'])
  if (isOther) delete second['email_verified']
  return { ...second, ...first }
}

const plainAddress = (value: unknown): string | undefined =>
  typeof value === 'string' ? value.trim().toLowerCase() : undefined

/** Claims of OpenID Connect (Core, section 5.1), with any values. @throws ClientError when they identify no user */
export function readProfile({
  issuer,
  subject,
  ...claims
}: { issuer: string; subject: string } & Record<string, unknown>): Profile {
  if (subject.length === 0 || subject.length > 255 || /\p{Cc}/u.test(subject))
    throw new ClientError('the subject is none')
  const email = plainAddress(claims['email'])
  const { email_verified } = claims
  return {
    issuer,
    subject,
    email: email !== undefined && isEmail(email) ? email : undefined,
    // Some providers send it as text.
    email_verified:
      email_verified === true || (typeof email_verified === 'string' && email_verified.trim().toLowerCase() === 'true'),
    given_name: readName(claims['given_name']),
    family_name: readName(claims['family_name']),
    full_name: readName(claims['name']),
  }
}

/** The name, if it is valid for an account. */
function readName(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const name = readLine(value)
  return name && readLine(Array.from(name).slice(0, NAME_LENGTH).join(''))
}
