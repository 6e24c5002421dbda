import pg from 'pg'
import type { Database, Login } from '../../src/platform/database/database.ts'
import type { Scope } from '../../src/platform/database/scope.ts'
import { Problem } from '../../src/platform/problems.ts'
import type { LoginName, Row, Statement } from '../../src/platform/database/statement.ts'
import type { TestApp } from '../test-app.ts'

export interface LoadTenant {
  organization_id: string
  scope: Scope
}

export interface LoadReport {
  requests: number
  /** Rows that were returned and compared with the tenant that made the request. */
  rows: number
  /** How often each error occurred: by SQLSTATE, by problem, or by message. */
  errors: Record<string, number>
  /** What must not occur: a foreign row, a foreign setting, an error that was not provoked. */
  faults: string[]
}

/** SQL without conversion of rows, for either login. */
export const say = (sql: string, ...parameters: unknown[]): Statement<LoginName, Row[]> =>
  ({ sql, parameters, read: (rows: Row[]) => rows, refusals: {} }) as unknown as Statement<LoginName, Row[]>

const STAMPED = 20
const SETTINGS = ['session_id', 'organization_id', 'permission', 'context'] as const
const readSettings = `select ${SETTINGS.map(name => `current_setting('app.${name}', true) as ${name}`).join(', ')}`

/** Separate organizations, each with rows that contain its id as their name. */
export async function makeTenants({ signUp, tokens, admin }: TestApp, count: number): Promise<LoadTenant[]> {
  const tenants: LoadTenant[] = []
  for (let n = 0; n < count; n++) {
    const { organization_id, access_token } = await signUp(`Load ${n}`)
    const { sid } = tokens.verify(access_token)
    const origin = { request_id: `load-${n}`, ip: '', user_agent: '' }
    tenants.push({ organization_id, scope: { session_id: sid, organization_id, permission: 'projects:write', origin } })
    await admin.query(
      `insert into projects (organization_id, name, slug) select $1::uuid, $1::uuid::text, 'stamp-' || n from generate_series(1, ${STAMPED}) n`,
      [organization_id],
    )
  }
  return tenants
}

type Login_ = Pick<Login<'tenant'>, 'run' | 'transaction' | 'pool'>

/** A request that must succeed; returns the number of rows that it compared. */
type Request = (tenant: LoadTenant, login: Login_) => Promise<number>

const own = ({ organization_id }: LoadTenant, rows: Row[]): number => {
  const foreign = rows.find(row => row['organization_id'] !== organization_id || row['name'] !== organization_id)
  if (foreign !== undefined) throw new Error(`${organization_id} got the row ${JSON.stringify(foreign)}`)
  return rows.length
}

const named = ({ scope }: LoadTenant, rows: Row[]): number => {
  const expected = [scope.session_id, scope.organization_id, scope.permission, JSON.stringify(scope.origin)]
  const found = SETTINGS.map(name => rows[0]?.[name])
  if (expected.join() !== found.join()) throw new Error(`${scope.organization_id} ran under ${found.join()}`)
  return 1
}

// No statement names its organization: only the policies keep them apart.
const readAll = say(`select organization_id, name from projects order by random() limit ${STAMPED}`)
const insertOwn = (tenant: LoadTenant, organization_id = tenant.organization_id, slug = `own-${crypto.randomUUID()}`) =>
  say(
    'insert into projects (organization_id, name, slug) values ($1, $2, $3) returning organization_id, name',
    organization_id,
    tenant.organization_id,
    slug,
  )

const good: Request[] = [
  async (tenant, login) => {
    const rows = await login.run(tenant.scope, readAll)
    if (rows.length < STAMPED) throw new Error(`${tenant.organization_id} sees only ${rows.length} of its rows`)
    return own(tenant, rows)
  },
  async (tenant, login) => named(tenant, await login.run(tenant.scope, say(readSettings))),
  async (tenant, login) =>
    own(
      tenant,
      await login.run(tenant.scope, say('select organization_id, name from projects where slug = $1', 'stamp-3')),
    ),
  async (tenant, login) => own(tenant, await login.run(tenant.scope, insertOwn(tenant))),
  (tenant, login) =>
    login.transaction(tenant.scope, async transaction => {
      const first = own(tenant, await transaction.run(readAll))
      const inserted = own(tenant, await transaction.run(insertOwn(tenant)))
      return first + inserted + named(tenant, await transaction.run(say(readSettings)))
    }),
  // Without settings no row is visible, whatever ran on that connection before.
  async (_tenant, login) => {
    const { rows } = await login.pool.query('select organization_id from projects limit 1')
    if (rows.length > 0) throw new Error(`a statement without settings got the row ${JSON.stringify(rows[0])}`)
    return 0
  },
]

const absentId = '00000000-0000-7000-8000-000000000000'
const thrown = () => {
  throw new Error('thrown')
}

/** Errors to provoke, each with its expected code. */
const bad: [code: string, request: (tenant: LoadTenant, login: Login_, other: LoadTenant) => Promise<unknown>][] = [
  ['23505', (tenant, login) => login.run(tenant.scope, insertOwn(tenant, tenant.organization_id, 'stamp-1'))],
  [
    '23514',
    (tenant, login) => login.run(tenant.scope, say(`update projects set status = 'lost' where slug = 'stamp-2'`)),
  ],
  [
    '22012',
    (tenant, login) =>
      login.run(tenant.scope, say('select organization_id, name, 1 / (length(name) - 36) from projects')),
  ],
  ['42601', (tenant, login) => login.run(tenant.scope, say('selec organization_id from projects'))],
  [
    '22P02',
    (tenant, login) => login.run(tenant.scope, say('select name from projects where id = $1::uuid', 'not an id')),
  ],
  ['42501', (tenant, login, other) => login.run(tenant.scope, insertOwn(tenant, other.organization_id))],
  ['thrown', (tenant, login) => login.run(tenant.scope, { ...readAll, read: thrown })],
  ['session-ended', (tenant, login) => login.run({ ...tenant.scope, session_id: absentId }, readAll)],
  [
    'membership-ended',
    (tenant, login, other) => login.run({ ...tenant.scope, organization_id: other.organization_id }, readAll),
  ],
  ['permission-missing', (tenant, login) => login.run({ ...tenant.scope, permission: 'nothing:write' }, readAll)],
  [
    'session-ended',
    (tenant, login) =>
      login.transaction({ ...tenant.scope, session_id: absentId }, transaction => transaction.run(insertOwn(tenant))),
  ],
  [
    'thrown',
    (tenant, login) =>
      login.transaction(tenant.scope, async transaction => {
        await transaction.run(insertOwn(tenant, tenant.organization_id, `lost-${crypto.randomUUID()}`))
        thrown()
      }),
  ],
  [
    '22012',
    (tenant, login) =>
      login.transaction(tenant.scope, async transaction => {
        await transaction.run(insertOwn(tenant, tenant.organization_id, `lost-${crypto.randomUUID()}`))
        await transaction.run(say('select 1 / $1::int', 0))
      }),
  ],
]

const codeOf = (error: unknown): string =>
  error instanceof Problem || error instanceof pg.DatabaseError ? (error.code ?? '') : (error as Error).message

/** Parallel requests of several tenants; every third one fails in one of many ways. */
export async function runTenantLoad(
  { tenant: login }: Database,
  tenants: LoadTenant[],
  requests: number,
  requesters = 64,
): Promise<LoadReport> {
  const report: LoadReport = { requests: 0, rows: 0, errors: {}, faults: [] }
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(Math.random() * items.length)] as Item

  async function request(number: number): Promise<void> {
    const tenant = pick(tenants)
    if (number % 3 !== 2) {
      const rows = await pick(good)(tenant, login)
      report.rows += rows
      return
    }
    const [expected, fail] = pick(bad)
    const other = pick(tenants.filter(({ organization_id }) => organization_id !== tenant.organization_id))
    const code = await fail(tenant, login, other).then(() => 'none', codeOf)
    report.errors[code] = (report.errors[code] ?? 0) + 1
    if (code !== expected) throw new Error(`expected the error ${expected}, got ${code}`)
  }

  await Promise.all(
    Array.from({ length: requesters }, async () => {
      while (report.requests < requests)
        await request(report.requests++).catch((error: unknown) => report.faults.push(String(error)))
    }),
  )
  return report
}

/**
 * The settings on each server connection behind a pool when it is idle: its process id → settings. `count` clients hold
 * a transaction open at once, so that a pooler cannot answer twice from one connection.
 */
export async function readLeftSettings(pool: pg.Pool, count: number): Promise<Map<number, string[]>> {
  const clients = await Promise.all(Array.from({ length: count }, () => pool.connect()))
  try {
    const rows = await Promise.all(
      clients.map(async client => {
        await client.query('begin')
        const {
          rows: [row],
        } = await client.query<Record<string, string | null>>(`${readSettings}, pg_backend_pid() as pid`)
        return row as Record<string, string | null>
      }),
    )
    return new Map(rows.map(row => [Number(row['pid']), SETTINGS.map(name => row[name] ?? '')]))
  } finally {
    for (const client of clients) await client.query('rollback')
    for (const client of clients) client.release()
  }
}
