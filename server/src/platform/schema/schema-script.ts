import pg from 'pg'

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

/** Opens a connection. @throws MigrationError naming host, database and user, never the password */
export async function connectToDatabase(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'freehold migrate',
    connectionTimeoutMillis: 10_000,
  })
  client.on('error', () => {}) // a server that stops in between fails the next query, not the process
  try {
    await client.connect()
  } catch (error) {
    throw new MigrationError(
      `Cannot connect to ${client.host}:${client.port}, database ${client.database}, as ${client.user}: ${messageOf(error)}`,
    )
  }
  return client
}

/** Several addresses of one host fail together, in an error without a message of its own. */
const messageOf = (error: unknown): string =>
  error instanceof AggregateError
    ? error.errors.map(messageOf).join(', ')
    : error instanceof Error
      ? error.message
      : String(error)

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
    await client.query(`set local app.maintenance = 'on'; set local search_path = ${quoteSchema(schema)}, pg_temp;
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
