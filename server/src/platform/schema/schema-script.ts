import pg from 'pg'
import { Connection } from '../database/connection.ts'
import { describeConnectionFault } from '../database/connection-faults.ts'

/** Says what is wrong with the migrations or the database, and what to do; the command line prints it as it is. */
export class MigrationError extends Error {
  override name = 'MigrationError'
}

/** The schema's name as an identifier. @throws MigrationError for a name that could end the quotes it stands in */
export function quoteSchema(schema: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/.test(schema)) {
    throw new MigrationError(
      `"${schema}" cannot name a schema: letters, digits, "_" and "-", at most 63, the first no digit.`,
    )
  }
  return `"${schema}"`
}

/** The schema of the job queue beside that of the product. */
export const jobSchemaOf = (schema: string): string => `${schema}_jobs`

/** Puts the schemas' names where `{{schema}}` and `{{jobs}}` stand. */
export const nameSchema = (sql: string, schema: string): string =>
  sql.replaceAll('{{schema}}', quoteSchema(schema)).replaceAll('{{jobs}}', quoteSchema(jobSchemaOf(schema)))

/** Opens a connection of the owner, or of whoever `variable` names. @throws MigrationError that says what to do, never the password */
export async function connectToDatabase(url: string, variable = 'DATABASE_URL'): Promise<pg.Client> {
  try {
    const client = new Connection({
      connectionString: url,
      application_name: 'freehold migrate',
      connectionTimeoutMillis: 10_000,
    })
    client.on('error', () => {}) // a server that stops in between fails the next query, not the process
    await client.connect()
    return client
  } catch (error) {
    throw new MigrationError(describeConnectionFault(error, { variable, url }), { cause: error })
  }
}

/**
 * Runs a script in a transaction of its own, with the schema on the search path. Row-level security is forced on the
 * owner too: without `app.maintenance` a backfill changes no row, and a foreign key is validated against none.
 * @throws MigrationError with the file, the line and what PostgreSQL said
 */
export async function runScript(
  client: pg.Client,
  schema: string,
  file: string,
  sql: string,
  record = async (): Promise<void> => {},
): Promise<void> {
  const text = nameSchema(sql, schema)
  await client.query('begin')
  try {
    // whoever waits for a lock makes everyone behind it wait too: better to give up and be started again
    await client.query(`set local app.maintenance = 'on'; set local quote_all_identifiers = off; set local search_path = ${quoteSchema(schema)}, pg_temp;
      set local statement_timeout = 0; set local lock_timeout = '10s'`)
    await client.query(text)
    await record()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    const position = error instanceof pg.DatabaseError ? error.position : undefined
    const line = position ? `, line ${text.slice(0, Number(position)).split('\n').length}` : ''
    throw toMigrationError(error, `${file}${line}`, 'nothing has changed, try again')
  }
}

/** What PostgreSQL refused, with where that was and, for a lock that did not come, what to do; other errors as they are. */
export function toMigrationError(error: unknown, where: string, then = 'apply again to go on'): unknown {
  if (!(error instanceof pg.DatabaseError)) return error
  const advice = error.code === '55P03' ? ` Another transaction holds a table for more than 10 seconds; ${then}.` : ''
  return new MigrationError(`${where}: ${error.message}${error.detail ? ` (${error.detail})` : ''}.${advice}`)
}
