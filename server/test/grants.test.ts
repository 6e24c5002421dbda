import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listFiles, readFile } from '../tools/code/source.ts'
import { withoutComments } from '../tools/code/tables-used.ts'
import { createTestApp } from './test-app.ts'

const { admin } = await createTestApp()

type LoginName = 'tenant' | 'system'
const COMMANDS = ['insert', 'update', 'delete'] as const
const bothLogins: readonly LoginName[] = ['tenant', 'system']

/** `login command table` for everything that the statements of the product do. */
function listUses(tables: readonly string[]): Set<string> {
  const uses = new Set<string>()
  for (const file of listFiles('ts')) {
    const text = readFile(file)
    const seenBy = loginsOf(text)
    for (const table of tables) {
      const logins = [...(seenBy.get(table) ?? [])]
      for (const command of commandsOf(text, table))
        for (const login of logins) uses.add(`${login} ${command} ${table}`)
      // What a retention job locks and deletes is declared, not written as a statement.
      if (new RegExp(`retention: \\[[\\s\\S]*table: '${table}'`).test(text))
        for (const command of ['update', 'delete']) uses.add(`system ${command} ${table}`)
    }
  }
  // Triggers and functions run with the rights of their caller, unless they are security definer.
  for (const file of listFiles('sql'))
    for (const [body] of withoutComments(readFile(file)).matchAll(/create function [\s\S]*?\$\$[\s\S]*?\$\$/g))
      if (!/security definer/.test(body))
        for (const table of tables)
          for (const command of commandsOf(body, table))
            for (const login of bothLogins) uses.add(`${login} ${command} ${table}`)
  return uses
}

/** The logins for which a file's builders use each table. */
function loginsOf(text: string): Map<string, Set<LoginName>> {
  const seen = new Map<string, Set<LoginName>>()
  for (const [, login = '', names = ''] of text.matchAll(/tables\(\s*'(tenant|system|either)',([^)]*)\)/g))
    for (const [, name = ''] of names.matchAll(/'(\w+)'/g)) {
      const logins = seen.get(name) ?? new Set()
      for (const one of login === 'either' ? bothLogins : [login as LoginName]) logins.add(one)
      seen.set(name, logins)
    }
  return seen
}

const wordsOf: Readonly<Record<(typeof COMMANDS)[number], (table: string) => RegExp>> = {
  insert: table => new RegExp(`insertInto\\('${table}'\\)|insert into ${table}\\b`),
  update: table =>
    new RegExp(
      `insertInto\\('${table}'\\)[\\s\\S]{1,600}doUpdateSet|insert into ${table}\\b(?:(?!insert into )[\\s\\S]){1,800}on conflict \\([^)]*\\) do update|updateTable\\('${table}'\\)|\\bupdate ${table}\\b|updateRow\\([\\s\\S]*table: '${table}'|table: '${table}'[\\s\\S]*updateRow\\(`,
    ),
  delete: table =>
    new RegExp(
      `deleteFrom\\('${table}'\\)|delete from ${table}\\b|deleteRow\\([\\s\\S]*table: '${table}'|table: '${table}'[\\s\\S]*deleteRow\\(`,
    ),
}
const commandsOf = (text: string, table: string) => COMMANDS.filter(command => wordsOf[command](table).test(text))

// Red when: a grant is added that no code uses, or the code that used one is removed.
test('the logins have the grants that the code uses, and no others', async () => {
  const { rows } = await admin.query<{ name: string; granted: string }>(`
    select c.relname as name, login || ' ' || command || ' ' || c.relname as granted
    from pg_class c, unnest(array['tenant', 'system']) as login, unnest(array['insert', 'update', 'delete']) as command
    where c.relnamespace = 'freehold'::regnamespace and c.relkind in ('r', 'p', 'v') and case command
      when 'delete' then has_table_privilege('freehold_' || login, c.oid, command)
      else has_any_column_privilege('freehold_' || login, c.oid, command) end`)
  assert.ok(rows.length > 20, 'there are grants to compare')
  const uses = listUses([...new Set(rows.map(({ name }) => name))])
  const idle = rows.map(({ granted }) => granted).filter(granted => !uses.has(granted))
  assert.deepEqual(idle, [], 'grants that no code uses: revoke them')
})
