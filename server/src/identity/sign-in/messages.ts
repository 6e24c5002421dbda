import { Type } from 'typebox'
import { Email, Id, Nullable, OneOf, PermissionName, Strict, Token, Username } from '../../platform/schemas.ts'
import { HeldRole } from '../../directory/organizations/held-role.ts'
import { Organization } from '../../directory/organizations/organizations.ts'
import { Session } from '../../directory/sessions/sessions.ts'
import { roles } from '../../platform/gate/permissions.ts'
import { User } from '../../directory/users/users.ts'
import { Password } from '../passwords/password-policy.ts'

/** The schemas of sign-in requests and responses. */

export const AccessToken = Type.Object(
  {
    access_token: Token,
    token_type: Type.Literal('bearer'),
    expires_in: Type.Integer({ minimum: 1, maximum: 86400, description: 'Seconds.' }),
  },
  { title: 'AccessToken' },
)
export const SignedInAnswer = Type.Object(
  {
    user: User,
    organization: Nullable(Organization),
    organization_count: Type.Integer({
      minimum: 0,
      maximum: 2147483647,
      description: 'Organizations of the user, with the personal one. `/api/v1/users/me/organizations` lists them.',
    }),
    invitation_count: Type.Integer({
      minimum: 0,
      maximum: 2147483647,
      description: 'Invitations that the user can accept. The same request lists them.',
    }),
    ...AccessToken.properties,
    refresh_token: Token,
    device_token: Type.Optional(
      Type.String({
        maxLength: 100,
        description:
          'Identifies this device: send it with the next sign-in, so that strangers cannot lock out the device.',
      }),
    ),
  },
  { title: 'SignedIn' },
)
export const Switched = Type.Object({ organization: Organization, ...AccessToken.properties }, { title: 'Switched' })
/** The caller's role; null without an organization. */
const OwnRole = { ...HeldRole, role: Nullable(HeldRole.role) }
export const Explanation = Type.Object(
  {
    permission: PermissionName,
    allowed: Type.Boolean(),
    reason: OneOf([
      'role-has-permission',
      'superuser-has-permission',
      'allowed-without-second-factor',
      'second-factor-required',
      'allowed-while-suspended',
      'organization-suspended',
      'role-lacks-permission',
      'no-organization',
      'superuser-only',
    ]),
    ...OwnRole,
    lowest_role: OneOf([...roles, 'superuser'], { description: 'The lowest built-in role that has the permission.' }),
    detail: Type.String({ maxLength: 1000 }),
  },
  { title: 'Explanation', description: 'Why the current session may use a permission or may not.' },
)
export const Me = Type.Object(
  {
    user: User,
    organization: Nullable(Organization),
    ...OwnRole,
    permissions: Type.Array(PermissionName, { maxItems: 200 }),
    session: Session,
    explanation: Type.Optional(Explanation),
  },
  { title: 'Me' },
)

export const Login = Strict(
  {
    email: Type.Optional(Email),
    username: Type.Optional(Username),
    password: Password,
    organization_id: Type.Optional(Id),
    device_token: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  },
  { title: 'Login', 'x-one-of': ['email', 'username'] },
)
export const Refresh = Strict({ refresh_token: Token, organization_id: Type.Optional(Id) }, { title: 'Refresh' })
export const Logout = Strict({ refresh_token: Type.Optional(Token) }, { title: 'Logout' })
