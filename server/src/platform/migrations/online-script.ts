import type pg from 'pg'
import { MigrationError, nameSchema, quoteSchema, toMigrationError } from './schema-script.ts'

/**
 * A migration whose first lines say `-- transaction: none` runs without a transaction, because PostgreSQL can build an
 * index without blocking writes only outside of one. If it stops between two statements, it runs again from its
 * beginning, so it may contain only repeatable statements.
 */
export const isOnline = (sql: string): boolean => /^(?:--.*\n|\s*\n)*?-- transaction: none *(?:\n|$)/.test(sql)

interface Form {
  pattern: RegExp
  /** Whether it waits for a lock that makes later statements wait too, and so must give up soon. */
  blocks: boolean
  /** Prepares a repetition, and says whether the statement has to run again. */
  repeat?: (client: pg.Client, schema: string, match: RegExpExecArray) => Promise<'skip' | 'run'>
}

const name = '(?:\\{\\{schema\\}\\}\\.)?"?(\\w+)"?'
const table = `alter\\s+table\\s+(?:only\\s+)?${name}\\s+`

const forms: readonly Form[] = [
  {
    pattern: new RegExp(`^create\\s+(?:unique\\s+)?index\\s+concurrently\\s+${name}\\s`, 'i'),
    blocks: false,
    repeat: clearIndex,
  },
  { pattern: /^drop\s+index\s+concurrently\s+if\s+exists\s/i, blocks: false },
  { pattern: new RegExp(`^${table}validate\\s+constraint\\s+"?\\w+"?$`, 'i'), blocks: false },
  {
    pattern: new RegExp(
      `^${table}add\\s+constraint\\s+${name}\\s+(?:check\\b.*\\bnot\\s+valid|.*\\busing\\s+index\\s+"?\\2"?)$`,
      'is',
    ),
    blocks: true,
    repeat: findConstraint,
  },
  { pattern: new RegExp(`^${table}drop\\s+constraint\\s+if\\s+exists\\s+"?\\w+"?$`, 'i'), blocks: true },
  { pattern: new RegExp(`^${table}alter\\s+column\\s+"?\\w+"?\\s+(?:set|drop)\\s+not\\s+null$`, 'i'), blocks: true },
]

/** The statements of an online migration with their forms. @throws MigrationError for one that is not repeatable */
export function readOnlineScript(
  file: string,
  sql: string,
): { statement: string; form: Form; match: RegExpExecArray }[] {
  return splitStatements(sql).map(statement => {
    for (const form of forms) {
      const match = form.pattern.exec(statement)
      if (match !== null) return { statement, form, match }
    }
    throw new MigrationError(
      `${file} says "-- transaction: none", but contains a statement that could not be repeated after an interruption: ` +
        `"${statement.replace(/\s+/g, ' ').slice(0, 80)}". Only these are allowed there: create index concurrently, drop index ` +
        'concurrently if exists, validate constraint, add constraint … check … not valid, add constraint … using index of the same name, drop ' +
        'constraint if exists, alter column … set or drop not null. Put the others into a separate migration.',
    )
  })
}

/** Splits a script at its semicolons, outside of literals, names and comments. */
function splitStatements(sql: string): string[] {
  const statements = ['']
  for (const [token] of sql.matchAll(/--.*|'(?:[^']|'')*'|"[^"]*"|;|[^;'"-]+|[-'"]/g)) {
    if (token === ';') statements.push('')
    else if (!token.startsWith('--')) statements[statements.length - 1] += token
  }
  return statements.map(statement => statement.trim()).filter(Boolean)
}

/**
 * Runs an online migration from its first statement, even if it was interrupted before; `record` runs in a transaction
 * at the end. @throws MigrationError with the file, the statement and PostgreSQL's message
 */
export async function runOnlineScript(
  client: pg.Client,
  schema: string,
  file: string,
  sql: string,
  record: () => Promise<void>,
): Promise<void> {
  const steps = readOnlineScript(file, sql)
  const path = `${quoteSchema(schema)}, pg_temp`
  try {
    await client.query(`set app.maintenance = 'on'; set search_path = ${path}; set statement_timeout = 0`)
    for (const { statement, form, match } of steps) {
      if ((await form.repeat?.(client, schema, match)) === 'skip') continue
      // A statement that does not block others may wait for long transactions.
      await client.query(`set lock_timeout = '${form.blocks ? '10s' : '0'}'`)
      try {
        await client.query(nameSchema(statement, schema))
      } catch (error) {
        throw toMigrationError(error, `${file}, "${statement.replace(/\s+/g, ' ').slice(0, 80)}"`)
      }
    }
    await client.query('begin')
    await record()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    await client
      .query('reset app.maintenance; reset search_path; reset statement_timeout; reset lock_timeout')
      .catch(() => {})
  }
}

/** An index whose build was interrupted exists, but is invalid: drop it, so that it is built again. */
async function clearIndex(client: pg.Client, schema: string, match: RegExpExecArray): Promise<'skip' | 'run'> {
  const { rows } = await client.query<{ indisvalid: boolean }>(
    `select indisvalid from pg_index join pg_class on pg_class.oid = indexrelid
    where relname = $1 and relnamespace = $2::regnamespace`,
    [match[1], quoteSchema(schema)],
  )
  if (rows[0]?.indisvalid === false) {
    await client.query('set lock_timeout = 0')
    await client.query(`drop index concurrently ${quoteSchema(schema)}.${client.escapeIdentifier(match[1]!)}`)
  }
  return rows[0]?.indisvalid === true ? 'skip' : 'run'
}

async function findConstraint(client: pg.Client, schema: string, match: RegExpExecArray): Promise<'skip' | 'run'> {
  const { rows } = await client.query(`select from pg_constraint where conname = $2 and conrelid = to_regclass($1)`, [
    `${quoteSchema(schema)}.${client.escapeIdentifier(match[1]!)}`,
    match[2],
  ])
  return rows.length > 0 ? 'skip' : 'run'
}
