import { ClientError } from 'openid-client'
import { NAME_LENGTH } from '../../platform/schemas.ts'
import { readLine } from '../../platform/texts.ts'
import { isEmail } from '../../platform/validator.ts'

/** Who a user is at a provider: known by issuer and subject; all else is what the provider says. */
export interface Profile {
  issuer: string
  subject: string
  /** Undefined when there is none, or none that an account could have. */
  email: string | undefined
  /** Whether the provider says that the address is the user's. */
  email_verified: boolean
  given_name: string | undefined
  family_name: string | undefined
  full_name: string | undefined
}

/** Claims of OpenID Connect (Core, section 5.1), whatever their values are. @throws ClientError when they name no user */
export function readProfile({
  issuer,
  subject,
  ...claims
}: { issuer: string; subject: string } & Record<string, unknown>): Profile {
  if (subject.length === 0 || subject.length > 255 || /\p{Cc}/u.test(subject))
    throw new ClientError('the subject is none')
  const { email, email_verified } = claims
  return {
    issuer,
    subject,
    email: typeof email === 'string' && isEmail(email) ? email.toLowerCase() : undefined,
    // Some providers write it as text.
    email_verified: email_verified === true || email_verified === 'true',
    given_name: readName(claims['given_name']),
    family_name: readName(claims['family_name']),
    full_name: readName(claims['name']),
  }
}

/** A name as an account may have it, or undefined. */
function readName(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const name = readLine(value)
  return name && readLine(Array.from(name).slice(0, NAME_LENGTH).join(''))
}
