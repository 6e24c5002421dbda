import assert from 'node:assert/strict'
import { test } from 'node:test'
import { updateRow } from '../src/platform/database/conditional.ts'
import type { Login, Runner, Transaction } from '../src/platform/database/database.ts'
import { find, many, raw, tables } from '../src/platform/database/statement.ts'
import { sql } from 'kysely'

// Code that the grants forbid does not compile. `npm run check` compiles this file: if one of these lines compiles, the
// compiler reports an unused `@ts-expect-error`. Red when: statement.ts types a builder as Kysely<SystemTables> for
// every login, or generate-tables.ts leaves the grants out.

const tenant = tables('tenant', 'projects', 'users')
const system = tables('system', 'users', 'live_users')
const either = tables('either', 'retired_names')

const target = {
  query: tenant,
  table: 'projects',
  key: { organization_id: 'o', id: 'i' },
  columns: ['id', 'name'],
  condition: undefined,
} as const

/** Never called: only the compiler checks it. */
export function changeWhatIsNotThere(): void {
  updateRow(target, { name: 'New' })
  // @ts-expect-error -- a change names a column that the table does not have
  updateRow(target, { nonsense: 1 })
  // @ts-expect-error -- a key names a column that the table does not have
  updateRow({ ...target, key: { organization_id: 'o', nonsense: 'i' } }, { name: 'New' })
  // @ts-expect-error -- a column comes back that the table does not have
  updateRow({ ...target, columns: ['nonsense'] }, { name: 'New' })
  // @ts-expect-error -- a change has a value of another type
  updateRow(target, { name: 1 })
  const user = { query: tenant, table: 'users', key: { id: 'i' }, columns: ['id'], condition: undefined } as const
  updateRow(user, { full_name: 'Ada' })
  // @ts-expect-error -- a change names a column that this login may read and not write
  updateRow(user, { superuser: true })
  // @ts-expect-error -- the row cannot be called what the caller likes
  updateRow<{ nonsense: number }>(target, { name: 'New' })
}

/** Never called. */
export async function runOnTheWrongLogin(
  onTenant: Runner<'tenant'>,
  onSystem: Runner<'system'>,
  inTenant: Transaction<'tenant'>,
  login: Login<'tenant'>,
): Promise<void> {
  const ofSystem = find(system.selectFrom('users').select('password_hash'))
  const ofTenant = find(tenant.selectFrom('projects').select('name'))
  const ofEither = many(either.selectFrom('retired_names').select('digest'))
  await onSystem.run(ofSystem)
  await onTenant.run(ofTenant)
  await onTenant.run(ofEither)
  await onSystem.run(ofEither)
  // @ts-expect-error -- a statement of the system login, on the tenant login
  await onTenant.run(ofSystem)
  // @ts-expect-error -- the same in a transaction
  await inTenant.run(ofSystem)
  // @ts-expect-error -- the same on the login itself
  await login.run({ origin: onTenant.origin }, ofSystem)
  // @ts-expect-error -- a statement of the tenant login, on the system login
  await onSystem.run(ofTenant)
  // @ts-expect-error -- the same in SQL written out
  await onTenant.run(find(raw(system, sql<{ id: string }>`select id from users`)))
}

/** Never called. */
export function readWithoutAGrant(): void {
  system.selectFrom('users').select('password_hash')
  // @ts-expect-error -- the tenant login may not read it
  tenant.selectFrom('users').select('password_hash')
  // @ts-expect-error -- nor ask for it
  tenant.selectFrom('users').select('id').where('password_hash', 'is not', null)
  // @ts-expect-error -- nor write it
  tenant.updateTable('users').set({ password_hash: '' })
  // @ts-expect-error -- a table that the tenant login may not touch cannot be named for it
  tables('tenant', 'signing_keys')
  // @ts-expect-error -- nor for both logins at once
  tables('either', 'one_time_tokens')
}

/** Never called. */
export function readWhatIsNotNamed(): void {
  // @ts-expect-error -- a query of a file reads the tables that the file names; edges.test.ts says which it may name
  system.selectFrom('throttles').select('key')
  // @ts-expect-error -- nor may it join one
  tenant.selectFrom('projects').innerJoin('memberships', 'memberships.user_id', 'projects.created_by')
  // @ts-expect-error -- nor may a builder without tables
  tables('tenant').selectFrom('projects')
}

test('code that the grants forbid does not compile', () => {
  // At run time the builder knows no login: only types and grants do, and the types are checked above.
  assert.equal(tenant, system)
})
