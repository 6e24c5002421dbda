import type { Static } from 'typebox'
import type { SystemRunner } from '../../platform/database/database.ts'
import { invalidField } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { checkPassword } from '../passwords/password-policy.ts'
import type { SignInOutcome } from '../sign-in/sign-in.ts'
import type { Registration } from './messages.ts'
import { requestSignUp, signUp } from './sign-up.ts'
import type { Enrolment } from './sign-up.ts'

/** What the caller does not type into the form of an account: the organization to create, and the language. */
type Circumstances = Pick<Enrolment, 'organization' | 'locale'>

/**
 * Signs up, as the setting for unverified addresses says. @returns undefined if the address must be verified first:
 * then the link in the email creates the account, and nothing reveals whether the address has one
 * @throws Problem weak-password, username-taken, organization-slug-taken, email-taken; invalid-fields where a password
 * is needed
 */
export async function enrol(
  visitor: SystemRunner,
  services: Pick<Services, 'keys' | 'declared' | 'passwords' | 'passwordPolicy' | 'signInRules'>,
  { password, ...names }: Static<typeof Registration>,
  { organization, locale }: Circumstances,
): Promise<SignInOutcome | undefined> {
  const { passwords, passwordPolicy, signInRules } = services
  const { email, username, given_name, family_name, full_name } = names
  const personal = [email, username, given_name, family_name, full_name, organization?.name]
  const isRequired = signInRules.emailVerification === 'required'
  if (password === undefined && !isRequired) throw invalidField('/password', 'is required')
  if (password !== undefined) await checkPassword(password, passwordPolicy, personal)
  if (isRequired || password === undefined) {
    await requestSignUp(visitor, services, { ...names, organization, locale })
    return undefined
  }
  return signUp(visitor, services, { ...names, password_hash: await passwords.hash(password), organization, locale })
}
