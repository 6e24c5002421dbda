import assert from 'node:assert/strict'
import pg from 'pg'
import { features } from '../../src/features.ts'
import { formatOf } from '../../src/platform/http/wire-format.ts'
import { declare } from '../../src/platform/declarations.ts'
import type { ProblemCode } from '../../src/platform/problems.ts'
import { permissionsOf, supportPermissionsOf } from '../../src/platform/gate/permissions.ts'
import type { PermissionTable } from '../../src/platform/gate/permissions.ts'
import { kindsOf, listAllOperations } from './operations.ts'
import { permissionFor } from './named-permissions.ts'
import { unproved } from './values.ts'
import { buildRequest } from './requests.ts'
import type { Operation } from './operations.ts'
import type { Request } from './requests.ts'
import { countSupportRequests, createWorlds } from './world.ts'
import type { Standing, World } from './world.ts'
import type { Answer, TestApp } from '../test-app.ts'

const standings: Readonly<Record<string, Standing | 'nobody'>> = {
  owner: { role: 'owner' },
  admin: { role: 'admin' },
  member: { role: 'member' },
  viewer: { role: 'viewer' },
  anonymous: 'nobody',
  'not a member': { role: 'none' },
  'a superuser who is not a member': { role: 'none', superuser: true },
  'a token without an organization': { named: false },
  'a superuser whose token names no organization': { named: false, superuser: true },
  'a superuser with a revoked session': { role: 'none', superuser: true, session: 'revoked' },
  'a superuser with an expired session': { role: 'none', superuser: true, session: 'expired' },
  'a disabled superuser': { role: 'none', superuser: true, account: 'disabled' },
  'a deleted superuser': { role: 'none', superuser: true, account: 'deleted' },
  'an ended membership': { membership: 'ended' },
  'a disabled membership': { membership: 'disabled' },
  'a closed organization': { organization: 'closed' },
  'a suspended organization': { organization: 'suspended' },
  'a session without the required second factor': { secondFactor: 'missing' },
  'a session that has verified the second factor': { secondFactor: 'proved' },
  'a revoked session': { session: 'revoked' },
  'an expired session': { session: 'expired' },
  'a disabled account': { account: 'disabled' },
  'a deleted account': { account: 'deleted' },
  'support access as a viewer': { support: 'viewer' },
  'support access as a member': { support: 'member' },
}

/**
 * For each permission that a custom role may have: a role with only that one, and a role with all others. Every role can
 * read the organization and leave it.
 */
function customStandings(permissions: PermissionTable): Readonly<Record<string, Standing>> {
  const base: readonly string[] = ['organization:read', 'organization:leave']
  const allowed = permissionsOf(permissions, 'admin')
  const names = allowed.flatMap((permission): [string, Standing][] => {
    const others = allowed.filter(word => word !== permission || base.includes(word))
    return [
      [`a custom role with only ${permission}`, { permissions: [...new Set([...base, permission])] }],
      [`a custom role with all but ${permission}`, { permissions: others }],
    ]
  })
  return Object.fromEntries(names)
}

/** Permissions that neither an organization's requirement of a second factor nor its suspension affects. */
const waysOut = ['organization:leave'] // there is another owner, so transferring and deleting are none

/** Deviations from the rule, each with the reason. */
export const exceptions: Readonly<Record<string, string>> = {
  'getMe not a member': 'membership-ended', // the token names an organization that is not the caller's
  'getMe a superuser who is not a member': 'membership-ended',
  'getMe an ended membership': 'membership-ended',
  'getMe a disabled membership': 'membership-ended',
  'getMe a closed organization': 'membership-ended',
  'switchOrganization not a member': 'invalid-fields', // it asks for the organization of the world
  'switchOrganization a superuser who is not a member': 'invalid-fields',
  'switchOrganization an ended membership': 'invalid-fields',
  'switchOrganization a disabled membership': 'invalid-fields',
  'switchOrganization a closed organization': 'invalid-fields',
  // Support access sees no members.
  'listDepartmentsOfPerson support access as a viewer': 'not-found',
  'listDepartmentsOfPerson support access as a member': 'not-found',
}

/** The problem's code, or 'done'. */
function expected(
  operation: Operation,
  name: string,
  standing: Standing | 'nobody',
  permissions: PermissionTable,
): string | undefined {
  const { id } = operation
  const access = permissionFor(operation)
  const exception = exceptions[`${id} ${name}`]
  if (exception !== undefined) return exception
  if (access === 'public') return undefined // decided by the body, not by the caller
  if (standing === 'nobody') return 'not-signed-in'
  const {
    role = 'owner',
    session = 'live',
    account = 'live',
    membership = 'live',
    organization = 'live',
    secondFactor,
    superuser = false,
    named = true,
    permissions: own,
    support,
  } = standing
  if (support !== undefined)
    return supportPermissionsOf({ permissions, supportPermissions }, support).some(word => word === access)
      ? 'done'
      : 'support-access-limited'
  if (access === 'session') return session !== 'live' || account !== 'live' ? 'session-ended' : 'done'
  const isOfOperators = (permissions as Record<string, string>)[access] === 'superuser'
  if (!named && !isOfOperators) return 'organization-required'
  if (session !== 'live' || account !== 'live') return 'session-ended'
  if (isOfOperators) return superuser ? 'done' : 'permission-missing'
  if (secondFactor === 'missing' && !waysOut.includes(access)) return 'second-factor-required'
  if (role === 'none' || membership !== 'live' || organization === 'closed') return 'membership-ended'
  if (organization === 'suspended' && !waysOut.includes(access)) return 'organization-suspended'
  const held: readonly string[] = own ?? permissionsOf(permissions, role)
  return held.includes(access) ? 'done' : 'permission-missing'
}

const { problems, formats, supportPermissions } = declare(features)

/** The code for a problem in the wire format of the operation. */
function codeIn({ path }: Operation, code: string): string {
  const status = problems[code]?.[0] ?? 0
  return formatOf(formats, path)?.errors.codeOf({ code: code as ProblemCode, status }) ?? code
}

export function outcomeOf(operation: Operation, { status, body }: Answer): string {
  const expected = unproved[operation.id]
  const code: string = body?.code ?? body?.error?.code
  return status < 400 || (expected !== undefined && code === codeIn(operation, expected)) ? 'done' : code
}

export interface RoleMatrix {
  operations: readonly Operation[]
  /**
   * Every caller sends a request that would succeed, so only the caller's state matters; one that succeeds and writes has
   * a world of its own. @returns the exceptions that occurred
   */
  check(operation: Operation): Promise<string[]>
  /**
   * Every custom role sends the operation, also with each filter of a list. The callers share a world each, so one that
   * passes the gate may be refused for another reason. @returns the number of requests
   */
  checkCustomRoles(operation: Operation): Promise<number>
  /** Compares the explanation of every permission with the gate, in every standing. @returns how often each reason was given */
  checkExplanations(): Promise<Record<string, number>>
  /** The response to a client without an account, with everything in place that the operation needs. */
  askAsStranger(operation: Operation): Promise<Answer>
}

/** The request, and the same with each filter of a list. */
function variantsOf(operation: Operation, world: World): Request[] {
  const plain = buildRequest(operation, world, new Map())
  if (operation.method !== 'GET') return [plain]
  const join = (name: string, value: string): Request => {
    const url = new URL(plain.path, 'http://localhost')
    url.searchParams.set(name, value)
    return { ...plain, path: url.pathname + url.search }
  }
  const filters = Object.entries(operation.plainQuery).map(([name, [value = '']]) => join(name, value))
  const ids = operation.places.filter(({ where, kind }) => where === 'query' && world.own[kind] !== undefined)
  return [plain, ...filters, ...ids.map(({ name, kind }) => join(name, world.own[kind]!))]
}

async function isGateOpen({ database }: TestApp, { session_id }: World, organization_id: string, permission: string) {
  const settings = Object.entries({ session_id, organization_id, permission })
  const set = settings.map(([name, value]) => `set_config('app.${name}', ${pg.escapeLiteral(value)}, true)`).join()
  // In one round trip.
  const results: unknown = await database.tenant.pool.query(`begin; select ${set}; select from gate; rollback`)
  return (results as pg.QueryResult[])[2]!.rowCount === 1
}

/** Compares the responses with the permissions that the features declare. */
export async function createRoleMatrix(app: TestApp): Promise<RoleMatrix> {
  const worlds = await createWorlds(app)
  const { permissions } = app.services.declared
  const custom = customStandings(permissions)
  const shared = new Map<string, { world: World; requests: number }>()
  /** The world of that standing or custom role; a new one if the last one can no longer be used, or has been for long. */
  async function worldOf(name: string, standing: Standing): Promise<World> {
    const known = shared.get(name)
    const { world, requests } =
      known !== undefined && known.requests < 50 ? known : { world: await worlds(standing, 'all'), requests: 0 }
    shared.set(name, { world, requests: requests + 1 })
    return world
  }
  return {
    operations: await listAllOperations(app.app),
    check: async operation => {
      const met: string[] = []
      for (const [name, standing] of Object.entries(standings)) {
        const wanted = expected(operation, name, standing, permissions)
        if (wanted === undefined) continue
        if (`${operation.id} ${name}` in exceptions) met.push(`${operation.id} ${name}`)
        // A request that must be refused, or only reads, leaves its world as it was for the next operation.
        const given = standing === 'nobody' ? {} : standing
        const isKept = wanted !== 'done' || operation.method === 'GET'
        const world = isKept ? await worldOf(name, given) : await worlds(given, kindsOf(operation))
        const { method, path, body, headers } = buildRequest(operation, world, new Map())
        const isOfSupport = standing !== 'nobody' && standing.support !== undefined
        const recorded = isOfSupport ? await countSupportRequests(app.admin, world) : 0
        const answer =
          standing === 'nobody'
            ? await app.call(method, path, body, headers)
            : await world.call(method, path, body, headers)
        assert.equal(
          outcomeOf(operation, answer),
          wanted === 'done' ? wanted : codeIn(operation, wanted),
          `${name}: ${answer.status} ${answer.text}`,
        )
        if (wanted !== 'done') assert.equal(answer.status, problems[wanted]?.[0], answer.text)
        if (isOfSupport)
          assert.equal(
            await countSupportRequests(app.admin, world),
            recorded + 1,
            'each request under support access is on record',
          )
      }
      return met
    },
    checkCustomRoles: async operation => {
      const asked = permissionFor(operation)
      if (!asked.includes(':')) return 0
      let sent = 0
      for (const [name, standing] of Object.entries(custom)) {
        // The roles with one permission show what it allows; those with nearly all matter where they lack the one asked.
        const { permissions: own = [] } = standing
        if (own.length > 3 && own.includes(asked)) continue
        const wanted = expected(operation, name, standing, permissions)
        const world = await worldOf(name, standing)
        for (const request of variantsOf(operation, world)) {
          const answer = await world.call(request.method, request.path, request.body, request.headers)
          const code: unknown = answer.body?.code ?? answer.body?.error?.code
          const isRefused = code === codeIn(operation, 'permission-missing')
          assert.equal(isRefused, wanted !== 'done', `${name}: ${request.path} ${answer.status} ${answer.text}`)
          assert.notEqual(answer.status, 401, `${name}: ${answer.text}`)
          sent++
        }
        // It ends the caller's own membership.
        if (operation.id === 'leaveOrganization') shared.delete(name)
      }
      return sent
    },
    checkExplanations: async () => {
      const reasons: Record<string, number> = {}
      const more: Record<string, Standing> = {
        'a superuser': { superuser: true },
        'a superuser without the second factor': { secondFactor: 'missing', superuser: true },
      }
      for (const [name, standing] of Object.entries({ ...standings, ...custom, ...more })) {
        // Support access reaches no account, so nothing is explained to it.
        if (standing === 'nobody' || standing.support !== undefined) continue
        const world = await worlds(standing)
        for (const permission of Object.keys(permissions)) {
          const { status, body } = await world.call('GET', `/api/v1/auth/me?explain=${permission}`)
          const isOpen = await isGateOpen(app, world, standing.named === false ? '' : world.organization_id, permission)
          if (status !== 200) {
            assert.ok(['session-ended', 'membership-ended'].includes(body.code), `${name}: ${body.code}`)
            continue
          }
          const { explanation } = body
          assert.equal(explanation.allowed, isOpen, `${name}, ${permission}: ${JSON.stringify(explanation)}`)
          assert.equal(/^allowed|has-permission$/.test(explanation.reason), isOpen, `${name}, ${permission}`)
          reasons[explanation.reason] = (reasons[explanation.reason] ?? 0) + 1
        }
      }
      return reasons
    },
    askAsStranger: async operation => {
      const { method, path, body } = buildRequest(operation, await worlds({}, kindsOf(operation)), new Map())
      return app.call(method, path, body)
    },
  }
}
