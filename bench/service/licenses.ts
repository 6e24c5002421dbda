import pg from 'pg'
import { createLicenseKey } from '../../server/src/product/licenses/license-key.ts'
import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { saturate } from '../stage/load.ts'
import { CEILING, cpuSeconds, startServer } from '../stage/processes.ts'
import type { ServerProcess } from '../stage/processes.ts'
import { startService } from '../stage/stage.ts'
import type { Stage } from '../stage/stage.ts'

const CONNECTIONS = 32
/** So few that requests do not queue, when latency is measured. */
const FEW_CONNECTIONS = 4
/** Licenses whose keys are known. */
const KEYS = 1000
const DEVICES = 3

/** Validation and heartbeat compared to the same look-up alone, and with a hundred times as many licenses. */
export async function measureLicenses(few: Stage, many: Stage, rounds: number, seconds: number): Promise<Figure[]> {
  const keys = { few: await giveLicenses(few, 10_000), many: await giveLicenses(many, 1_000_000) }
  const [service, large, ceiling] = await Promise.all([
    startService(few),
    startService(many),
    startServer(CEILING, [], few.environment, '/ready'),
  ])
  const run = async (
    server: ServerProcess,
    path: string,
    known: readonly string[],
    connections: number,
    duration: number,
  ) => {
    const requests = known.map((key, index) => ({
      method: 'POST' as const,
      path,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key, fingerprint: `device-${(index % DEVICES) + 1}` }),
    }))
    const before = cpuSeconds(server.pid)
    const load = await saturate({ url: server.url, connections, seconds: duration, requests })
    return { ...load, micros: ((cpuSeconds(server.pid) - before) / load.count) * 1e6 }
  }
  type Run = Awaited<ReturnType<typeof run>>
  const figures: Figure[] = []
  const sides = (measured: { measured: Run; control: Run }[], pick: keyof Run) =>
    measured.map(({ measured: own, control }) => ({ measured: own[pick], control: control[pick] }))
  try {
    for (const [path, atLeast] of [
      ['/api/v1/licenses/validate', 0.65],
      ['/api/v1/licenses/heartbeat', 0.5],
    ] as const) {
      for (const server of [service, ceiling]) await run(server, path, keys.few, CONNECTIONS, 2)
      await run(large, path, keys.many, FEW_CONNECTIONS, 3)
      const speeds: { measured: Run; control: Run }[] = []
      const sizes: { measured: Run; control: Run }[] = []
      for (let round = 0; round < rounds; round++) {
        const first = round % 2 === 0 ? await run(service, path, keys.few, CONNECTIONS, seconds) : undefined
        const control = await run(ceiling, path, keys.few, CONNECTIONS, seconds)
        speeds.push({ measured: first ?? (await run(service, path, keys.few, CONNECTIONS, seconds)), control })
        const small = await run(service, path, keys.few, FEW_CONNECTIONS, seconds)
        sizes.push({ measured: await run(large, path, keys.many, FEW_CONNECTIONS, seconds), control: small })
      }
      figures.push(
        compare(`POST ${path} / the look-up alone`, 'requests/s', sides(speeds, 'perSecond'), { atLeast }),
        compare('— CPU of the process', 'µs/request', sides(speeds, 'micros')),
        compare('— median: 1,000,000 licenses / 10,000', 'ms', sides(sizes, 'p50'), { atMost: 1.2 }),
      )
    }
  } finally {
    await Promise.all([service.stop(), large.stop(), ceiling.stop()])
  }
  return figures
}

/** Licenses of all organizations with three devices each, without triggers. @returns the keys of some of them */
async function giveLicenses({ adminUrl }: Stage, count: number): Promise<string[]> {
  const admin = new pg.Client(adminUrl)
  await admin.connect()
  await admin.query('set session_replication_role = replica')
  const keys = Array.from({ length: KEYS }, createLicenseKey)
  await admin.query(
    `with plan as (insert into license_plans (code, name) values ('bench', 'Bench') returning id),
      places as (select array_agg(id) as ids, count(*)::int as places from organizations)
    insert into licenses (organization_id, plan_id, key_prefix, key_hash, first_validated_at, first_activated_at, max_activations, overage_percent, quotas,
      entitlements, activation, heartbeat_seconds, heartbeat_grace_seconds, expiry_basis, on_expiry)
    select ids[1 + n % places], plan.id, left(md5(n::text), 5), coalesce(($1::bytea[])[n], sha256(n::text::bytea)), now(), now(), 5, 0, '{}', '{export}',
      'node-locked', 3600, 600, 'creation', 'restrict' from generate_series(1, $2::int) n, plan, places`,
    [keys.map(({ hash }) => hash), count],
  )
  await admin.query(
    `insert into license_activations (organization_id, license_id, fingerprint, expires_at, removable_at)
    select organization_id, id, 'device-' || d, now() + interval '1 hour', date_trunc('hour', now() + interval '1 hour') + interval '1 day'
    from generate_series(1, ${DEVICES}) d, licenses`,
  )
  await admin.query('vacuum (analyze) licenses, license_activations')
  await admin.query('checkpoint')
  await admin.end()
  return keys.map(({ key }) => key)
}
