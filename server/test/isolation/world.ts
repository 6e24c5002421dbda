import { randomUUIDv7 } from 'node:crypto'
import type pg from 'pg'
import { sealRefreshToken } from '../../src/identity/sign-in/refresh-token.ts'
import { signId } from '../../src/platform/crypto/sealing.ts'
import type { SupportRole } from '../../src/platform/gate/permissions.ts'
import { giveFixtures, makeResources } from './fixtures.ts'
import { isOperators, listOperations, listResources } from './operations.ts'
import type { Operation, Resource } from './operations.ts'
import type { Kind } from './values.ts'
import { randomWord, WORLD_PASSWORD } from './values.ts'
import type { Answer, TestApp } from '../test-app.ts'

/** The state of the caller: a role, and what has happened since the sign-in. */
export interface Standing {
  role?: 'owner' | 'admin' | 'member' | 'viewer' | 'none'
  /** Those of a custom role, which the caller then has instead. */
  permissions?: readonly string[]
  session?: 'live' | 'revoked' | 'expired'
  account?: 'live' | 'disabled' | 'deleted'
  membership?: 'live' | 'disabled' | 'ended'
  organization?: 'live' | 'closed' | 'suspended'
  /** Whether the organization requires a second factor; the caller's session has verified one, unless it is missing. */
  secondFactor?: 'not demanded' | 'missing' | 'proved'
  superuser?: boolean
  /** The caller is an operator who acts through a support access with this role. */
  support?: SupportRole
  /** False: the access token names no organization. */
  named?: boolean
}

/** A caller who may call the operation: an owner, who is a superuser if it is one of operators. */
export const callerOf = (operation: Operation): Standing => (isOperators(operation) ? { superuser: true } : {})

/** An organization with a caller, a member, a founder and a project; and an outsider who belongs to no organization. */
export interface World {
  organization_id: string
  user_id: string
  session_id: string
  email: string
  username: string
  /** Another signed-in device of the caller. */
  other_session_id: string
  member_id: string
  outsider: { user_id: string; email: string }
  project_id: string
  /** One resource of each kind that belongs to the caller or the organization, by its kind. */
  own: Record<Kind, string>
  access_token: string
  refresh_token: string
  /**
   * Proves for a change of a sign-in method that it is the caller: by a recovery code, since the caller has a passkey.
   */
  nextProof: () => object
  /** The key of the organization's license. */
  license_key: string
  /** The token of the caller's own device, which skips the second factor. */
  device_token: string
  call: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
}

/** Creates a world with the caller in this state, with a resource of each of these kinds, or of every kind. */
export type MakeWorld = (standing?: Standing, kinds?: readonly Kind[] | 'all') => Promise<World>

/**
 * Creates worlds without policies, in one statement each: an attack may use up a whole world for one request. Only the
 * resources that are asked for are created by requests.
 */
export async function createWorlds({ app, admin, tokens, call, services }: TestApp): Promise<MakeWorld> {
  const resources = listResources(await listOperations(app))
  const { refresh: refreshKey, device: deviceKey, recovery } = services.keys
  const signedUp = await call('POST', '/api/v1/auth/signup', {
    email: `template-${randomWord()}@example.com`,
    password: WORLD_PASSWORD,
  })
  const template: string = signedUp.body.user.id
  const callWith =
    (access_token: string): World['call'] =>
    (method, path, body, headers = {}) =>
      call(method, path, body, { authorization: `Bearer ${access_token}`, ...headers })

  /** Gives the caller a custom role that has exactly these permissions. */
  const giveRole = (organization_id: string, user_id: string, permissions: readonly string[]) =>
    admin.query(
      `with role as (insert into roles (organization_id, name) values ($1, 'Role of the caller') returning id),
        given as (insert into custom_role_permissions (organization_id, role_id, permission)
          select $1, role.id, word from role, unnest($3::text[]) as word)
      update memberships set role_id = role.id from role where organization_id = $1 and user_id = $2`,
      [organization_id, user_id, permissions],
    )

  /** The access token of an operator whose support access to the organization is open. */
  async function openSupport(organization_id: string, role: SupportRole, word: string): Promise<string> {
    const [id, operator_id, sid] = [randomUUIDv7(), randomUUIDv7(), randomUUIDv7()]
    await admin.query(
      `with operator as (insert into users (id, email, superuser) values ($2, 'operator-' || $5 || '@example.com', true)),
        session as (insert into sessions (id, user_id, expires_at, second_factor_at) values ($3, $2, now() + interval '1 day', now()))
      insert into support_grants (organization_id, id, operator_id, reason, role, granted_by, granted_at, opens_at, expires_at)
      values ($4, $1, $2, 'Granted for a test', $6, $2, now(), now(), now() + interval '1 hour')`,
      [id, operator_id, sid, organization_id, word, role],
    )
    const email = `${id}@support.invalid`
    const auth_time = Math.floor(Date.now() / 1000)
    const place = { organization_id, tenant_id: organization_id, role }
    return tokens.sign({ sub: id, user_id: id, act: { sub: operator_id }, jti: word, sid, auth_time, email, ...place })
  }

  /** The founder creates what the caller should find: the founder may, whatever the caller's role. */
  async function signInFounder(user_id: string, organization_id: string, word: string): Promise<World['call']> {
    const session_id = randomUUIDv7()
    await admin.query(
      `insert into sessions (id, user_id, organization_id, methods, expires_at, second_factor_at)
      values ($1, $2, $3, '{password,totp}', now() + interval '1 day', now())`,
      [session_id, user_id, organization_id],
    )
    return callWith(
      tokens.sign({
        sub: user_id,
        jti: `founder-${word}`,
        sid: session_id,
        auth_time: Math.floor(Date.now() / 1000),
        email: `founder-${word}@example.com`,
        user_id,
        organization_id,
        tenant_id: organization_id,
        role: 'owner',
      }),
    )
  }

  return async (standing = {}, kinds = []) => {
    const {
      permissions,
      role = permissions === undefined ? 'owner' : 'member',
      session = 'live',
      account = 'live',
      membership = 'live',
      organization = 'live',
      secondFactor = 'not demanded',
      superuser = false,
      named = true,
      support,
    } = standing
    const wanted = neededFor(kinds, resources)
    const word = randomWord()
    const [organization_id, user_id, member_id, founder_id, outsider_id, project_id, session_id, other_session_id] =
      Array.from({ length: 8 }, () => randomUUIDv7()) as [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
      ]
    const [email, username, outsiderEmail] = [
      `caller-${word}@example.com`,
      `caller-${word}`,
      `outsider-${word}@example.com`,
    ]
    await admin.query({
      name: 'world',
      text: `
        with people as (
          insert into users (id, email, username, email_verified_at, password_hash, superuser, disabled_at, deleted_at)
          select id, email, nullif(username, ''), now(), (select password_hash from users where id = $1), $2 and id = $3,
            case when $4 = 'disabled' and id = $3 then now() end, case when $4 = 'deleted' and id = $3 then now() end
          from unnest(array[$3, $5, $6, $7]::uuid[], array[$8, 'member-' || $9 || '@example.com', 'founder-' || $9 || '@example.com', $10], array[$11, '', '', '']) as p (id, email, username)),
        home as (insert into organizations (id, name, slug, deleted_at, suspended_at, suspended_reason, second_factor_required) values ($12, 'Own ' || $9, 'own-' || $9,
          case when $13 = 'closed' then now() end, case when $13 = 'suspended' then now() end, case when $13 = 'suspended' then 'x' end, $20 <> 'not demanded')),
        belonging as (
          insert into memberships (organization_id, user_id, role, disabled_at, deleted_at)
          select $12, id, role, case when $14 = 'disabled' and id = $3 then now() end, case when $14 = 'ended' and id = $3 then now() end
          from unnest(array[$3, $5, $6]::uuid[], array[$15, 'member', 'owner']) as m (id, role) where role <> 'none'),
        work as (insert into projects (organization_id, id, name, slug, created_by) values ($12, $16, 'Own ' || $9, 'own-' || $9, $6))
        insert into sessions (id, user_id, organization_id, methods, user_agent, expires_at, revoked_at, second_factor_at)
        values ($17, $3, $12, '{password,totp}', 'first', now() + case when $18 = 'expired' then interval '-1 second' else interval '1 day' end, case when $18 = 'revoked' then now() end, case when $20 <> 'missing' then now() end),
          ($19, $3, $12, '{password}', 'second', now() + interval '1 day', null, null)`,
      values: [
        template,
        superuser,
        user_id,
        account,
        member_id,
        founder_id,
        outsider_id,
        email,
        word,
        outsiderEmail,
        username,
        organization_id,
        wanted.length === 0 ? organization : 'live', // nothing is created in a deleted or a suspended one
        membership,
        role,
        project_id,
        session_id,
        session,
        other_session_id,
        secondFactor,
      ],
    })
    if (permissions !== undefined) await giveRole(organization_id, user_id, permissions)
    const access_token = tokens.sign({
      sub: user_id,
      jti: word,
      sid: session_id,
      auth_time: Math.floor(Date.now() / 1000),
      email,
      user_id,
      ...(named && { organization_id, tenant_id: organization_id, ...(role !== 'none' && { role }) }),
    })
    const {
      nextProof,
      license_key,
      own: fixtures,
    } = await giveFixtures(admin, recovery, { user_id, organization_id, word })
    const own: World['own'] = {
      organization: organization_id,
      user: member_id,
      project: project_id,
      session: other_session_id,
      ...fixtures,
    }
    if (wanted.length > 0) {
      const founder = await signInFounder(founder_id, organization_id, word)
      await makeResources(founder, wanted, own)
      if (own['department'] !== undefined)
        await admin.query(
          'insert into department_people (organization_id, department_id, user_id) values ($1, $2, $3)',
          [organization_id, own['department'], member_id],
        )
      if (organization === 'closed')
        await admin.query('update organizations set deleted_at = now() where id = $1', [organization_id])
      if (organization === 'suspended')
        await admin.query(`update organizations set suspended_at = now(), suspended_reason = 'x' where id = $1`, [
          organization_id,
        ])
    }
    const token = support === undefined ? access_token : await openSupport(organization_id, support, word)
    return {
      organization_id,
      user_id,
      session_id,
      own,
      email,
      username,
      other_session_id,
      member_id,
      project_id,
      access_token: token,
      outsider: { user_id: outsider_id, email: outsiderEmail },
      device_token: signId(deviceKey, 'device', fixtures.device),
      refresh_token: sealRefreshToken(refreshKey, { session_id, generation: 1 }),
      nextProof,
      license_key,
      call: callWith(token),
    }
  }
}

/** How many requests under support access the history of the world has. */
export async function countSupportRequests(admin: pg.Pool, { organization_id }: World): Promise<number> {
  const { rowCount } = await admin.query(
    `select from audit_log where organization_id = $1 and entity_type = 'support'`,
    [organization_id],
  )
  return rowCount ?? 0
}

/** The resources of these kinds, with those that they refer to. */
function neededFor(kinds: readonly Kind[] | 'all', resources: readonly Resource[]): Resource[] {
  if (kinds === 'all') return [...resources]
  const needed = new Set(kinds)
  for (const { kind, create } of resources.toReversed())
    if (needed.has(kind)) for (const place of create.places) needed.add(place.kind)
  return resources.filter(({ kind }) => needed.has(kind))
}
