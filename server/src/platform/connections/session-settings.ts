import type pg from 'pg'

/** Settings that statements, policies and triggers rely on, each with the effect of a wrong value. */
const NEEDED: Readonly<Record<string, readonly [value: string, otherwise: string]>> = {
  default_transaction_read_only: ['off', 'every change would be refused'],
  row_security: ['on', 'every statement on a table of an organization would be refused'],
  session_replication_role: ['origin', 'no trigger would run, so the audit log would stay empty'],
  default_transaction_isolation: ['read committed', 'concurrent requests would fail'],
  quote_all_identifiers: ['off', 'the catalog would look as if it had been changed by hand'],
  transform_null_equals: ['off', 'conditions would mean something else'],
  array_nulls: ['on', 'arrays would be read wrongly'],
  bytea_output: ['hex', 'keys would be read wrongly'],
  IntervalStyle: ['postgres', 'intervals would be read wrongly'],
  client_encoding: ['UTF8', 'texts would be read wrongly'],
}

/** What to do if the server itself takes no changes, because it is a standby that follows another server. */
const standbyOf = (variable: string): string =>
  `${variable} leads to a standby, which takes no changes: correct the host in the URL, or wait until the server is promoted`

/** One message for each setting of a login that differs from what the service needs, with its fix. */
export async function inspectSessionSettings(pool: pg.Pool, variable: string): Promise<string[]> {
  const { rows: roles } = await pool.query<{ is_standby: boolean }>('select pg_is_in_recovery() as is_standby')
  if (roles[0]?.is_standby === true) return [standbyOf(variable)]
  const { rows } = await pool.query<{ name: string; setting: string; login: string; database: string }>(
    `select name, setting, current_user as login, current_database() as database from pg_settings where name = any ($1)`,
    [Object.keys(NEEDED)],
  )
  return rows.flatMap(({ name, setting, login, database }) => {
    const [value, otherwise] = NEEDED[name] ?? [setting, '']
    if (setting === value) return []
    return [
      `${name} is ${setting} for ${login} (${variable}), and ${otherwise}: alter role "${login}" in database "${database}" set ${name} = '${value}'`,
    ]
  })
}
