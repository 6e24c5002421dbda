import { Type } from 'typebox'
import { Email, Name, Slug, Strict, Username } from '../../platform/schemas.ts'
import { NewPassword } from '../passwords/password-policy.ts'

/** The schemas of sign-up requests and responses. */

const person = {
  email: Email,
  username: Type.Optional(Username),
  password: Type.Optional({
    ...NewPassword,
    description:
      'Required if addresses may be verified later. If they must be verified first, it is only checked: the password is ' +
      'chosen with the link in the email.',
  }),
  given_name: Type.Optional(Name),
  family_name: Type.Optional(Name),
  full_name: Type.Optional(Name),
}
export const Signup = Strict(
  { ...person, organization_name: Type.Optional(Name), organization_slug: Type.Optional(Slug) },
  { title: 'Signup' },
)
export const Registration = Strict(person, { title: 'Registration' })
