import { randomUUIDv7 } from 'node:crypto'
import type pg from 'pg'
import { hashRecoveryCode } from '../../src/identity/factors/recovery-codes.ts'
import { sealRefreshToken } from '../../src/identity/sign-in/refresh-token.ts'
import { Fingerprint } from '../../src/product/license-activations/activations.ts'
import { createLicenseKey } from '../../src/product/licenses/license-key.ts'
import { signId } from '../../src/platform/crypto/sealing.ts'
import type { SupportRole } from '../../src/platform/gate/permissions.ts'
import { isLedger } from '../../src/platform/schema/inspection.ts'
import { isOperators, listOperations, listResources } from './operations.ts'
import { buildCreation } from './requests.ts'
import type { Operation, Resource } from './operations.ts'
import type { Kind } from './values.ts'
import { randomWord, WORLD_PASSWORD } from './words.ts'
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

/**
 * Gives a user and an organization an invitation with a link, one to the user, a request for support access, a device, a
 * passkey with recovery codes, an identity, and a license with two activations, without
 * policies.
 */
export async function giveFixtures(
  admin: pg.Pool,
  recoveryKey: Buffer,
  { user_id, organization_id, word }: { user_id: string; organization_id: string; word: string },
) {
  const own = {
    invitation: randomUUIDv7(),
    'own invitation': randomUUIDv7(),
    device: randomUUIDv7(),
    passkey: randomUUIDv7(),
    identity: randomUUIDv7(),
    'support access': randomUUIDv7(),
    'license plan': randomUUIDv7(),
    license: randomUUIDv7(),
    'license activation': randomUUIDv7(),
  }
  const licensed = createLicenseKey()
  const codes = Array.from({ length: 10 }, (_, number) => `${word}-${number}`)
  const hashes = codes.map(code => hashRecoveryCode(recoveryKey, user_id, code))
  await admin.query({
    name: 'fixtures',
    text: `
      with invitation as (insert into invitations (organization_id, id, email, role, invited_by, expires_at)
          select organization_id, $3, 'invited-' || $7 || '@example.com', 'viewer', user_id, now() + interval '1 day'
          from live_inviters where organization_id = $1 order by user_id = $2 limit 1 returning organization_id, id, invited_by),
        link as (insert into invitation_links (organization_id, invitation_id, created_by) select organization_id, id, invited_by from invitation),
        inviter as (insert into users (id, email) select $9, 'inviter-' || $7 || '@example.com'),
        elsewhere as (insert into organizations (id, name, slug) select $9, 'Inviting ' || $7, 'inviting-' || $7),
        inviting as (insert into memberships (organization_id, user_id, role) select $9, $9, 'owner'),
        own_invitation as (insert into invitations (organization_id, id, email, role, invited_by, expires_at)
          select $9, $10, email, 'viewer', $9, now() + interval '1 day' from users where id = $2),
        support as (insert into support_grants (organization_id, id, operator_id, reason) values ($1, $11, $9, 'Asked for ' || $7)),
        device as (insert into devices (id, user_id, user_agent, trusted_until) values ($4, $2, 'device of ' || $7, now() + interval '1 day')),
        codes as (insert into recovery_codes (user_id, code_hash) select $2, unnest($8::bytea[])),
        plan as (insert into license_plans (id, code, name, description) values ($12, 'plan-' || $13::uuid, 'Plan', 'Sold') returning *),
        license as (insert into licenses (organization_id, id, plan_id, name, key_prefix, key_hash, overage_percent, quotas, entitlements, activation, heartbeat_grace_seconds, expiry_basis, on_expiry)
          select $1, $13, id, 'License of ' || $7, $14, $15, overage_percent, quotas, entitlements, activation, heartbeat_grace_seconds, expiry_basis, on_expiry from plan),
        activation as (insert into license_activations (organization_id, id, license_id, fingerprint, name)
          values ($1, $16, $13, $17, 'Device ' || $7), ($1, $18, $13, $7, 'Other device ' || $7)),
        passkey as (insert into passkeys (id, user_id, credential_id, public_key, name) values ($5, $2, convert_to($7, 'UTF8'), '\\x00', 'Key of ' || $7))
      insert into identities (id, user_id, provider, issuer, subject, email) values ($6, $2, 'google', 'https://accounts.google.com', $7, $7 || '@example.net')`,
    values: [
      organization_id,
      user_id,
      own.invitation,
      own.device,
      own.passkey,
      own.identity,
      word,
      hashes,
      randomUUIDv7(),
      own['own invitation'],
      own['support access'],
      own['license plan'],
      own.license,
      '0QZ7A', // the same for all, so that it does not distinguish two worlds
      licensed.hash,
      own['license activation'],
      (Fingerprint as { examples?: string[] }).examples?.[0],
      randomUUIDv7(),
    ],
  })
  return { own, license_key: licensed.key, nextProof: () => ({ recovery_code: codes.pop() ?? 'none' }) }
}

/**
 * Creates one of each resource by its own operation, from the schemas' examples, and adds the ids to those of the
 * organization. @throws Error with the response, if an example is refused
 */
export async function makeResources(
  call: World['call'],
  resources: readonly Resource[],
  own: Record<Kind, string>,
  word?: string,
): Promise<void> {
  for (const resource of resources) {
    const { path, body } = buildCreation(resource, own, word)
    const answer = await call('POST', path, body)
    if (answer.status !== 201)
      throw new Error(
        `the isolation attack makes a ${resource.kind} from the examples of its schema, and ${resource.create.id} answered ${answer.status} ${answer.text} to ${JSON.stringify(body)}: give the fields examples that it takes`,
      )
    own[resource.kind] = answer.body.id
  }
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

/**
 * Every row of an organization or its users, from all tables in the catalog, as sorted text. A row of an organization's
 * table is identified by its organization, any other row by an id anywhere in it.
 */
export async function dumpRows(
  admin: pg.Pool,
  { organization_ids, ids }: { organization_ids: readonly string[]; ids: readonly string[] },
): Promise<string[]> {
  const { rows: tables } = await admin.query<{ name: string; key: string | null }>(`
    select c.relname as name, (select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and i.indisprimary and (a.attname = 'organization_id' or c.relname = 'organizations')) as key
    from pg_class c where c.relnamespace = 'freehold'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and not ${isLedger}`)
  const dumps = await Promise.all(
    tables.map(async ({ name, key }) => {
      const isTheirs =
        key === null
          ? 'to_jsonb(t)::text like any ($1::text[])' // patterns computed in advance: a sub-select would be run for each row
          : `${key} = any ($1::uuid[])`
      const { rows } = await admin.query<{ line: string }>(
        `select '${name} ' || to_jsonb(t)::text as line from ${name} t where ${isTheirs}`,
        [key === null ? ids.map(id => `%${id}%`) : organization_ids],
      )
      return rows.map(({ line }) => line)
    }),
  )
  return dumps.flat().sort()
}
