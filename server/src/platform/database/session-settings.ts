import type pg from 'pg'

/** What statements, policies and triggers count on, with what goes wrong otherwise. A connection sets none of these itself. */
const NEEDED: Readonly<Record<string, readonly [value: string, otherwise: string]>> = {
  row_security: ['on', "every statement on an organization's table would be refused"],
  session_replication_role: ['origin', 'no trigger would run, so nothing would be written to the history'],
  default_transaction_isolation: ['read committed', 'requests at the same moment would refuse each other'],
  quote_all_identifiers: ['off', 'the catalog would seem to have been changed by hand'],
  transform_null_equals: ['off', 'conditions would mean something else'],
  array_nulls: ['on', 'arrays would be read wrongly'],
  bytea_output: ['hex', 'keys would be read wrongly'],
  IntervalStyle: ['postgres', 'intervals would be read wrongly'],
  client_encoding: ['UTF8', 'texts would be read wrongly'],
}

/** The settings of a login that differ from what the service needs, in words, each with what mends it. */
export async function inspectSessionSettings(pool: pg.Pool, variable: string): Promise<string[]> {
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
