// Generated from the migrated schema by `npm run generate`.
import type { ColumnType, Generated } from 'kysely'

type Json = ColumnType<Record<string, unknown>, string, string>

export interface AuditLog {
  action: string
  actor_id: string | null
  after: Json | null
  before: Json | null
  entity_id: string | null
  entity_type: string
  id: Generated<string>
  ip: string | null
  organization_id: string
  request_id: string | null
  sequence: Generated<number>
  session_id: string | null
  transaction: Generated<string>
  user_agent: string | null
}

export interface Devices {
  created_at: Generated<string>
  id: Generated<string>
  ip: string | null
  last_seen_at: Generated<string>
  revoked_at: string | null
  trusted_until: string | null
  user_agent: string | null
  user_id: string
}

export interface Gate {
  organization_id: string
  permission: string
  role: Memberships['role'] | 'superuser'
  session_id: string
  user_id: string
  writes: boolean
}

export interface GateState {
  live: boolean
  member: boolean
  permitted: boolean
  second_factor_missing: boolean
}

export interface IdempotencyKeys {
  created_at: Generated<string>
  key: string
  organization_id: string | null
  request_hash: string
  result: Json
  route: string
  user_id: string
}

export interface Identities {
  created_at: Generated<string>
  email: string | null
  id: Generated<string>
  issuer: string
  last_used_at: string | null
  provider: string
  subject: string
  user_id: string
}

export interface Invitations {
  accepted_at: string | null
  created_at: Generated<string>
  email: string
  expires_at: string
  id: Generated<string>
  invited_by: string
  organization_id: string
  revoked_at: string | null
  role: 'owner' | 'admin' | 'member' | 'viewer'
  updated_at: Generated<string>
  version: Generated<number>
}

export interface Memberships {
  company: string | null
  created_at: Generated<string>
  deleted_at: string | null
  disabled_at: string | null
  organization_id: string
  role: 'owner' | 'admin' | 'member' | 'viewer'
  title: string | null
  updated_at: Generated<string>
  user_id: string
  version: Generated<number>
}

export interface OneTimeTokens {
  created_at: Generated<string>
  details: Generated<Json>
  email: string | null
  expires_at: string
  id: Generated<string>
  purpose: string
  used_at: string | null
  user_id: string | null
}

export interface Organizations {
  created_at: Generated<string>
  deleted_at: string | null
  id: Generated<string>
  kind: Generated<'personal' | 'team'>
  name: string
  second_factor_required: Generated<boolean>
  slug: string
  updated_at: Generated<string>
  version: Generated<number>
}

export interface OwnOrganizations {
  created_at: string
  id: string
  joined_at: string
  kind: 'personal' | 'team'
  name: string
  role: Memberships['role']
  second_factor_required: boolean
  slug: string
  updated_at: string
  user_id: string
  version: number
}

export interface Passkeys {
  backed_up: Generated<boolean>
  counter: Generated<number>
  created_at: Generated<string>
  credential_id: Buffer
  id: Generated<string>
  last_used_at: string | null
  name: string
  public_key: Buffer
  transports: Generated<string[]>
  updated_at: Generated<string>
  user_id: string
  version: Generated<number>
}

export interface Projects {
  created_at: Generated<string>
  created_by: string | null
  description: string | null
  id: Generated<string>
  name: string
  organization_id: string
  slug: string
  status: Generated<'active' | 'archived'>
  updated_at: Generated<string>
  version: Generated<number>
}

export interface RecoveryCodes {
  code_hash: Buffer
  created_at: Generated<string>
  used_at: string | null
  user_id: string
}

export interface RetiredNames {
  digest: Buffer
  retired_at: Generated<string>
}

export interface RolePermissions {
  holders: Json
}

export interface SecondFactors {
  passkey: boolean
  recovery_codes: number
  totp: boolean
  user_id: string
}

export interface SecurityEvents {
  actor_id: string | null
  created_at: Generated<string>
  details: Json | null
  id: Generated<string>
  ip: string | null
  request_id: string | null
  session_id: string | null
  type: string
  user_agent: string | null
  user_id: string | null
}

export interface Self {
  second_factor: boolean
  session_id: string
  user_id: string
}

export interface Sessions {
  authenticated_at: Generated<string>
  created_at: Generated<string>
  device_id: string | null
  expires_at: string
  generation: Generated<number>
  id: Generated<string>
  ip: string | null
  last_seen_at: Generated<string>
  methods: Generated<string[]>
  organization_id: string | null
  revoked_at: string | null
  revoked_reason: string | null
  rotated_at: Generated<string[]>
  second_factor_at: string | null
  user_agent: string | null
  user_id: string
}

export interface SigningKeys {
  algorithm: string
  created_at: Generated<string>
  id: string
  private_key: Buffer
  public_key: string | null
  retired_at: string | null
}

export interface Throttles {
  counted_since: string | null
  failures: Generated<number>
  key: string
  locked_until: string | null
  pending: Generated<number>
  pending_until: string | null
  updated_at: Generated<string>
}

export interface TotpFactors {
  confirmed_at: string | null
  created_at: Generated<string>
  last_step: number | null
  secret: Buffer
  user_id: string
}

export interface Users {
  created_at: Generated<string>
  deleted_at: string | null
  disabled_at: string | null
  email: string
  email_verified: ColumnType<boolean, never, never>
  email_verified_at: string | null
  erased_at: string | null
  family_name: string | null
  full_name: string | null
  given_name: string | null
  id: Generated<string>
  last_organization_id: string | null
  locale: 'en' | 'de' | null
  password_hash: string | null
  superuser: Generated<boolean>
  updated_at: Generated<string>
  username: string | null
  version: Generated<number>
}

export interface DB {
  audit_log: AuditLog
  devices: Devices
  gate: Gate
  gate_state: GateState
  idempotency_keys: IdempotencyKeys
  identities: Identities
  invitations: Invitations
  memberships: Memberships
  one_time_tokens: OneTimeTokens
  organizations: Organizations
  own_organizations: OwnOrganizations
  passkeys: Passkeys
  projects: Projects
  recovery_codes: RecoveryCodes
  retired_names: RetiredNames
  role_permissions: RolePermissions
  second_factors: SecondFactors
  security_events: SecurityEvents
  self: Self
  sessions: Sessions
  signing_keys: SigningKeys
  throttles: Throttles
  totp_factors: TotpFactors
  users: Users
}
