import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Passwords } from '../../identity/passwords/passwords.ts'
import type { Runner, SystemRunner, Transaction } from '../../platform/database/database.ts'
import { execute, find, many, tables } from '../../platform/database/statement.ts'
import type { SeededOrganization } from './plan.ts'

const system = tables('system', 'users', 'organizations', 'memberships', 'sessions', 'seeded_accounts')
const tenant = tables('tenant', 'companies', 'branches', 'departments', 'department_people')

export interface SeedServices {
  system: SystemRunner
  /** The tenant login with this session's gate to the structure of this organization. */
  openGate: (session_id: string, organization_id: string) => Runner<'tenant'>
  passwords: Passwords
}

/**
 * Writes one organization with its users and its structure, unless it exists: then nothing of it is changed, whatever
 * has happened to it. Users are written in one transaction and the structure in another one, by the owner and through
 * the gate; a session that is left over from the first one says that the second one is due.
 * @returns whether anything was written @throws Error if an address or the slug belongs to something else
 */
export async function seedOrganization(services: SeedServices, plan: SeededOrganization): Promise<boolean> {
  const { id: organization_id, session_id, users, password, companies } = plan
  const inSystem = <Result>(work: (transaction: Transaction<'system'>) => Promise<Result>) =>
    // system: seeding creates accounts, and runs without a session
    services.system.with({ organization_id }).transaction(work)

  const state = await inSystem(async transaction => {
    if (await transaction.run(renewSession(session_id))) return 'half written'
    if (await transaction.run(findOrganization(organization_id))) return 'written'
    await refuseTaken(transaction, plan)
    return 'new'
  })
  if (state === 'written') return false
  if (state === 'new') {
    const password_hash = await services.passwords.hash(password)
    await inSystem(transaction => writeUsers(transaction, plan, password_hash))
  }
  if (companies.length > 0)
    await services
      .openGate(session_id, organization_id)
      .transaction(transaction => writeStructure(transaction, plan, users[0]?.id ?? ''))
  await inSystem(transaction => transaction.run(endSession(session_id)))
  return true
}

const renewSession = (id: string) =>
  find(
    system
      .updateTable('sessions')
      .set({ expires_at: sql<string>`now() + interval '1 hour'` })
      .where('id', '=', id)
      .returning('id'),
  )

const endSession = (id: string) => execute(system.deleteFrom('sessions').where('id', '=', id).returning('id'))

const findOrganization = (id: string) => find(system.selectFrom('organizations').select('id').where('id', '=', id))

/** @throws Error that names what is taken */
async function refuseTaken(transaction: Transaction<'system'>, { slug, users }: SeededOrganization): Promise<void> {
  const emails = users.map(({ email }) => email)
  const taken = await transaction.run(
    many(
      system
        .selectFrom('users')
        .select('email')
        .where('email', '=', sql<string>`any(${emails}::text[])`)
        .limit(3),
    ),
  )
  const team = await transaction.run(
    find(system.selectFrom('organizations').select('id').where('slug', '=', slug).where('deleted_at', 'is', null)),
  )
  const words = [
    ...taken.map(({ email }) => `an account that the seed did not create has the address ${email}`),
    ...(team === undefined ? [] : [`an organization that the seed did not create has the slug ${slug}`]),
  ]
  if (words.length > 0) throw new Error(`${words.join('; ')}: use a database without it, such as a new DATA_DIR`)
}

async function writeUsers(
  transaction: Transaction<'system'>,
  { id: organization_id, session_id, kind, name, slug, created_at, users }: SeededOrganization,
  password_hash: string,
): Promise<void> {
  const times = { created_at, updated_at: created_at }
  const organization = { id: organization_id, kind, name, slug, ...times }
  await transaction.run(execute(system.insertInto('organizations').values(organization).returning('id')))
  const hash_digest = createHash('sha256').update(password_hash).digest()
  for (const part of partsOf(users)) {
    const accounts = part.map(({ id, email, given_name, family_name, full_name, superuser, created_at }) => ({
      id,
      email,
      given_name,
      family_name,
      full_name,
      superuser,
      password_hash,
      last_organization_id: organization_id,
      email_verified_at: created_at,
      created_at,
      updated_at: created_at,
    }))
    const memberships = part.map(({ id, role, title, created_at }) => ({
      organization_id,
      user_id: id,
      role,
      title,
      created_at,
      updated_at: created_at,
    }))
    const marks = part.map(({ id }) => ({ user_id: id, hash_digest }))
    await transaction.run(execute(system.insertInto('users').values(accounts).returning('id')))
    await transaction.run(execute(system.insertInto('memberships').values(memberships).returning('user_id')))
    await transaction.run(execute(system.insertInto('seeded_accounts').values(marks).returning('user_id')))
  }
  const session = {
    id: session_id,
    user_id: users[0]?.id ?? '',
    organization_id,
    user_agent: 'freehold seed',
    methods: ['password'],
    expires_at: sql<string>`now() + interval '1 hour'`,
  }
  await transaction.run(execute(system.insertInto('sessions').values(session).returning('id')))
}

async function writeStructure(
  transaction: Transaction<'tenant'>,
  { id: organization_id, created_at, companies, branches, departments, users }: SeededOrganization,
  created_by: string,
): Promise<void> {
  const shared = { organization_id, created_by, created_at, updated_at: created_at }
  const rowsOf = <Row>(rows: readonly Row[]) => rows.map(row => ({ ...shared, ...row }))
  const company_id = sql<string>`null` // the database sets it to that of the branch
  await transaction.run(execute(tenant.insertInto('companies').values(rowsOf(companies)).returning('id')))
  await transaction.run(execute(tenant.insertInto('branches').values(rowsOf(branches)).returning('id')))
  const placed = rowsOf(departments).map(row => ({ ...row, company_id }))
  await transaction.run(execute(tenant.insertInto('departments').values(placed).returning('id')))
  const assignments = users.flatMap(({ id: user_id, department_id, created_at }) =>
    department_id === null ? [] : [{ ...shared, department_id, user_id, created_at, updated_at: created_at }],
  )
  for (const part of partsOf(assignments))
    await transaction.run(execute(tenant.insertInto('department_people').values(part).returning('user_id')))
}

/** A statement has at most 65,535 parameters. */
function partsOf<Item>(items: readonly Item[]): Item[][] {
  const size = 1000
  return Array.from({ length: Math.ceil(items.length / size) }, (_, part) =>
    items.slice(part * size, (part + 1) * size),
  )
}
