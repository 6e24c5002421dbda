import assert from 'node:assert/strict'
import { features } from '../src/features.ts'
import { formatOf } from '../src/platform/http/wire-format.ts'
import { declare } from '../src/platform/declarations.ts'
import type { ProblemCode } from '../src/platform/problems.ts'
import { permissionsOf } from '../src/platform/gate/permissions.ts'
import type { Permission, PermissionTable } from '../src/platform/gate/permissions.ts'
import { buildRequest, kindsOf, listAllOperations, unproved } from './isolation-requests.ts'
import type { Operation } from './isolation-requests.ts'
import { createWorlds } from './isolation-world.ts'
import type { Standing } from './isolation-world.ts'
import type { Answer, TestApp } from './test-app.ts'

const standings: Readonly<Record<string, Standing | 'nobody'>> = {
  owner: { role: 'owner' },
  admin: { role: 'admin' },
  member: { role: 'member' },
  viewer: { role: 'viewer' },
  anonymous: 'nobody',
  'not a member': { role: 'none' },
  'a superuser who is not a member': { role: 'none', superuser: true },
  'a token without an organization': { named: false },
  'an ended membership': { membership: 'ended' },
  'a disabled membership': { membership: 'disabled' },
  'a closed organization': { organization: 'closed' },
  'a session without the required second factor': { secondFactor: 'missing' },
  'a session that has verified the second factor': { secondFactor: 'proved' },
  'a revoked session': { session: 'revoked' },
  'an expired session': { session: 'expired' },
  'a disabled account': { account: 'disabled' },
  'a deleted account': { account: 'deleted' },
}

/** Permissions that an organization's requirement of a second factor does not affect. */
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
}

/** The problem's code, or 'done'. */
function expected(
  { id, access }: Operation,
  name: string,
  standing: Standing | 'nobody',
  permissions: PermissionTable,
): string | undefined {
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
  } = standing
  if (access === 'session') return session !== 'live' || account !== 'live' ? 'session-ended' : 'done'
  if (!named) return 'organization-required'
  if (session !== 'live' || account !== 'live') return 'session-ended'
  if ((permissions as Record<string, string>)[access] === 'superuser') return superuser ? 'done' : 'permission-missing'
  if (secondFactor === 'missing' && !waysOut.includes(access)) return 'second-factor-required'
  if (role === 'none' || membership !== 'live' || organization !== 'live') return 'membership-ended'
  return permissionsOf(permissions, role).includes(access as Permission) ? 'done' : 'permission-missing'
}

const { problems, formats } = declare(features)

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
   * Every caller sends a request that would succeed, so only the caller's state matters. @returns the exceptions that
   * occurred
   */
  check(operation: Operation): Promise<string[]>
  /** The response to a client without an account, with everything in place that the operation needs. */
  askAsStranger(operation: Operation): Promise<Answer>
}

/** Compares the responses with the permissions that the features declare. */
export async function createRoleMatrix(app: TestApp): Promise<RoleMatrix> {
  const worlds = await createWorlds(app)
  const { permissions } = app.services.declared
  return {
    operations: await listAllOperations(app.app),
    check: async operation => {
      const met: string[] = []
      for (const [name, standing] of Object.entries(standings)) {
        const wanted = expected(operation, name, standing, permissions)
        if (wanted === undefined) continue
        if (`${operation.id} ${name}` in exceptions) met.push(`${operation.id} ${name}`)
        const world = await worlds(standing === 'nobody' ? {} : standing, kindsOf(operation))
        const { method, path, body, headers } = buildRequest(operation, world, new Map())
        const answer =
          standing === 'nobody'
            ? await app.call(method, path, body, headers)
            : await world.call(method, path, body, headers)
        assert.equal(
          outcomeOf(operation, answer),
          wanted === 'done' ? wanted : codeIn(operation, wanted),
          `${name}: ${answer.status} ${answer.text}`,
        )
        if (wanted !== 'done')
          assert.equal(
            answer.status,
            ['permission-missing', 'second-factor-required'].includes(wanted)
              ? 403
              : wanted === 'invalid-fields'
                ? 422
                : 401,
            answer.text,
          )
      }
      return met
    },
    askAsStranger: async operation => {
      const { method, path, body } = buildRequest(operation, await worlds({}, kindsOf(operation)), new Map())
      return app.call(method, path, body)
    },
  }
}
