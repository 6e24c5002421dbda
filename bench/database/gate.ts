import { randomInt } from 'node:crypto'
import type pg from 'pg'
import { contextOf, oneTrip, openPool, statements } from '../stage/driver.ts'
import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { cpuSeconds } from '../stage/processes.ts'
import { TENANT_POOL_SIZE } from '../stage/stage.ts'
import type { Owner, Stage, BenchEnvironment } from '../stage/stage.ts'

const REQUESTERS = 64
const { text, values } = statements.projects

/** The check of an application without the gate: the same conditions on session, membership and role, by known keys. */
const CHECK = `
  select m.role from sessions s
  join users u on u.id = s.user_id
  join memberships m on m.organization_id = $2 and m.user_id = u.id
  join organizations o on o.id = m.organization_id
  where s.id = $1 and s.revoked_at is null and s.expires_at > now() and u.disabled_at is null and u.deleted_at is null
    and m.disabled_at is null and m.deleted_at is null and o.deleted_at is null`

/**
 * Gives every owner a custom role with all permissions of an administrator, or makes them owners again; without triggers,
 * because an organization keeps an owner.
 */
async function giveCustomRoles(pool: pg.Pool, isCustom: boolean): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin; set local session_replication_role = replica')
    if (isCustom) {
      await client.query(`insert into roles (organization_id, id, name) select id, id, 'Everything' from organizations`)
      await client.query(`insert into custom_role_permissions (organization_id, role_id, permission)
        select id, id, permission from organizations, role_permissions where role = 'admin'`)
      await client.query(`update memberships set role = 'member', role_id = organization_id where role = 'owner'`)
    } else {
      await client.query(`update memberships set role = 'owner', role_id = null where role_id is not null`)
      await client.query('delete from custom_role_permissions; delete from roles')
    }
    await client.query('commit; analyze memberships, roles, custom_role_permissions')
  } finally {
    client.release()
  }
}

type Read = (owner: Owner) => Promise<unknown[]>

/** The project list behind row-level security and the gate, with the driver alone, compared to two ways without. */
export async function measureGate(
  bench: BenchEnvironment,
  stage: Stage,
  rounds: number,
  seconds: number,
): Promise<Figure[]> {
  const gated = openPool(stage.tenantUrl, TENANT_POOL_SIZE)
  const open = openPool(stage.adminUrl, TENANT_POOL_SIZE)
  const reads = {
    gated: ({ session_id, organization_id, user_id }: Owner) =>
      oneTrip(gated, 'projects', text, values(organization_id), [
        session_id,
        organization_id,
        'projects:read',
        contextOf(user_id, ''),
        '',
        '',
      ]),
    plain: async ({ organization_id }: Owner) =>
      (await open.query({ name: 'projects', text, values: [...values(organization_id)] })).rows,
    checked: (owner: Owner) => readChecked(open, owner),
  } satisfies Record<string, Read>
  const run = async (read: Read) => {
    const before = cpuSeconds(bench.postgresPid, true)
    const ownBefore = process.cpuUsage()
    const { perSecond, count } = await repeat(read, stage.owners, seconds)
    const own = process.cpuUsage(ownBefore)
    return {
      perSecond,
      postgresMicros: ((cpuSeconds(bench.postgresPid, true) - before) / count) * 1e6,
      driverMicros: (own.user + own.system) / count,
    }
  }
  try {
    for (const read of Object.values(reads)) await repeat(read, stage.owners, 1)
    const measured: Record<keyof typeof reads | 'custom', Awaited<ReturnType<typeof run>>>[] = []
    for (let round = 0; round < rounds; round++) {
      const gatedRun = await run(reads.gated)
      const rest = { plain: await run(reads.plain), checked: await run(reads.checked) }
      await giveCustomRoles(open, true)
      const custom = await run(reads.gated)
      await giveCustomRoles(open, false)
      measured.push({ gated: gatedRun, ...rest, custom })
    }
    const customAgainst = (pick: 'perSecond' | 'postgresMicros') =>
      measured.map(round => ({ measured: round.custom[pick], control: round.gated[pick] }))
    const against = (control: 'plain' | 'checked', pick: 'perSecond' | 'postgresMicros' | 'driverMicros') =>
      measured.map(round => ({ measured: round.gated[pick], control: round[control][pick] }))
    return [
      compare('list behind the gate / same query without', 'requests/s', against('plain', 'perSecond'), {
        atLeast: 0.7,
      }),
      compare('— CPU of PostgreSQL', 'µs/request', against('plain', 'postgresMicros')),
      compare('— CPU of the driver', 'µs/request', against('plain', 'driverMicros')),
      compare('list behind the gate / BEGIN, check, query, COMMIT', 'requests/s', against('checked', 'perSecond'), {
        atLeast: 1.7,
      }),
      compare('list behind the gate, custom / built-in role', 'requests/s', customAgainst('perSecond'), {
        atLeast: 0.9,
      }),
      compare('— CPU of PostgreSQL', 'µs/request', customAgainst('postgresMicros')),
    ]
  } finally {
    await Promise.all([gated.end(), open.end()])
  }
}

async function readChecked(pool: pg.Pool, { session_id, organization_id }: Owner): Promise<unknown[]> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const { rows } = await client.query({ name: 'check', text: CHECK, values: [session_id, organization_id] })
    if (rows.length === 0) throw new Error('not allowed')
    const list = await client.query({ name: 'projects', text, values: [...values(organization_id)] })
    await client.query('commit')
    return list.rows
  } finally {
    client.release()
  }
}

async function repeat(
  read: Read,
  owners: readonly Owner[],
  seconds: number,
): Promise<{ perSecond: number; count: number }> {
  const startedAt = performance.now()
  const until = startedAt + seconds * 1000
  let count = 0
  const requester = async () => {
    while (performance.now() < until) {
      const rows = await read(owners[randomInt(owners.length)]!)
      if (rows.length !== 21) throw new Error(`a page of 20 and one more, not ${rows.length} rows`)
      count++
    }
  }
  await Promise.all(Array.from({ length: REQUESTERS }, requester))
  return { perSecond: (count / (performance.now() - startedAt)) * 1000, count }
}
