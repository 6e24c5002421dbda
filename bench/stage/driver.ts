import pg from 'pg'
import type { SettingValues } from '../../server/src/platform/connections/trip-query.ts'
import { prepareSettings, TripQuery } from '../../server/src/platform/connections/trip-query.ts'
import { getMe } from '../../server/src/identity/sign-in/me.ts'
import { listProjects } from '../../server/src/product/projects/projects.ts'

export type Row = Record<string, unknown>

/** A pool like the service's, without the service's additions. */
export function openPool(connectionString: string, max: number): pg.Pool {
  const onConnect = (client => prepareSettings(client as pg.PoolClient)) as (client: pg.ClientBase) => void
  const pool = new pg.Pool({ connectionString, max, onConnect })
  pool.on('error', () => {}) // the server stops before idle connections are closed
  return pool
}

/** The settings and the query in one round trip, as the service sends them, with the driver alone. */
export async function oneTrip(
  pool: pg.Pool,
  name: string,
  text: string,
  values: readonly unknown[],
  settings: SettingValues,
): Promise<Row[]> {
  const client = await pool.connect()
  try {
    return await new Promise((resolve, reject) => {
      client.query(
        new TripQuery({ name, text, values, settings, begin: false }, (error, rows) =>
          error === null ? resolve(rows) : reject(error),
        ),
      )
    })
  } finally {
    client.release()
  }
}

/** The context of a request. No audit log is written here, but the setting is sent nevertheless. */
export const contextOf = (user_id: string, request_id: string): string =>
  JSON.stringify({ request_id, ip: '127.0.0.1', user_agent: '', user_id })

const page = { limit: 20, after: undefined, includeTotal: false, seal: () => '' }

const declared = { permissions: {} }

const projectsOf = (organization_id: string) =>
  listProjects({ organization_id, user_id: '' }, { sort: '-created_at' }, page)

/** The service's own statements: their text, and the values for one organization. */
export const statements = {
  me: {
    text: getMe(declared, '').sql,
    values: (organization_id: string) => getMe(declared, organization_id).parameters,
  },
  projects: {
    text: projectsOf('').sql,
    values: (organization_id: string) => projectsOf(organization_id).parameters,
  },
}
