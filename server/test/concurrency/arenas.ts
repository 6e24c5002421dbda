import { randomUUIDv7 } from 'node:crypto'
import { sealRefreshToken } from '../../src/identity/sign-in/refresh-token.ts'
import { signId } from '../../src/platform/crypto/sealing.ts'
import { giveFixtures } from '../isolation/fixtures.ts'
import { isOperators, kindsOf } from '../isolation/operations.ts'
import { WORLD_PASSWORD } from '../isolation/values.ts'
import { createWorlds } from '../isolation/world.ts'
import type { World } from '../isolation/world.ts'
import type { Action } from './lock-order.ts'
import type { TestApp } from '../test-app.ts'

/**
 * Who sends a request: two owners of one organization (a third owner stays); the first of them has two sessions, of
 * which the second has not verified a second factor; a user whom the first one has invited; and an operator through a
 * support access with the role member.
 */
export type Author = 'first' | 'elsewhere' | 'second' | 'outsider' | 'support'
export type Arena = Readonly<Record<Author, World>>

/** Creates a small world; `isYounger`: the first owner has the greater id, which decides who is locked first. */
export async function createArenas(
  app: TestApp,
): Promise<(actions: readonly Action[], isYounger: boolean) => Promise<Arena>> {
  const { admin, tokens, call, services } = app
  const makeWorld = await createWorlds(app)
  const personOf = (
    world: World,
    person: Pick<World, 'user_id' | 'session_id' | 'email' | 'member_id' | 'own' | 'nextProof'>,
  ): World => {
    const { user_id, session_id, email } = person
    const { organization_id } = world
    const access_token = tokens.sign({
      sub: user_id,
      jti: session_id,
      sid: session_id,
      auth_time: Math.floor(Date.now() / 1000),
      email,
      user_id,
      organization_id,
      tenant_id: organization_id,
      role: 'owner',
    })
    return {
      ...world,
      ...person,
      other_session_id: person.own['session'] as string,
      access_token,
      device_token: signId(services.keys.device, 'device', person.own['device'] as string),
      refresh_token: sealRefreshToken(services.keys.refresh, { session_id, generation: 1 }),
      call: (method, path, body, headers = {}) =>
        call(method, path, body, { authorization: `Bearer ${access_token}`, ...headers }),
    }
  }
  return async (actions, isYounger) => {
    const kinds = actions.flatMap(({ operation }) => (operation === undefined ? [] : kindsOf(operation)))
    const world = await makeWorld({}, kinds)
    const { organization_id, member_id, user_id, outsider, own } = world
    const word = world.email.slice('caller-'.length, -'@example.com'.length)
    const [here, there, outside] = [randomUUIDv7(), randomUUIDv7(), randomUUIDv7()]
    const [support_id, operator_id, operating] = [randomUUIDv7(), randomUUIDv7(), randomUUIDv7()]
    const given = { user_id: member_id, organization_id, word: `${word}-second` }
    const { nextProof, own: fixtures } = await giveFixtures(admin, services.keys.recovery, given)
    const older = personOf(world, { ...world, own: { ...own, user: member_id } })
    const younger = personOf(world, {
      user_id: member_id,
      session_id: here,
      email: `member-${word}@example.com`,
      member_id: user_id,
      own: { ...own, ...fixtures, user: user_id, session: there },
      nextProof,
    })
    const [first, second] = isYounger ? [younger, older] : [older, younger]
    if (actions.some(({ operation }) => operation !== undefined && isOperators(operation)))
      await admin.query('update users set superuser = true where id = any ($1)', [[user_id, member_id]])
    await admin.query({
      name: 'arena',
      text: `with owners as (update memberships set role = 'owner' where organization_id = $1 and user_id = $2),
          devices as (update sessions set device_id = $3 where id = $4),
          invited as (insert into invitations (organization_id, email, role, invited_by, expires_at) values ($1, $5, 'member', $6, now() + interval '1 day')),
          operator as (insert into users (id, email, superuser) values ($12, 'operator-' || $12::uuid || '@example.com', true)),
          support as (insert into support_grants (organization_id, id, operator_id, reason, role, granted_by, granted_at, opens_at, expires_at)
            values ($1, $13, $12, 'Granted for a test', 'member', $2, now(), now(), now() + interval '1 hour'))
        insert into sessions (id, user_id, organization_id, methods, expires_at, second_factor_at, device_id)
        values ($7, $2, $1, '{password,totp}', now() + interval '1 day', now(), null),
          ($8, $2, $1, '{password}', now() + interval '1 day', null, $9), ($10, $11, null, '{password}', now() + interval '1 day', null, null),
          ($14, $12, null, '{password,totp}', now() + interval '1 day', now(), null)`,
      values: [
        organization_id,
        member_id,
        own['device'],
        world.other_session_id,
        outsider.email,
        first.user_id,
        here,
        there,
        fixtures.device,
        outside,
        outsider.user_id,
        operator_id,
        support_id,
        operating,
      ],
    })
    const supportToken = tokens.sign({
      sub: support_id,
      user_id: support_id,
      act: { sub: operator_id },
      jti: operating,
      sid: operating,
      auth_time: Math.floor(Date.now() / 1000),
      email: `${support_id}@support.invalid`,
      organization_id,
      tenant_id: organization_id,
      role: 'member',
    })
    const elsewhere = { session_id: first.other_session_id, own: { ...first.own, session: first.session_id } }
    return {
      first,
      second,
      elsewhere: personOf(first, { ...first, ...elsewhere }),
      outsider: personOf(world, {
        ...world,
        ...outsider,
        session_id: outside,
        nextProof: () => ({ password: WORLD_PASSWORD }),
      }),
      support: {
        ...world,
        user_id: operator_id,
        session_id: operating,
        own: { ...own, 'support access': support_id },
        call: (method, path, body, headers = {}) =>
          call(method, path, body, { authorization: `Bearer ${supportToken}`, ...headers }),
      },
    }
  }
}
