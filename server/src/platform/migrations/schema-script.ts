import pg from 'pg'
import { Connection } from '../connections/connection.ts'
import { describeConnectionFault } from '../connections/connection-faults.ts'

/** A fault of the migrations or the database. The message says what to do; the command line prints it unchanged. */
export class MigrationError extends Error {
  override name = 'MigrationError'
}

/** The schema's name as a quoted identifier. @throws MigrationError for a name that could end the quotes */
export function quoteSchema(schema: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/.test(schema)) {
    throw new MigrationError(
      `"${schema}" cannot name a schema: use at most 63 letters, digits, "_" and "-", not beginning with a digit.`,
    )
  }
  return `"${schema}"`
}

/** The schema of the job queue. */
export const jobSchemaOf = (schema: string): string => `${schema}_jobs`

/** Replaces `{{schema}}` and `{{jobs}}` by the schemas' names. */
export const nameSchema = (sql: string, schema: string): string =>
  sql.replaceAll('{{schema}}', quoteSchema(schema)).replaceAll('{{jobs}}', quoteSchema(jobSchemaOf(schema)))

/** Connects as the owner, or the login in `variable`. @throws MigrationError that says what to do, not the password */
export async function connectToDatabase(url: string, variable = 'DATABASE_URL'): Promise<pg.Client> {
  try {
    const client = new Connection({
      connectionString: url,
      application_name: 'freehold migrate',
      connectionTimeoutMillis: 10_000,
    })
    client.on('error', () => {}) // if the server stops, the next query fails, not the process
    await client.connect()
    return client
  } catch (error) {
    throw new MigrationError(describeConnectionFault(error, { variable, url }), { cause: error })
  }
}

/**
 * Runs a script in its own transaction, with the schema on the search path. Row-level security applies to the owner
 * too: without `app.maintenance` a backfill would change no rows, and foreign keys would be validated against no rows.
 * @throws MigrationError with the file, the line and PostgreSQL's message
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
    // while it waits for a lock, all later statements wait too: better to fail, and to be started again
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

/** PostgreSQL's error with its place and, for a lock timeout, what to do; other errors are returned unchanged. */
export function toMigrationError(error: unknown, where: string, then = 'apply again to continue'): unknown {
  if (!(error instanceof pg.DatabaseError)) return error
  const advice =
    error.code === '55P03' ? ` Another transaction has locked a table for more than 10 seconds; ${then}.` : ''
  return new MigrationError(`${where}: ${error.message}${error.detail ? ` (${error.detail})` : ''}.${advice}`)
}
