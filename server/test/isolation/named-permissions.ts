import type { Operation } from './operations.ts'

/** Paths without a role: what belongs to no user, to a visitor, to a program with a key, or to the user alone. */
const withoutRole =
  /^\/(?:$|health|ready|api\/(?:healthz|health|system)|\.well-known|oauth|api\/v1\/(?:health|auth|oauth|users\/(?:me|profile|sessions)|invitations\/(?:accept|preview)|licenses\/(?:validate|activate|heartbeat|deactivate|activations|files)$)|api\/v5\/(?:health|ready|auth|users))(?:\/|$)/

/** Operations whose permission does not follow from method and path, each with the reason. */
export const namedPermissions: Readonly<Record<string, readonly [permission: string, reason: string]>> = {
  listOrganizations: ['session', "the caller's own organizations, in whatever role"],
  createOrganization: ['session', 'there is no role yet'],
  deleteOrganization: ['organization:delete', 'only for owners, unlike other changes'],
  leaveOrganization: ['organization:leave', 'everyone may'],
  transferOrganization: ['organization:transfer', 'only for owners'],
  deleteLicenseActivation: ['licenses:write', 'administrators decide on which devices their license is in use'],
  addMember: ['invitations:write', 'a membership begins with an invitation'],
  invitePerson: ['invitations:write', 'a membership begins with an invitation'],
  getCacheStats: ['admin:cache:read', 'the path is one of an older API, which has no admin in it'],
  clearCache: ['admin:cache:write', 'the path is one of an older API, which has no admin in it'],
  requestSupportAccess: ['admin:support:write', 'it is about the access, and not about the organization'],
  revokeSessionsOfUser: ['admin:sessions:write', 'it ends sessions, like the operations on single ones'],
  revokeSessionsOfOrganization: ['admin:sessions:write', 'it ends sessions, like the operations on single ones'],
  getLimits: ['organization:read', 'every member may know what is left'],
  getLimitsOfOrganization: ['admin:limits:read', 'the limits have their own permission'],
  listLicensePlans: ['session', 'plans belong to no organization'],
  getLicensePlan: ['session', 'plans belong to no organization'],
  reinstateLicense: ['admin:licenses:reinstate', 'the only way out of a revocation has its own permission'],
}

/** What a path calls otherwise than the permission does. */
const words: Readonly<Record<string, string>> = {
  'audit-logs': 'audit',
  users: 'members',
  org: 'structure',
  sessions: 'workspaces', // in v5
}

/** What an operation should require, by its method and path and not by what its route declares. */
export function permissionFor({ id, method, path, access }: Operation): string {
  const named = namedPermissions[id]
  if (named !== undefined) return named[0]
  if (withoutRole.test(path)) return access.includes(':') ? 'none' : access
  const [first, ...rest] = path
    .replace(/^\/api\/v[15]\//, '')
    .split('/')
    .filter(segment => !segment.startsWith('{'))
  const verb = method === 'GET' ? 'read' : 'write'
  // Operators write what organizations and users only read.
  if (verb === 'write' && first?.startsWith('license') === true) return `admin:${first}:write`
  const word = (segment = ''): string => words[segment] ?? segment
  // Operators' paths name what belongs to no organization, and `sessions` there are not those of v5.
  if (first === 'admin') return `admin:${rest[0] === 'audit-logs' ? 'audit' : (rest[0] ?? '')}:${verb}`
  return `${first === 'organizations' ? word(rest[0] ?? 'organization') : word(first)}:${verb}`
}
