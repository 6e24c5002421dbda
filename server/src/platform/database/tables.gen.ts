// Generated from the migrated schema and its grants by `npm run generate`: what each login may read and write.
import type { ColumnType, Generated } from 'kysely'

export type LoginName = 'tenant' | 'system'

/** Says in types which logins may run a query. */
export declare const runsOn: unique symbol

type Json = Record<string, unknown>

interface TenantAuditLog {
  action: ColumnType<string, string, never>
  actor_id: ColumnType<string | null, string | null | undefined, never>
  after: ColumnType<Json | null, string | null | undefined, never>
  before: ColumnType<Json | null, string | null | undefined, never>
  entity_id: ColumnType<string | null, string | null | undefined, never>
  entity_type: ColumnType<string, string, never>
  id: ColumnType<string, string | undefined, never>
  ip: ColumnType<string | null, string | null | undefined, never>
  operator_id: ColumnType<string | null, string | null | undefined, never>
  organization_id: ColumnType<string, string, never>
  request_id: ColumnType<string | null, string | null | undefined, never>
  sequence: ColumnType<number, number | undefined, never>
  session_id: ColumnType<string | null, string | null | undefined, never>
  transaction: ColumnType<string, string | undefined, never>
  user_agent: ColumnType<string | null, string | null | undefined, never>
}

interface TenantBranches {
  code: string
  company_id: string
  created_at: Generated<string>
  created_by: string | null
  description: string | null
  id: Generated<string>
  name: string
  organization_id: string
  updated_at: Generated<string>
  version: Generated<number>
}

interface TenantColleagues {
  user_id: ColumnType<string, never, never>
}

interface TenantCompanies {
  code: string
  created_at: Generated<string>
  created_by: string | null
  description: string | null
  id: Generated<string>
  name: string
  organization_id: string
  updated_at: Generated<string>
  version: Generated<number>
}

interface TenantCustomRolePermissions {
  created_at: ColumnType<string, string | undefined, never>
  organization_id: ColumnType<string, string, never>
  permission: ColumnType<string, string, never>
  role_id: ColumnType<string, string, never>
  updated_at: ColumnType<string, string | undefined, never>
  version: ColumnType<number, number | undefined, never>
}

interface TenantDepartmentPeople {
  created_at: ColumnType<string, string | undefined, never>
  created_by: ColumnType<string | null, string | null | undefined, never>
  department_id: ColumnType<string, string, never>
  organization_id: ColumnType<string, string, never>
  updated_at: ColumnType<string, string | undefined, never>
  user_id: ColumnType<string, string, never>
  version: ColumnType<number, number | undefined, never>
}

interface TenantDepartments {
  branch_id: string
  code: string
  company_id: string
  created_at: Generated<string>
  created_by: string | null
  description: string | null
  id: Generated<string>
  name: string
  organization_id: string
  parent_id: string | null
  updated_at: Generated<string>
  version: Generated<number>
}

interface TenantDevices {
  created_at: ColumnType<string, never, never>
  id: ColumnType<string, never, never>
  ip: ColumnType<string | null, never, never>
  last_seen_at: ColumnType<string, never, never>
  revoked_at: ColumnType<string | null, never, string | null>
  trusted_until: ColumnType<string | null, never, never>
  user_agent: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
}

interface TenantGate {
  organization_id: ColumnType<string, never, never>
  permission: ColumnType<string, never, never>
  reads: ColumnType<boolean, never, never>
  role: ColumnType<'owner' | 'admin' | 'member' | 'viewer' | 'superuser', never, never>
  session_id: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
  writes: ColumnType<boolean, never, never>
}

interface TenantGateState {
  entitlement_missing: ColumnType<boolean, never, never>
  live: ColumnType<boolean, never, never>
  member: ColumnType<boolean, never, never>
  operator: ColumnType<boolean, never, never>
  permitted: ColumnType<boolean, never, never>
  second_factor_missing: ColumnType<boolean, never, never>
  supported: ColumnType<boolean, never, never>
  suspended_at: ColumnType<string | null, never, never>
}

interface TenantIdempotencyKeys {
  created_at: Generated<string>
  key: string
  organization_id: string | null
  request_hash: string
  result: ColumnType<Json, string, string>
  route: string
  user_id: string
}

interface TenantIdentities {
  created_at: ColumnType<string, never, never>
  email: ColumnType<string | null, never, never>
  id: ColumnType<string, never, never>
  issuer: ColumnType<string, never, never>
  last_used_at: ColumnType<string | null, never, never>
  provider: ColumnType<string, never, never>
  subject: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
}

interface TenantInvitationLinks {
  created_at: ColumnType<string, string | undefined, never>
  created_by: ColumnType<string, string, never>
  expires_at: ColumnType<string, string, never>
  id: ColumnType<string, string | undefined, never>
  invitation_id: ColumnType<string, string, never>
  organization_id: ColumnType<string, string, never>
  updated_at: ColumnType<string, string | undefined, never>
  version: ColumnType<number, number | undefined, never>
}

interface TenantInvitations {
  accepted_at: string | null
  company: string | null
  created_at: Generated<string>
  email: string
  expires_at: Generated<string>
  guest: Generated<boolean>
  id: Generated<string>
  invited_by: string | null
  mail_at: Generated<string | null>
  organization_id: string
  revoked_at: string | null
  role: 'owner' | 'admin' | 'member' | 'viewer'
  role_id: string | null
  title: string | null
  updated_at: Generated<string>
  version: Generated<number>
}

interface TenantLicenseActivations {
  created_at: ColumnType<string, never, never>
  expires_at: ColumnType<string, never, never>
  fingerprint: ColumnType<string, never, never>
  id: ColumnType<string, never, never>
  last_seen_at: ColumnType<string, never, never>
  license_id: ColumnType<string, never, never>
  metadata: ColumnType<Json, never, never>
  name: ColumnType<string | null, never, never>
  organization_id: ColumnType<string, never, never>
  removable_at: ColumnType<string, never, never>
  updated_at: ColumnType<string, never, never>
  version: ColumnType<number, never, never>
}

interface TenantLicensePlans {
  activation: ColumnType<'node-locked' | 'floating', never, never>
  code: ColumnType<string, never, never>
  created_at: ColumnType<string, never, never>
  description: ColumnType<string | null, never, never>
  duration_days: ColumnType<number | null, never, never>
  entitlements: ColumnType<string[], never, never>
  expiry_basis: ColumnType<'creation' | 'first-validation' | 'first-activation', never, never>
  heartbeat_grace_seconds: ColumnType<number, never, never>
  heartbeat_seconds: ColumnType<number | null, never, never>
  id: ColumnType<string, never, never>
  is_default: ColumnType<boolean, never, never>
  max_activations: ColumnType<number | null, never, never>
  name: ColumnType<string, never, never>
  on_expiry: ColumnType<'restrict' | 'read-only' | 'keep', never, never>
  overage_percent: ColumnType<number, never, never>
  quotas: ColumnType<Json, never, never>
  seats: ColumnType<number | null, never, never>
  updated_at: ColumnType<string, never, never>
  version: ColumnType<number, never, never>
}

interface TenantLicenses {
  activation: 'node-locked' | 'floating'
  created_at: Generated<string>
  duration_days: number | null
  entitlements: string[]
  expires_at: string | null
  expiry_basis: 'creation' | 'first-validation' | 'first-activation'
  first_activated_at: string | null
  first_validated_at: string | null
  heartbeat_grace_seconds: number
  heartbeat_seconds: number | null
  id: Generated<string>
  key_hash: ColumnType<never, Buffer, Buffer>
  key_prefix: string
  max_activations: number | null
  metadata: ColumnType<Json, string | undefined, string>
  name: string | null
  on_expiry: 'restrict' | 'read-only' | 'keep'
  organization_id: string
  overage_percent: number
  plan_id: string
  quotas: ColumnType<Json, string, string>
  seats: number | null
  starts_at: Generated<string>
  status: Generated<'draft' | 'active' | 'suspended' | 'revoked'>
  transferred_from: string | null
  transferred_to: string | null
  updated_at: Generated<string>
  version: Generated<number>
}

interface TenantLimits {
  key: ColumnType<string, never, never>
  maximum: ColumnType<number, never, never>
  organization_id: ColumnType<string, never, never>
  used: ColumnType<number, never, never>
}

interface TenantMemberWords {
  kind: ColumnType<'member' | 'name' | 'email' | 'word', never, never>
  organization_id: ColumnType<string, never, never>
  role: ColumnType<string, never, never>
  status: ColumnType<'active' | 'disabled' | 'account-deleted' | 'removed', never, never>
  user_id: ColumnType<string, never, never>
  word: ColumnType<string, never, never>
}

interface TenantMemberships {
  company: string | null
  created_at: Generated<string>
  deleted_at: string | null
  disabled_at: string | null
  gate_changed_in: string | null
  organization_id: string
  removed_at: string | null
  role: 'owner' | 'admin' | 'member' | 'viewer'
  role_id: string | null
  title: string | null
  updated_at: Generated<string>
  user_id: string
  version: Generated<number>
}

interface TenantOperator {
  session_id: ColumnType<string | null, never, never>
  user_id: ColumnType<string | null, never, never>
}

interface TenantOrganizationDailyStats {
  active_members: ColumnType<number, never, never>
  changes: ColumnType<number, never, never>
  day: ColumnType<string, never, never>
  invitations_accepted: ColumnType<number, never, never>
  invitations_sent: ColumnType<number, never, never>
  organization_id: ColumnType<string, never, never>
  sign_ins: ColumnType<number, never, never>
}

interface TenantOrganizations {
  created_at: Generated<string>
  deleted_at: string | null
  gate_changed_in: string | null
  id: Generated<string>
  kind: Generated<'personal' | 'team'>
  name: string
  second_factor_required: Generated<boolean>
  slug: string
  suspended_at: string | null
  suspended_reason: string | null
  updated_at: Generated<string>
  version: Generated<number>
}

interface TenantOwnAccount {
  authenticated_at: ColumnType<string, never, never>
  created_at: ColumnType<string, never, never>
  email: ColumnType<string, never, never>
  email_verified: ColumnType<boolean, never, never>
  expires_at: ColumnType<string, never, never>
  family_name: ColumnType<string | null, never, never>
  full_name: ColumnType<string | null, never, never>
  given_name: ColumnType<string | null, never, never>
  guest: ColumnType<boolean, never, never>
  ip: ColumnType<string | null, never, never>
  last_seen_at: ColumnType<string, never, never>
  locale: ColumnType<'en' | 'de' | null, never, never>
  second_factor: ColumnType<boolean, never, never>
  session_created_at: ColumnType<string, never, never>
  session_id: ColumnType<string, never, never>
  superuser: ColumnType<boolean, never, never>
  updated_at: ColumnType<string, never, never>
  user_agent: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
  username: ColumnType<string | null, never, never>
  version: ColumnType<number, never, never>
}

interface TenantOwnEntitlements {
  code: ColumnType<string | null, never, never>
  organization_id: ColumnType<string | null, never, never>
  writes: ColumnType<boolean | null, never, never>
}

interface TenantOwnInvitations {
  company: ColumnType<string | null, never, never>
  created_at: ColumnType<string | null, never, never>
  expires_at: ColumnType<string | null, never, never>
  id: ColumnType<string | null, never, never>
  inviter_name: ColumnType<string | null, never, never>
  organization_id: ColumnType<string | null, never, never>
  organization_name: ColumnType<string | null, never, never>
  role: ColumnType<'owner' | 'admin' | 'member' | 'viewer' | 'custom' | null, never, never>
  role_id: ColumnType<string | null, never, never>
  role_name: ColumnType<string | null, never, never>
  title: ColumnType<string | null, never, never>
  user_id: ColumnType<string | null, never, never>
}

interface TenantOwnOrganizations {
  created_at: ColumnType<string, never, never>
  entitlements: ColumnType<string[], never, never>
  id: ColumnType<string, never, never>
  joined_at: ColumnType<string, never, never>
  kind: ColumnType<'personal' | 'team', never, never>
  name: ColumnType<string, never, never>
  permissions: ColumnType<string[], never, never>
  role: ColumnType<'owner' | 'admin' | 'member' | 'viewer' | 'custom', never, never>
  role_id: ColumnType<string | null, never, never>
  role_name: ColumnType<string, never, never>
  second_factor_required: ColumnType<boolean, never, never>
  slug: ColumnType<string, never, never>
  suspended_at: ColumnType<string | null, never, never>
  updated_at: ColumnType<string, never, never>
  user_id: ColumnType<string | null, never, never>
  version: ColumnType<number, never, never>
}

interface TenantOwnSecurityEvents {
  actor: ColumnType<'self' | 'other' | 'unknown', never, never>
  created_at: ColumnType<string, never, never>
  id: ColumnType<string, never, never>
  ip: ColumnType<string | null, never, never>
  session_id: ColumnType<string | null, never, never>
  type: ColumnType<string, never, never>
  user_agent: ColumnType<string | null, never, never>
  user_id: ColumnType<string | null, never, never>
}

interface TenantPasskeys {
  backed_up: ColumnType<boolean, never, never>
  created_at: ColumnType<string, never, never>
  credential_id: ColumnType<Buffer, never, never>
  id: ColumnType<string, never, never>
  last_used_at: ColumnType<string | null, never, never>
  name: ColumnType<string, never, string>
  transports: ColumnType<string[], never, never>
  updated_at: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
  version: ColumnType<number, never, never>
}

interface TenantPreferences {
  created_at: ColumnType<string, never, never>
  custom: ColumnType<Json, never, string>
  date_format: ColumnType<'auto' | 'iso' | 'dmy' | 'mdy', never, 'auto' | 'iso' | 'dmy' | 'mdy'>
  editor_font_size: ColumnType<number, never, number>
  editor_tab_size: ColumnType<number, never, number>
  editor_word_wrap: ColumnType<boolean, never, boolean>
  language: ColumnType<string | null, never, string | null>
  terminal_font_size: ColumnType<number, never, number>
  theme: ColumnType<'system' | 'light' | 'dark', never, 'system' | 'light' | 'dark'>
  time_format: ColumnType<'auto' | '12h' | '24h', never, 'auto' | '12h' | '24h'>
  time_zone: ColumnType<string | null, never, string | null>
  updated_at: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
  version: ColumnType<number, never, never>
}

interface TenantProjects {
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

interface TenantRecoveryCodes {
  used_at: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
}

interface TenantRetiredNames {
  digest: ColumnType<Buffer, never, never>
}

interface TenantRoles {
  created_at: Generated<string>
  deleted_at: string | null
  description: string | null
  id: Generated<string>
  name: string
  name_key: ColumnType<string, never, never>
  organization_id: string
  updated_at: Generated<string>
  version: Generated<number>
}

interface TenantSecurityEvents {
  actor_id: ColumnType<never, string | null | undefined, never>
  created_at: ColumnType<never, string | undefined, never>
  details: ColumnType<never, string | null | undefined, never>
  id: ColumnType<never, string | undefined, never>
  ip: ColumnType<never, string | null | undefined, never>
  request_id: ColumnType<never, string | null | undefined, never>
  session_id: ColumnType<never, string | null | undefined, never>
  type: ColumnType<never, string, never>
  user_agent: ColumnType<never, string | null | undefined, never>
  user_id: ColumnType<never, string | null | undefined, never>
}

interface TenantSelf {
  email_verified: ColumnType<boolean, never, never>
  second_factor: ColumnType<boolean, never, never>
  session_id: ColumnType<string, never, never>
  superuser: ColumnType<boolean, never, never>
  user_id: ColumnType<string, never, never>
}

interface TenantSessions {
  authenticated_at: ColumnType<string, never, never>
  created_at: ColumnType<string, never, never>
  device_id: ColumnType<string | null, never, never>
  expires_at: ColumnType<string, never, never>
  id: ColumnType<string, never, never>
  ip: ColumnType<string | null, never, never>
  last_seen_at: ColumnType<string, never, never>
  methods: ColumnType<string[], never, never>
  organization_id: ColumnType<string | null, never, string | null>
  revoked_at: ColumnType<string | null, never, string | null>
  revoked_reason: ColumnType<string | null, never, string | null>
  second_factor_at: ColumnType<string | null, never, never>
  user_agent: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
}

interface TenantSupportGrants {
  created_at: Generated<string>
  emergency: Generated<boolean>
  ended_at: string | null
  ended_by: string | null
  expires_at: string | null
  gate_changed_in: string | null
  granted_at: string | null
  granted_by: string | null
  id: Generated<string>
  minutes: Generated<number>
  opens_at: string | null
  operator_id: string
  organization_id: string
  reason: string
  role: Generated<'viewer' | 'member'>
  updated_at: Generated<string>
  version: Generated<number>
}

interface TenantSupportPlaces {
  id: ColumnType<string, never, never>
  organization_id: ColumnType<string, never, never>
}

interface TenantTotpFactors {
  confirmed_at: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
}

interface TenantUsers {
  created_at: ColumnType<string, never, never>
  deleted_at: ColumnType<string | null, never, never>
  disabled_at: ColumnType<string | null, never, never>
  email: ColumnType<string, never, never>
  email_verified: ColumnType<boolean, never, never>
  erased_at: ColumnType<string | null, never, never>
  family_name: ColumnType<string | null, never, string | null>
  full_name: ColumnType<string | null, never, string | null>
  given_name: ColumnType<string | null, never, string | null>
  guest: ColumnType<boolean, never, never>
  id: ColumnType<string, never, never>
  last_organization_id: ColumnType<never, never, string | null>
  locale: ColumnType<'en' | 'de' | null, never, 'en' | 'de' | null>
  superuser: ColumnType<boolean, never, never>
  updated_at: ColumnType<string, never, never>
  username: ColumnType<string | null, never, string | null>
  version: ColumnType<number, never, never>
}

interface TenantWorkspaces {
  created_at: Generated<string>
  created_by: string | null
  id: Generated<string>
  name: string
  organization_id: string
  project_id: string | null
  status: Generated<'active' | 'archived'>
  updated_at: Generated<string>
  version: Generated<number>
  workspace_path: string
}

export interface TenantTables {
  [runsOn]: 'tenant'
  audit_log: TenantAuditLog
  branches: TenantBranches
  colleagues: TenantColleagues
  companies: TenantCompanies
  custom_role_permissions: TenantCustomRolePermissions
  department_people: TenantDepartmentPeople
  departments: TenantDepartments
  devices: TenantDevices
  gate: TenantGate
  gate_state: TenantGateState
  idempotency_keys: TenantIdempotencyKeys
  identities: TenantIdentities
  invitation_links: TenantInvitationLinks
  invitations: TenantInvitations
  license_activations: TenantLicenseActivations
  license_plans: TenantLicensePlans
  licenses: TenantLicenses
  limits: TenantLimits
  member_words: TenantMemberWords
  memberships: TenantMemberships
  operator: TenantOperator
  organization_daily_stats: TenantOrganizationDailyStats
  organizations: TenantOrganizations
  own_account: TenantOwnAccount
  own_entitlements: TenantOwnEntitlements
  own_invitations: TenantOwnInvitations
  own_organizations: TenantOwnOrganizations
  own_security_events: TenantOwnSecurityEvents
  passkeys: TenantPasskeys
  preferences: TenantPreferences
  projects: TenantProjects
  recovery_codes: TenantRecoveryCodes
  retired_names: TenantRetiredNames
  roles: TenantRoles
  security_events: TenantSecurityEvents
  self: TenantSelf
  sessions: TenantSessions
  support_grants: TenantSupportGrants
  support_places: TenantSupportPlaces
  totp_factors: TenantTotpFactors
  users: TenantUsers
  workspaces: TenantWorkspaces
}

interface SystemAccountAddresses {
  email: ColumnType<string, never, never>
  email_verified: ColumnType<boolean, never, never>
  held_until: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
}

interface SystemAuditLog {
  action: ColumnType<string, string, never>
  actor_id: ColumnType<string | null, string | null | undefined, never>
  after: ColumnType<Json | null, string | null | undefined, never>
  before: ColumnType<Json | null, string | null | undefined, never>
  entity_id: ColumnType<string | null, string | null | undefined, never>
  entity_type: ColumnType<string, string, never>
  id: ColumnType<string, string | undefined, never>
  ip: string | null
  operator_id: ColumnType<string | null, string | null | undefined, never>
  organization_id: ColumnType<string, string, never>
  request_id: ColumnType<string | null, string | null | undefined, never>
  sequence: ColumnType<number, number | undefined, never>
  session_id: ColumnType<string | null, string | null | undefined, never>
  transaction: ColumnType<string, string | undefined, never>
  user_agent: string | null
}

interface SystemContestingOwners {
  support_id: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
}

interface SystemDailyStats {
  active_organizations: number
  active_users: number
  computed_at: string
  day: string
  failures: number
  lockouts: number
  sign_ins: number
  sign_ups: number
}

interface SystemDevices {
  created_at: Generated<string>
  id: Generated<string>
  ip: string | null
  last_seen_at: Generated<string>
  revoked_at: string | null
  trusted_until: string | null
  user_agent: string | null
  user_id: string
}

interface SystemEntitlements {
  code: ColumnType<string, never, never>
  organization_id: ColumnType<string | null, never, never>
  writes: ColumnType<boolean, never, never>
}

interface SystemFormerAddresses {
  email: ColumnType<string, string, never>
  held_until: ColumnType<string, string | undefined, never>
  user_id: ColumnType<string, string, never>
}

interface SystemGate {
  organization_id: ColumnType<string, never, never>
  permission: ColumnType<string, never, never>
  reads: ColumnType<boolean, never, never>
  role: ColumnType<'owner' | 'admin' | 'member' | 'viewer' | 'superuser', never, never>
  session_id: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
  writes: ColumnType<boolean, never, never>
}

interface SystemGateState {
  entitlement_missing: ColumnType<boolean, never, never>
  live: ColumnType<boolean, never, never>
  member: ColumnType<boolean, never, never>
  operator: ColumnType<boolean, never, never>
  permitted: ColumnType<boolean, never, never>
  second_factor_missing: ColumnType<boolean, never, never>
  supported: ColumnType<boolean, never, never>
  suspended_at: ColumnType<string | null, never, never>
}

interface SystemIdempotencyKeys {
  created_at: Generated<string>
  key: string
  organization_id: string | null
  request_hash: string
  result: ColumnType<Json, string, string>
  route: string
  user_id: string
}

interface SystemIdentities {
  created_at: Generated<string>
  email: string | null
  id: Generated<string>
  issuer: string
  last_used_at: string | null
  provider: string
  subject: string
  user_id: string
}

interface SystemInvitations {
  accepted_at: ColumnType<string | null, never, string | null>
  company: ColumnType<string | null, never, string | null>
  created_at: ColumnType<string, never, string>
  email: ColumnType<string, never, string>
  expires_at: ColumnType<string, never, string>
  guest: ColumnType<boolean, never, boolean>
  id: ColumnType<string, never, string>
  invited_by: ColumnType<string | null, never, string | null>
  mail_at: ColumnType<string | null, never, string | null>
  organization_id: ColumnType<string, never, string>
  revoked_at: ColumnType<string | null, never, string | null>
  role: ColumnType<'owner' | 'admin' | 'member' | 'viewer', never, 'owner' | 'admin' | 'member' | 'viewer'>
  role_id: ColumnType<string | null, never, string | null>
  title: ColumnType<string | null, never, string | null>
  updated_at: ColumnType<string, never, string>
  version: ColumnType<number, never, number>
}

interface SystemLicenseActivations {
  created_at: Generated<string>
  expires_at: Generated<string>
  fingerprint: string
  id: Generated<string>
  last_seen_at: Generated<string>
  license_id: string
  metadata: ColumnType<Json, string | undefined, string>
  name: string | null
  organization_id: string
  removable_at: Generated<string>
  updated_at: Generated<string>
  version: Generated<number>
}

interface SystemLicenseFileKeys {
  created_at: ColumnType<string, string | undefined, never>
  id: ColumnType<string, string, never>
  private_key: ColumnType<Buffer, Buffer, never>
  public_key: ColumnType<string, string, never>
  signs_at: ColumnType<string, string, never>
}

interface SystemLicensePlans {
  activation: Generated<'node-locked' | 'floating'>
  code: string
  created_at: Generated<string>
  description: string | null
  duration_days: number | null
  entitlements: Generated<string[]>
  expiry_basis: Generated<'creation' | 'first-validation' | 'first-activation'>
  heartbeat_grace_seconds: Generated<number>
  heartbeat_seconds: number | null
  id: Generated<string>
  is_default: Generated<boolean>
  max_activations: number | null
  name: string
  on_expiry: Generated<'restrict' | 'read-only' | 'keep'>
  overage_percent: Generated<number>
  quotas: ColumnType<Json, string | undefined, string>
  seats: number | null
  updated_at: Generated<string>
  version: Generated<number>
}

interface SystemLicenses {
  activation: 'node-locked' | 'floating'
  created_at: Generated<string>
  duration_days: number | null
  entitlements: string[]
  expires_at: string | null
  expiry_basis: 'creation' | 'first-validation' | 'first-activation'
  first_activated_at: string | null
  first_validated_at: string | null
  heartbeat_grace_seconds: number
  heartbeat_seconds: number | null
  id: Generated<string>
  key_hash: Buffer
  key_prefix: string
  max_activations: number | null
  metadata: ColumnType<Json, string | undefined, string>
  name: string | null
  on_expiry: 'restrict' | 'read-only' | 'keep'
  organization_id: string
  overage_percent: number
  plan_id: string
  quotas: ColumnType<Json, string, string>
  seats: number | null
  starts_at: Generated<string>
  status: Generated<'draft' | 'active' | 'suspended' | 'revoked'>
  transferred_from: string | null
  transferred_to: string | null
  updated_at: Generated<string>
  version: Generated<number>
}

interface SystemLiveInvitations {
  company: ColumnType<string | null, never, never>
  created_at: ColumnType<string, never, never>
  expires_at: ColumnType<string, never, never>
  id: ColumnType<string, never, never>
  inviter_name: ColumnType<string, never, never>
  organization_id: ColumnType<string | null, never, never>
  organization_name: ColumnType<string, never, never>
  role: ColumnType<string | null, never, never>
  role_id: ColumnType<string | null, never, never>
  role_name: ColumnType<string, never, never>
  title: ColumnType<string | null, never, never>
  user_id: ColumnType<string | null, never, never>
}

interface SystemLiveInviters {
  organization_id: ColumnType<string, never, never>
  role: ColumnType<string, never, never>
  role_id: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
}

interface SystemLiveUsers {
  created_at: ColumnType<string, never, string>
  deleted_at: ColumnType<string | null, never, string | null>
  disabled_at: ColumnType<string | null, never, string | null>
  email: ColumnType<string, never, string>
  email_verified: ColumnType<boolean, never, boolean>
  email_verified_at: ColumnType<string | null, never, string | null>
  erased_at: ColumnType<string | null, never, string | null>
  family_name: ColumnType<string | null, never, string | null>
  full_name: ColumnType<string | null, never, string | null>
  gate_changed_in: ColumnType<string | null, never, string | null>
  given_name: ColumnType<string | null, never, string | null>
  guest: ColumnType<boolean, never, boolean>
  id: ColumnType<string, never, string>
  last_organization_id: ColumnType<string | null, never, string | null>
  locale: ColumnType<string | null, never, string | null>
  password_change_required_at: ColumnType<string | null, never, string | null>
  password_hash: ColumnType<string | null, never, string | null>
  superuser: ColumnType<boolean, never, boolean>
  superuser_since: ColumnType<string | null, never, string | null>
  superuser_through: ColumnType<string[], never, string[]>
  unopened_organization_ids: ColumnType<string[], never, string[]>
  updated_at: ColumnType<string, never, string>
  username: ColumnType<string | null, never, string | null>
  version: ColumnType<number, never, number>
}

interface SystemMemberships {
  company: string | null
  created_at: Generated<string>
  deleted_at: string | null
  disabled_at: string | null
  gate_changed_in: string | null
  organization_id: string
  removed_at: string | null
  role: 'owner' | 'admin' | 'member' | 'viewer'
  role_id: string | null
  title: string | null
  updated_at: Generated<string>
  user_id: string
  version: Generated<number>
}

interface SystemOneTimeTokens {
  client: string | null
  created_at: Generated<string>
  details: ColumnType<Json, string | undefined, string>
  email: string | null
  expires_at: string
  id: Generated<string>
  mail_at: string | null
  purpose: string
  sender: string | null
  used_at: string | null
  user_id: string | null
}

interface SystemOperator {
  session_id: ColumnType<string | null, never, never>
  user_id: ColumnType<string | null, never, never>
}

interface SystemOperatorLog {
  actor_id: ColumnType<string, never, never>
  created_at: ColumnType<string, never, never>
  details: ColumnType<Json | null, never, never>
  entity_id: ColumnType<string | null, never, never>
  entity_type: ColumnType<string | null, never, never>
  id: ColumnType<string, never, never>
  ip: ColumnType<string | null, never, string | null>
  operation: ColumnType<string, never, never>
  organization_id: ColumnType<string | null, never, never>
  request_id: ColumnType<string | null, never, never>
  session_id: ColumnType<string, never, never>
  user_agent: ColumnType<string | null, never, string | null>
}

interface SystemOrganizationDailyStats {
  active_members: number
  changes: number
  day: string
  invitations_accepted: number
  invitations_sent: number
  organization_id: string
  sign_ins: number
}

interface SystemOrganizations {
  created_at: Generated<string>
  deleted_at: string | null
  gate_changed_in: string | null
  id: Generated<string>
  kind: Generated<'personal' | 'team'>
  name: string
  second_factor_required: Generated<boolean>
  slug: string
  suspended_at: string | null
  suspended_reason: string | null
  updated_at: Generated<string>
  version: Generated<number>
}

interface SystemOwnAccount {
  authenticated_at: ColumnType<string, never, never>
  created_at: ColumnType<string, never, never>
  email: ColumnType<string, never, never>
  email_verified: ColumnType<boolean, never, never>
  expires_at: ColumnType<string, never, never>
  family_name: ColumnType<string | null, never, never>
  full_name: ColumnType<string | null, never, never>
  given_name: ColumnType<string | null, never, never>
  guest: ColumnType<boolean, never, never>
  ip: ColumnType<string | null, never, never>
  last_seen_at: ColumnType<string, never, never>
  locale: ColumnType<'en' | 'de' | null, never, never>
  second_factor: ColumnType<boolean, never, never>
  session_created_at: ColumnType<string, never, never>
  session_id: ColumnType<string, never, never>
  superuser: ColumnType<boolean, never, never>
  updated_at: ColumnType<string, never, never>
  user_agent: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
  username: ColumnType<string | null, never, never>
  version: ColumnType<number, never, never>
}

interface SystemOwnOrganizations {
  created_at: ColumnType<string, never, never>
  entitlements: ColumnType<string[], never, never>
  id: ColumnType<string, never, never>
  joined_at: ColumnType<string, never, never>
  kind: ColumnType<'personal' | 'team', never, never>
  name: ColumnType<string, never, never>
  permissions: ColumnType<string[], never, never>
  role: ColumnType<'owner' | 'admin' | 'member' | 'viewer' | 'custom', never, never>
  role_id: ColumnType<string | null, never, never>
  role_name: ColumnType<string, never, never>
  second_factor_required: ColumnType<boolean, never, never>
  slug: ColumnType<string, never, never>
  suspended_at: ColumnType<string | null, never, never>
  updated_at: ColumnType<string, never, never>
  user_id: ColumnType<string | null, never, never>
  version: ColumnType<number, never, never>
}

interface SystemPasskeys {
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

interface SystemPreferences {
  created_at: Generated<string>
  custom: ColumnType<Json, string | undefined, string>
  date_format: Generated<'auto' | 'iso' | 'dmy' | 'mdy'>
  editor_font_size: Generated<number>
  editor_tab_size: Generated<number>
  editor_word_wrap: Generated<boolean>
  language: string | null
  terminal_font_size: Generated<number>
  theme: Generated<'system' | 'light' | 'dark'>
  time_format: Generated<'auto' | '12h' | '24h'>
  time_zone: string | null
  updated_at: Generated<string>
  user_id: string
  version: Generated<number>
}

interface SystemRecoveryCodes {
  code_hash: Buffer
  created_at: Generated<string>
  used_at: string | null
  user_id: string
}

interface SystemRetiredNames {
  digest: ColumnType<Buffer, Buffer, never>
  retired_at: ColumnType<string, string | undefined, never>
}

interface SystemRolePermissions {
  permission: ColumnType<string, never, never>
  role: ColumnType<string, never, never>
}

interface SystemSecurityEvents {
  actor_id: ColumnType<string | null, string | null | undefined, never>
  created_at: ColumnType<string, string | undefined, never>
  details: ColumnType<Json | null, string | null | undefined, never>
  id: ColumnType<string, string | undefined, never>
  ip: string | null
  request_id: ColumnType<string | null, string | null | undefined, never>
  session_id: ColumnType<string | null, string | null | undefined, never>
  type: ColumnType<string, string, never>
  user_agent: string | null
  user_id: ColumnType<string | null, string | null | undefined, never>
}

interface SystemSeededAccounts {
  hash_digest: ColumnType<Buffer, Buffer, never>
  user_id: ColumnType<string, string, never>
}

interface SystemSelf {
  email_verified: ColumnType<boolean, never, never>
  second_factor: ColumnType<boolean, never, never>
  session_id: ColumnType<string, never, never>
  superuser: ColumnType<boolean, never, never>
  user_id: ColumnType<string, never, never>
}

interface SystemSessions {
  authenticated_at: Generated<string>
  created_at: Generated<string>
  device_id: string | null
  expires_at: string
  gate_changed_in: string | null
  generation: Generated<number>
  id: Generated<string>
  ip: string | null
  last_seen_at: Generated<string>
  methods: Generated<string[]>
  organization_id: string | null
  over_noted: Generated<boolean>
  revoked_at: string | null
  revoked_reason: string | null
  rotated_at: Generated<string[]>
  second_factor_at: string | null
  user_agent: string | null
  user_id: string
}

interface SystemSigningKeys {
  algorithm: string
  created_at: Generated<string>
  id: string
  private_key: Buffer
  public_key: string | null
  retired_at: string | null
}

interface SystemSupportGrants {
  created_at: ColumnType<string, never, never>
  emergency: ColumnType<boolean, never, never>
  ended_at: ColumnType<string | null, never, never>
  ended_by: ColumnType<string | null, never, never>
  expires_at: ColumnType<string | null, never, never>
  gate_changed_in: ColumnType<string | null, never, never>
  granted_at: ColumnType<string | null, never, never>
  granted_by: ColumnType<string | null, never, never>
  id: ColumnType<string, never, never>
  minutes: ColumnType<number, never, never>
  opens_at: ColumnType<string | null, never, never>
  operator_id: ColumnType<string, never, never>
  organization_id: ColumnType<string, never, never>
  reason: ColumnType<string, never, never>
  role: ColumnType<'viewer' | 'member', never, never>
  updated_at: ColumnType<string, never, never>
  version: ColumnType<number, never, never>
}

interface SystemThrottles {
  counted_since: string | null
  failures: Generated<number>
  key: string
  locked_until: string | null
  pending: Generated<number>
  pending_until: string | null
  updated_at: Generated<string>
}

interface SystemTotpFactors {
  confirmed_at: string | null
  created_at: Generated<string>
  id: Generated<string>
  last_step: number | null
  secret: Buffer
  user_id: string
}

interface SystemUsers {
  created_at: Generated<string>
  deleted_at: string | null
  disabled_at: string | null
  email: string
  email_verified: ColumnType<boolean, never, never>
  email_verified_at: string | null
  erased_at: string | null
  family_name: string | null
  full_name: string | null
  gate_changed_in: string | null
  given_name: string | null
  guest: Generated<boolean>
  id: Generated<string>
  last_organization_id: string | null
  locale: 'en' | 'de' | null
  password_change_required_at: string | null
  password_hash: string | null
  superuser: Generated<boolean>
  superuser_since: string | null
  superuser_through: Generated<string[]>
  unopened_organization_ids: Generated<string[]>
  updated_at: Generated<string>
  username: string | null
  version: Generated<number>
}

export interface SystemTables {
  [runsOn]: 'system'
  account_addresses: SystemAccountAddresses
  audit_log: SystemAuditLog
  contesting_owners: SystemContestingOwners
  daily_stats: SystemDailyStats
  devices: SystemDevices
  entitlements: SystemEntitlements
  former_addresses: SystemFormerAddresses
  gate: SystemGate
  gate_state: SystemGateState
  idempotency_keys: SystemIdempotencyKeys
  identities: SystemIdentities
  invitations: SystemInvitations
  license_activations: SystemLicenseActivations
  license_file_keys: SystemLicenseFileKeys
  license_plans: SystemLicensePlans
  licenses: SystemLicenses
  live_invitations: SystemLiveInvitations
  live_inviters: SystemLiveInviters
  live_users: SystemLiveUsers
  memberships: SystemMemberships
  one_time_tokens: SystemOneTimeTokens
  operator: SystemOperator
  operator_log: SystemOperatorLog
  organization_daily_stats: SystemOrganizationDailyStats
  organizations: SystemOrganizations
  own_account: SystemOwnAccount
  own_organizations: SystemOwnOrganizations
  passkeys: SystemPasskeys
  preferences: SystemPreferences
  recovery_codes: SystemRecoveryCodes
  retired_names: SystemRetiredNames
  role_permissions: SystemRolePermissions
  security_events: SystemSecurityEvents
  seeded_accounts: SystemSeededAccounts
  self: SystemSelf
  sessions: SystemSessions
  signing_keys: SystemSigningKeys
  support_grants: SystemSupportGrants
  throttles: SystemThrottles
  totp_factors: SystemTotpFactors
  users: SystemUsers
}

/** What both may do. */
interface EitherAuditLog {
  action: ColumnType<string, string, never>
  actor_id: ColumnType<string | null, string | null | undefined, never>
  after: ColumnType<Json | null, string | null | undefined, never>
  before: ColumnType<Json | null, string | null | undefined, never>
  entity_id: ColumnType<string | null, string | null | undefined, never>
  entity_type: ColumnType<string, string, never>
  id: ColumnType<string, string | undefined, never>
  ip: ColumnType<string | null, string | null | undefined, never>
  operator_id: ColumnType<string | null, string | null | undefined, never>
  organization_id: ColumnType<string, string, never>
  request_id: ColumnType<string | null, string | null | undefined, never>
  sequence: ColumnType<number, number | undefined, never>
  session_id: ColumnType<string | null, string | null | undefined, never>
  transaction: ColumnType<string, string | undefined, never>
  user_agent: ColumnType<string | null, string | null | undefined, never>
}

interface EitherDevices {
  created_at: ColumnType<string, never, never>
  id: ColumnType<string, never, never>
  ip: ColumnType<string | null, never, never>
  last_seen_at: ColumnType<string, never, never>
  revoked_at: ColumnType<string | null, never, string | null>
  trusted_until: ColumnType<string | null, never, never>
  user_agent: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
}

interface EitherGate {
  organization_id: ColumnType<string, never, never>
  permission: ColumnType<string, never, never>
  reads: ColumnType<boolean, never, never>
  role: ColumnType<'owner' | 'admin' | 'member' | 'viewer' | 'superuser', never, never>
  session_id: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
  writes: ColumnType<boolean, never, never>
}

interface EitherGateState {
  entitlement_missing: ColumnType<boolean, never, never>
  live: ColumnType<boolean, never, never>
  member: ColumnType<boolean, never, never>
  operator: ColumnType<boolean, never, never>
  permitted: ColumnType<boolean, never, never>
  second_factor_missing: ColumnType<boolean, never, never>
  supported: ColumnType<boolean, never, never>
  suspended_at: ColumnType<string | null, never, never>
}

interface EitherIdempotencyKeys {
  created_at: Generated<string>
  key: string
  organization_id: string | null
  request_hash: string
  result: ColumnType<Json, string, string>
  route: string
  user_id: string
}

interface EitherIdentities {
  created_at: ColumnType<string, never, never>
  email: ColumnType<string | null, never, never>
  id: ColumnType<string, never, never>
  issuer: ColumnType<string, never, never>
  last_used_at: ColumnType<string | null, never, never>
  provider: ColumnType<string, never, never>
  subject: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
}

interface EitherInvitations {
  accepted_at: ColumnType<string | null, never, string | null>
  company: ColumnType<string | null, never, string | null>
  created_at: ColumnType<string, never, string>
  email: ColumnType<string, never, string>
  expires_at: ColumnType<string, never, string>
  guest: ColumnType<boolean, never, boolean>
  id: ColumnType<string, never, string>
  invited_by: ColumnType<string | null, never, string | null>
  mail_at: ColumnType<string | null, never, string | null>
  organization_id: ColumnType<string, never, string>
  revoked_at: ColumnType<string | null, never, string | null>
  role: ColumnType<'owner' | 'admin' | 'member' | 'viewer', never, 'owner' | 'admin' | 'member' | 'viewer'>
  role_id: ColumnType<string | null, never, string | null>
  title: ColumnType<string | null, never, string | null>
  updated_at: ColumnType<string, never, string>
  version: ColumnType<number, never, number>
}

interface EitherLicenseActivations {
  created_at: ColumnType<string, never, never>
  expires_at: ColumnType<string, never, never>
  fingerprint: ColumnType<string, never, never>
  id: ColumnType<string, never, never>
  last_seen_at: ColumnType<string, never, never>
  license_id: ColumnType<string, never, never>
  metadata: ColumnType<Json, never, never>
  name: ColumnType<string | null, never, never>
  organization_id: ColumnType<string, never, never>
  removable_at: ColumnType<string, never, never>
  updated_at: ColumnType<string, never, never>
  version: ColumnType<number, never, never>
}

interface EitherLicensePlans {
  activation: ColumnType<'node-locked' | 'floating', never, never>
  code: ColumnType<string, never, never>
  created_at: ColumnType<string, never, never>
  description: ColumnType<string | null, never, never>
  duration_days: ColumnType<number | null, never, never>
  entitlements: ColumnType<string[], never, never>
  expiry_basis: ColumnType<'creation' | 'first-validation' | 'first-activation', never, never>
  heartbeat_grace_seconds: ColumnType<number, never, never>
  heartbeat_seconds: ColumnType<number | null, never, never>
  id: ColumnType<string, never, never>
  is_default: ColumnType<boolean, never, never>
  max_activations: ColumnType<number | null, never, never>
  name: ColumnType<string, never, never>
  on_expiry: ColumnType<'restrict' | 'read-only' | 'keep', never, never>
  overage_percent: ColumnType<number, never, never>
  quotas: ColumnType<Json, never, never>
  seats: ColumnType<number | null, never, never>
  updated_at: ColumnType<string, never, never>
  version: ColumnType<number, never, never>
}

interface EitherLicenses {
  activation: 'node-locked' | 'floating'
  created_at: Generated<string>
  duration_days: number | null
  entitlements: string[]
  expires_at: string | null
  expiry_basis: 'creation' | 'first-validation' | 'first-activation'
  first_activated_at: string | null
  first_validated_at: string | null
  heartbeat_grace_seconds: number
  heartbeat_seconds: number | null
  id: Generated<string>
  key_hash: ColumnType<never, Buffer, Buffer>
  key_prefix: string
  max_activations: number | null
  metadata: ColumnType<Json, string | undefined, string>
  name: string | null
  on_expiry: 'restrict' | 'read-only' | 'keep'
  organization_id: string
  overage_percent: number
  plan_id: string
  quotas: ColumnType<Json, string, string>
  seats: number | null
  starts_at: Generated<string>
  status: Generated<'draft' | 'active' | 'suspended' | 'revoked'>
  transferred_from: string | null
  transferred_to: string | null
  updated_at: Generated<string>
  version: Generated<number>
}

interface EitherMemberships {
  company: string | null
  created_at: Generated<string>
  deleted_at: string | null
  disabled_at: string | null
  gate_changed_in: string | null
  organization_id: string
  removed_at: string | null
  role: 'owner' | 'admin' | 'member' | 'viewer'
  role_id: string | null
  title: string | null
  updated_at: Generated<string>
  user_id: string
  version: Generated<number>
}

interface EitherOperator {
  session_id: ColumnType<string | null, never, never>
  user_id: ColumnType<string | null, never, never>
}

interface EitherOrganizationDailyStats {
  active_members: ColumnType<number, never, never>
  changes: ColumnType<number, never, never>
  day: ColumnType<string, never, never>
  invitations_accepted: ColumnType<number, never, never>
  invitations_sent: ColumnType<number, never, never>
  organization_id: ColumnType<string, never, never>
  sign_ins: ColumnType<number, never, never>
}

interface EitherOrganizations {
  created_at: Generated<string>
  deleted_at: string | null
  gate_changed_in: string | null
  id: Generated<string>
  kind: Generated<'personal' | 'team'>
  name: string
  second_factor_required: Generated<boolean>
  slug: string
  suspended_at: string | null
  suspended_reason: string | null
  updated_at: Generated<string>
  version: Generated<number>
}

interface EitherOwnAccount {
  authenticated_at: ColumnType<string, never, never>
  created_at: ColumnType<string, never, never>
  email: ColumnType<string, never, never>
  email_verified: ColumnType<boolean, never, never>
  expires_at: ColumnType<string, never, never>
  family_name: ColumnType<string | null, never, never>
  full_name: ColumnType<string | null, never, never>
  given_name: ColumnType<string | null, never, never>
  guest: ColumnType<boolean, never, never>
  ip: ColumnType<string | null, never, never>
  last_seen_at: ColumnType<string, never, never>
  locale: ColumnType<'en' | 'de' | null, never, never>
  second_factor: ColumnType<boolean, never, never>
  session_created_at: ColumnType<string, never, never>
  session_id: ColumnType<string, never, never>
  superuser: ColumnType<boolean, never, never>
  updated_at: ColumnType<string, never, never>
  user_agent: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
  username: ColumnType<string | null, never, never>
  version: ColumnType<number, never, never>
}

interface EitherOwnOrganizations {
  created_at: ColumnType<string, never, never>
  entitlements: ColumnType<string[], never, never>
  id: ColumnType<string, never, never>
  joined_at: ColumnType<string, never, never>
  kind: ColumnType<'personal' | 'team', never, never>
  name: ColumnType<string, never, never>
  permissions: ColumnType<string[], never, never>
  role: ColumnType<'owner' | 'admin' | 'member' | 'viewer' | 'custom', never, never>
  role_id: ColumnType<string | null, never, never>
  role_name: ColumnType<string, never, never>
  second_factor_required: ColumnType<boolean, never, never>
  slug: ColumnType<string, never, never>
  suspended_at: ColumnType<string | null, never, never>
  updated_at: ColumnType<string, never, never>
  user_id: ColumnType<string | null, never, never>
  version: ColumnType<number, never, never>
}

interface EitherPasskeys {
  backed_up: ColumnType<boolean, never, never>
  created_at: ColumnType<string, never, never>
  credential_id: ColumnType<Buffer, never, never>
  id: ColumnType<string, never, never>
  last_used_at: ColumnType<string | null, never, never>
  name: ColumnType<string, never, string>
  transports: ColumnType<string[], never, never>
  updated_at: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
  version: ColumnType<number, never, never>
}

interface EitherPreferences {
  created_at: ColumnType<string, never, never>
  custom: ColumnType<Json, never, string>
  date_format: ColumnType<'auto' | 'iso' | 'dmy' | 'mdy', never, 'auto' | 'iso' | 'dmy' | 'mdy'>
  editor_font_size: ColumnType<number, never, number>
  editor_tab_size: ColumnType<number, never, number>
  editor_word_wrap: ColumnType<boolean, never, boolean>
  language: ColumnType<string | null, never, string | null>
  terminal_font_size: ColumnType<number, never, number>
  theme: ColumnType<'system' | 'light' | 'dark', never, 'system' | 'light' | 'dark'>
  time_format: ColumnType<'auto' | '12h' | '24h', never, 'auto' | '12h' | '24h'>
  time_zone: ColumnType<string | null, never, string | null>
  updated_at: ColumnType<string, never, never>
  user_id: ColumnType<string, never, never>
  version: ColumnType<number, never, never>
}

interface EitherRecoveryCodes {
  used_at: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
}

interface EitherRetiredNames {
  digest: ColumnType<Buffer, never, never>
}

interface EitherSecurityEvents {
  actor_id: ColumnType<never, string | null | undefined, never>
  created_at: ColumnType<never, string | undefined, never>
  details: ColumnType<never, string | null | undefined, never>
  id: ColumnType<never, string | undefined, never>
  ip: ColumnType<never, string | null | undefined, never>
  request_id: ColumnType<never, string | null | undefined, never>
  session_id: ColumnType<never, string | null | undefined, never>
  type: ColumnType<never, string, never>
  user_agent: ColumnType<never, string | null | undefined, never>
  user_id: ColumnType<never, string | null | undefined, never>
}

interface EitherSelf {
  email_verified: ColumnType<boolean, never, never>
  second_factor: ColumnType<boolean, never, never>
  session_id: ColumnType<string, never, never>
  superuser: ColumnType<boolean, never, never>
  user_id: ColumnType<string, never, never>
}

interface EitherSessions {
  authenticated_at: ColumnType<string, never, never>
  created_at: ColumnType<string, never, never>
  device_id: ColumnType<string | null, never, never>
  expires_at: ColumnType<string, never, never>
  id: ColumnType<string, never, never>
  ip: ColumnType<string | null, never, never>
  last_seen_at: ColumnType<string, never, never>
  methods: ColumnType<string[], never, never>
  organization_id: ColumnType<string | null, never, string | null>
  revoked_at: ColumnType<string | null, never, string | null>
  revoked_reason: ColumnType<string | null, never, string | null>
  second_factor_at: ColumnType<string | null, never, never>
  user_agent: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
}

interface EitherSupportGrants {
  created_at: ColumnType<string, never, never>
  emergency: ColumnType<boolean, never, never>
  ended_at: ColumnType<string | null, never, never>
  ended_by: ColumnType<string | null, never, never>
  expires_at: ColumnType<string | null, never, never>
  gate_changed_in: ColumnType<string | null, never, never>
  granted_at: ColumnType<string | null, never, never>
  granted_by: ColumnType<string | null, never, never>
  id: ColumnType<string, never, never>
  minutes: ColumnType<number, never, never>
  opens_at: ColumnType<string | null, never, never>
  operator_id: ColumnType<string, never, never>
  organization_id: ColumnType<string, never, never>
  reason: ColumnType<string, never, never>
  role: ColumnType<'viewer' | 'member', never, never>
  updated_at: ColumnType<string, never, never>
  version: ColumnType<number, never, never>
}

interface EitherTotpFactors {
  confirmed_at: ColumnType<string | null, never, never>
  user_id: ColumnType<string, never, never>
}

interface EitherUsers {
  created_at: ColumnType<string, never, never>
  deleted_at: ColumnType<string | null, never, never>
  disabled_at: ColumnType<string | null, never, never>
  email: ColumnType<string, never, never>
  email_verified: ColumnType<boolean, never, never>
  erased_at: ColumnType<string | null, never, never>
  family_name: ColumnType<string | null, never, string | null>
  full_name: ColumnType<string | null, never, string | null>
  given_name: ColumnType<string | null, never, string | null>
  guest: ColumnType<boolean, never, never>
  id: ColumnType<string, never, never>
  last_organization_id: ColumnType<never, never, string | null>
  locale: ColumnType<'en' | 'de' | null, never, 'en' | 'de' | null>
  superuser: ColumnType<boolean, never, never>
  updated_at: ColumnType<string, never, never>
  username: ColumnType<string | null, never, string | null>
  version: ColumnType<number, never, never>
}

export interface EitherTables {
  [runsOn]: 'tenant' | 'system'
  audit_log: EitherAuditLog
  devices: EitherDevices
  gate: EitherGate
  gate_state: EitherGateState
  idempotency_keys: EitherIdempotencyKeys
  identities: EitherIdentities
  invitations: EitherInvitations
  license_activations: EitherLicenseActivations
  license_plans: EitherLicensePlans
  licenses: EitherLicenses
  memberships: EitherMemberships
  operator: EitherOperator
  organization_daily_stats: EitherOrganizationDailyStats
  organizations: EitherOrganizations
  own_account: EitherOwnAccount
  own_organizations: EitherOwnOrganizations
  passkeys: EitherPasskeys
  preferences: EitherPreferences
  recovery_codes: EitherRecoveryCodes
  retired_names: EitherRetiredNames
  security_events: EitherSecurityEvents
  self: EitherSelf
  sessions: EitherSessions
  support_grants: EitherSupportGrants
  totp_factors: EitherTotpFactors
  users: EitherUsers
}
