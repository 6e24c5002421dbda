import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { Preferences, PreferencesChanges } from '../../directory/preferences/preferences.ts'
import { Organization } from '../../directory/organizations/organizations.ts'
import { User } from '../../directory/users/users.ts'
import { NewPassword, Password } from '../../identity/passwords/password-policy.ts'
import type { SignedInAnswer } from '../../identity/sign-in/messages.ts'
import { Email, Id, IdOf, MAX_PAGE, Name, Nullable, Time, Token } from '../../platform/schemas.ts'
import { Workspace, WorkspacePath } from '../../product/workspaces/workspaces.ts'
import { camelize } from './names.ts'

/** The schemas of v5 and the values in them. Requests may have fields that no schema names; they are ignored. */

/** The envelope of every success. */
export const Success = <Data extends TSchema>(data: Data) => Type.Object({ success: Type.Literal(true), data })

/** A success with this data. */
export const success = <Data>(data: Data) => ({ success: true as const, data })

/** A success without data. */
export const Done = Success(Type.Null())

/** Parameters that no route names are ignored. */
export const AnyQuery = Type.Object({})

const FirstName = Type.String({ ...Name, examples: ['John'] })
const LastName = Type.String({ ...Name, examples: ['Doe'] })
const FullName = Type.String({ ...Name, examples: ['John Doe'] })

const { id, email, username, email_verified } = User.properties
export const V5User = Type.Object(
  {
    id,
    email,
    username,
    firstName: Nullable(FirstName),
    lastName: Nullable(LastName),
    fullName: Nullable(FullName),
    emailVerified: email_verified,
    tenantId: Nullable(Id),
    createdAt: Time,
    updatedAt: Time,
  },
  { title: 'User' },
)

/** A user as v5 shows it. */
export const userOf = (user: Static<typeof User>, tenantId: string | undefined): Static<typeof V5User> => ({
  id: user.id,
  email: user.email,
  username: user.username,
  firstName: user.given_name,
  lastName: user.family_name,
  fullName: user.full_name,
  emailVerified: user.email_verified,
  tenantId: tenantId ?? null,
  createdAt: user.created_at,
  updatedAt: user.updated_at,
})

const Tenant = Type.Object(
  { id: Id, name: Name, type: Organization.properties.kind },
  { title: 'Tenant', description: 'An organization: `personal`, made with the account, or a `team`.' },
)

export const V5SignedIn = Type.Object(
  {
    token: Token,
    refreshToken: Token,
    expiresIn: Type.Integer({ minimum: 1, maximum: 86400, description: 'Seconds.' }),
    tenantId: Nullable(Id),
    tenant: Nullable(Tenant),
    user: V5User,
  },
  { title: 'SignedIn' },
)

/** The response to a completed sign-in. */
export function signedInOf(answer: Static<typeof SignedInAnswer>): Static<typeof V5SignedIn> {
  const { access_token, refresh_token, expires_in, organization, user } = answer
  return {
    token: access_token,
    refreshToken: refresh_token,
    expiresIn: expires_in,
    tenantId: organization?.id ?? null,
    tenant: organization && { id: organization.id, name: organization.name, type: organization.kind },
    user: userOf(user, organization?.id),
  }
}

export const Waiting = Type.Object(
  { status: Type.Literal('verification-required') },
  { title: 'Waiting', description: 'An email has been sent, whether or not the address has an account.' },
)

export const V5Registration = Type.Object(
  {
    email: Email,
    password: Type.Optional(NewPassword),
    firstName: Type.Optional(FirstName),
    lastName: Type.Optional(LastName),
  },
  { title: 'Registration' },
)
export const V5Login = Type.Object({ email: Email, password: Password }, { title: 'Login' })
export const V5Refresh = Type.Object({ refreshToken: Token }, { title: 'Refresh' })
export const V5Logout = Type.Object({ refreshToken: Type.Optional(Token) }, { title: 'Logout' })

export const V5ProfileChanges = Type.Object(
  {
    firstName: Type.Optional(Nullable(FirstName)),
    lastName: Type.Optional(Nullable(LastName)),
    fullName: Type.Optional(Nullable(FullName)),
  },
  { title: 'ProfileChanges', description: 'Fields that are not sent stay as they are.' },
)

export const V5Preferences = Type.Object(camelize(Preferences.properties), { title: 'Preferences' })
export const V5PreferencesChanges = Type.Object(camelize(PreferencesChanges.properties), {
  title: 'PreferencesChanges',
  description: 'Fields that are not sent stay as they are.',
})

const { name, status, created_by } = Workspace.properties
export const V5Session = Type.Object(
  {
    id: Id,
    tenantId: Id,
    name,
    workspacePath: WorkspacePath,
    projectId: Nullable(IdOf('project')),
    status,
    createdBy: created_by,
    createdAt: Time,
    updatedAt: Time,
  },
  { title: 'Session', description: 'What `/api/v1/workspaces` calls a workspace.' },
)

/** A workspace as v5 shows it. */
export const sessionOf = (workspace: Static<typeof Workspace>): Static<typeof V5Session> => ({
  id: workspace.id,
  tenantId: workspace.organization_id,
  name: workspace.name,
  workspacePath: workspace.workspace_path,
  projectId: workspace.project_id,
  status: workspace.status,
  createdBy: workspace.created_by,
  createdAt: workspace.created_at,
  updatedAt: workspace.updated_at,
})

export const NewV5Session = Type.Object(
  { name: Name, workspacePath: WorkspacePath, projectId: Type.Optional(Nullable(IdOf('project'))) },
  { title: 'NewSession' },
)
export const SessionParams = Type.Object({ id: IdOf('workspace') })
export const SessionPage = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: MAX_PAGE, default: 100 }),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 2000, description: 'From the `Link` of a list.' })),
})
