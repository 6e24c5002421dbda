import pg from 'pg'
import { ensureRoles, loginNames, loginPassword } from '../src/platform/schema/logins.ts'

/** The environment variable through which the test run's setup passes its database to every test file. */
export const TEST_DATABASE = 'FREEHOLD_TEST_DATABASE'

/** The one with which `run.js` names the directory of the test run's PostgreSQL. */
export const TEST_DIRECTORY = 'FREEHOLD_TEST_DIRECTORY'

/** The secret for the logins and tokens of the test run. */
export const TEST_SECRET = 'a secret for tests, of more than 32 characters'

export interface TestDatabase {
  /** The superuser of the cluster, to whom no policy applies. */
  adminUrl: string
  ownerUrl: string
  tenantUrl: string
  systemUrl: string
}

const HOW_TO_RUN = 'run the tests with `npm test`, or one file with `npm test -- path/to/file.test.ts`'
const given = process.env[TEST_DATABASE]
/** The database of the setup, which is migrated and empty, and which nothing writes. */
const template = given === undefined ? undefined : (JSON.parse(given) as TestDatabase)
const ofFile = template && (await createDatabase(`file_${process.pid}`, { isEmpty: false, schema: 'freehold' }))

/**
 * The database of this test file: a copy of the migrated one. Each file has its own, so that no test sees the rows of
 * another file, and what reads whole tables stays fast, however many tests there are.
 */
export function testDatabase(): TestDatabase {
  if (ofFile === undefined) throw new Error(HOW_TO_RUN)
  return ofFile
}

let serial = 0

/** Another database for this file: migrated, or empty. `schema` is on the path of its logins. */
export const createAnotherDatabase = (options: { isEmpty: boolean; schema: string }): Promise<TestDatabase> =>
  createDatabase(`own_${process.pid}_${serial++}`, options)

async function createDatabase(
  database: string,
  { isEmpty, schema }: { isEmpty: boolean; schema: string },
): Promise<TestDatabase> {
  if (template === undefined) throw new Error(HOW_TO_RUN)
  const { adminUrl, ownerUrl } = template
  const copied = isEmpty ? 'template1' : new URL(ownerUrl).pathname.slice(1)
  const server = new pg.Client({ connectionString: adminUrl })
  await server.connect()
  await server.query(`create database ${database} owner freehold template ${copied}`)
  await server.end()
  const on = (url: string, login = {}): string =>
    Object.assign(new URL(url), { pathname: `/${database}`, ...login }).href
  const names = loginNames(database)
  const passwords = {
    tenant: loginPassword(TEST_SECRET, names.tenant),
    system: loginPassword(TEST_SECRET, names.system),
  }
  const client = new pg.Client({ connectionString: on(adminUrl) })
  await client.connect()
  await ensureRoles(client, { database, schema, owner: 'freehold', passwords })
  await client.end()
  const urlOf = (kind: 'tenant' | 'system') => on(ownerUrl, { username: names[kind], password: passwords[kind] })
  return { adminUrl, ownerUrl: on(ownerUrl), tenantUrl: urlOf('tenant'), systemUrl: urlOf('system') }
}
