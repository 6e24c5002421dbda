import { sealToken } from '../../src/platform/tokens/one-time-tokens.ts'
import { permissionsOf } from '../../src/platform/gate/permissions.ts'
import type { Permission } from '../../src/platform/gate/permissions.ts'
import { codeOf as totpCodeOf, stepNow } from '../browsers/authenticator-app.ts'
import { listOperations } from '../isolation/operations.ts'
import { unproved } from '../isolation/values.ts'
import { buildRequest } from '../isolation/requests.ts'
import type { Operation } from '../isolation/operations.ts'
import type { Request } from '../isolation/requests.ts'
import type { World } from '../isolation/world.ts'
import type { Arena, Author } from './arenas.ts'
import type { Answer, TestApp } from '../test-app.ts'

/** One way of running an operation. */
export interface Action {
  name: string
  operation: Operation | undefined
  /** Prepares the request; the returned function sends it. */
  prepare(arena: Arena, author: Author): Promise<() => Promise<Pick<Answer, 'status' | 'text'>>>
  /** Only for a revocation, sent by the first: whose operations are refused from then on. */
  closes?: (author: Author, access: string) => boolean
}

interface Way extends Pick<Action, 'closes'> {
  name?: string
  /** The body's fields in addition to the schemas' examples. */
  body?: (world: World, arena: Arena) => object | Promise<object>
  /** The target; the other owner by default. */
  path?: (world: World, path: string) => string
}

const isFirst = (author: Author): boolean => author === 'first' || author === 'elsewhere'
/** Behind the gate of an organization, or at least of a session; all others are public, or for operators. */
const isGated = (access: string): boolean => access.includes(':') && !access.startsWith('admin:')
const isSignedIn = (access: string): boolean => access === 'session' || access.includes(':')

/** Signing in is refused as well. */
const ofAccount: Way = { closes: (author, access) => isFirst(author) && access !== 'operator' }

/** How operations are run if the examples of their schema are not enough; for operations that close a gate, whose. */
const waysOf = ({ services, admin }: TestApp): Readonly<Record<string, readonly Way[]>> => {
  const holds = (role: 'viewer' | 'admin', access: string) =>
    permissionsOf(services.declared.permissions, role).includes(access as Permission)
  const seal = async (purpose: string, where: string, value: string) => {
    const { rows } = await admin.query(`select id from one_time_tokens where purpose = $1 and ${where} = $2`, [
      purpose,
      value,
    ])
    return { token: sealToken(services.keys.oneTime, { purpose }, rows[0].id) }
  }
  const lost = { role: 'viewer', title: null, company: null, status: undefined }
  /** Of the custom role in each world (isolation/values.ts). */
  const ofRole = ['projects:read', 'organization:read', 'organization:leave']
  const ofSession: Way = { closes: (author, access) => isFirst(author) && isSignedIn(access) }
  const ofOtherSession: Way = { closes: (author, access) => author === 'elsewhere' && isSignedIn(access) }
  const ofMembership: Way = { closes: (author, access) => isFirst(author) && isGated(access) }
  return {
    logOut: [{ closes: (author, access) => author === 'first' && isSignedIn(access) }],
    logOutEverywhere: [ofSession],
    revokeOwnSession: [ofOtherSession],
    revokeDevice: [ofOtherSession],
    changePassword: [{ body: () => ({ end_other_sessions: true }), ...ofOtherSession }],
    completePasswordReset: [
      {
        body: async ({ user_id, email }) => {
          await admin.query(
            `insert into one_time_tokens (purpose, user_id, email, details, expires_at) values ('reset-password', $1, $2, '{}', now() + interval '1 hour')`,
            [user_id, email],
          )
          return seal('reset-password', 'user_id', user_id)
        },
        ...ofAccount,
      },
    ],
    confirmTotp: [
      {
        body: async ({ call }) => {
          const { body } = await call('POST', '/api/v1/auth/mfa/totp')
          return { code: totpCodeOf(body.secret ?? 'A', stepNow()) }
        },
        ...ofOtherSession,
      },
    ],
    // The account then has no factor, which its sessions record.
    removePasskey: [{ closes: () => false }],
    deleteAccount: [ofAccount],
    leaveOrganization: [ofMembership],
    transferOrganization: [
      { closes: (author, access) => isFirst(author) && isGated(access) && !holds('admin', access) },
    ],
    deleteOrganization: [{ closes: (_author, access) => isGated(access) }],
    updateOrganization: [
      { body: () => ({ second_factor_required: undefined }) },
      {
        name: 'second factor required',
        body: () => ({ name: undefined, slug: undefined, second_factor_required: true }),
        closes: (author, access) => author === 'elsewhere' && isGated(access),
      },
    ],
    removeMember: [{ closes: (author, access) => author === 'second' && isGated(access) }],
    updateMember: [
      { body: () => ({ role: undefined, status: undefined, title: 'Colleague' }) },
      {
        name: 'other owner disabled',
        body: () => ({ role: undefined, status: 'disabled' }),
        closes: (author, access) => author === 'second' && isGated(access),
      },
      {
        name: 'role of the other owner lowered',
        body: () => lost,
        closes: (author, access) => author === 'second' && isGated(access) && !holds('viewer', access),
      },
      {
        name: 'custom role given to the other owner',
        body: ({ own }) => ({ role: undefined, role_id: own['role'] }),
        closes: (author, access) => author === 'second' && isGated(access) && !ofRole.includes(access),
      },
      {
        name: 'own role lowered',
        path: ({ user_id }, path) => path.replace(/[^/]*$/, user_id),
        body: () => lost,
        closes: (author, access) => isFirst(author) && isGated(access) && !holds('viewer', access),
      },
    ],
    // Pairs of these take the organization's key exclusively, although the role has no members.
    createRole: [{ closes: () => false }],
    updateRole: [{ closes: () => false }],
    deleteRole: [{ closes: () => false }],
    createInvitation: [
      {},
      { name: 'to a custom role', body: ({ own }) => ({ role: undefined, role_id: own['role'] }) },
      { name: 'renewed', body: (_world, { outsider }) => ({ email: outsider.email }) },
    ],
    createInvitations: [
      {},
      {
        name: 'an open one and another',
        body: (_world, { outsider }) => ({
          invitations: [outsider.email, `bulk-${outsider.email}`].map(email => ({ email, role: 'viewer' })),
        }),
      },
    ],
    // Of operators: the first owner acts on the second one, who is an operator as well.
    revokeAnySessions: [ofOtherSession],
    revokeSessionsOfUser: [{ closes: (author, access) => author === 'second' && isSignedIn(access) }],
    suspendOrganization: [{ closes: (_author, access) => isGated(access) && access !== 'organization:leave' }],
    updateAnyUser: [
      {
        name: 'the other operator demoted',
        body: () => ({ guest: undefined }),
        closes: (author, access) => author === 'second' && isSignedIn(access),
      },
    ],
    actOnUsers: [
      {
        name: 'the other operator disabled',
        body: () => ({ action: 'disable' }),
        closes: (author, access) => author === 'second' && access !== 'operator',
      },
    ],
    acceptInvitation: [{ body: (_world, { outsider }) => seal('invitation', 'email', outsider.email) }],
  }
}

/** Public operations that depend on a session, a user or an invitation. */
const open = ['logIn', 'refresh', 'logOut', 'completePasswordReset', 'acceptInvitation']

/** Prepared above, although no fixed request can contain what they need. */
const proved = ['acceptInvitation', 'completePasswordReset', 'confirmTotp']

/** The same statements under another name. */
const isTwin = ({ id, method }: Operation): boolean => method === 'PUT' || id.endsWith('Alias') || id.endsWith('Person')

/** Every operation of the OpenAPI document that writes, and operations that an operator runs by hand. */
export async function listActions(app: TestApp): Promise<Action[]> {
  const ways = waysOf(app)
  const operations = (await listOperations(app.app)).filter(
    operation =>
      operation.method !== 'GET' &&
      !isTwin(operation) &&
      (operation.access !== 'public' || open.includes(operation.id)) &&
      (!(operation.id in unproved) || proved.includes(operation.id)),
  )
  const missing = Object.keys(ways).filter(id => !operations.some(operation => operation.id === id))
  if (missing.length > 0) throw new Error(`there are no operations ${missing.join()}`)
  const actions = operations.flatMap(operation =>
    (ways[operation.id] ?? [{}]).map(({ name, body, path, closes }): Action => ({
      name: name === undefined ? operation.id : `${operation.id} (${name})`,
      operation,
      ...(closes && { closes }),
      prepare: async (arena, author) => {
        const world = arena[author]
        const request: Request = buildRequest(operation, world, new Map())
        const given = { ...request.body, ...(await body?.(world, arena)) }
        const target = path?.(world, request.path) ?? request.path
        return () =>
          world
            .call(request.method, target, request.body && given, request.headers)
            .catch((error: Error) => ({ status: 599, text: error.message })) // an undocumented status
      },
    })),
  )
  const disable: Action = {
    name: 'user disabled by an operator',
    operation: undefined,
    ...ofAccount,
    prepare: async (arena, author) => async () => {
      await app.admin.query('update users set disabled_at = now() where id = $1', [arena[author].user_id])
      return { status: 204, text: '' }
    },
  }
  return [...actions, disable]
}

/** Whose operation it is: a refresh belongs to its session. */
export const accessOf = ({ operation }: Action): string =>
  operation === undefined ? 'operator' : operation.id === 'refresh' ? 'session' : operation.access
