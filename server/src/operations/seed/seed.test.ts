import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { faker } from '@faker-js/faker/locale/en'
import { createOwnDatabase } from '../../../test/own-database.ts'
import { request, startServiceProcess, waitUntil } from '../../../test/programs/service-process.ts'
import { TEST_SECRET } from '../../../test/test-database.ts'
import { planSeed } from './plan.ts'

const program = fileURLToPath(new URL('../../../bin/freehold.js', import.meta.url))
const { ownerUrl, tenantUrl, systemUrl, admin } = await createOwnDatabase()
const environment = {
  DATABASE_URL: ownerUrl,
  DATABASE_TENANT_URL: tenantUrl,
  DATABASE_SYSTEM_URL: systemUrl,
  RUN_JOBS: 'false',
}
const deployed = {
  ...environment,
  ENVIRONMENT: 'production',
  DATABASE_URL: '',
  PUBLIC_URL: 'https://api.example.com',
  EMAIL_VERIFICATION: 'optional',
  HOST: '127.0.0.1',
}

const run = (command: string, env: Record<string, string> = environment) =>
  spawnSync(process.execPath, [program, command], {
    env: { PATH: process.env['PATH'], SECRET_KEY: TEST_SECRET, ...env },
    cwd: '/',
    encoding: 'utf8',
    timeout: 180_000,
  })

/** Every row that the seed wrote, as text. */
async function dump(): Promise<string[]> {
  const tables =
    'users organizations memberships companies branches departments department_people seeded_accounts sessions'
  const dumps = await Promise.all(
    tables.split(' ').map(async name => {
      const { rows } = await admin.query<{ line: string }>(
        `select '${name} ' || to_jsonb(t)::text as line from ${name} t`,
      )
      return rows.map(({ line }) => line)
    }),
  )
  return dumps.flat().toSorted()
}

test('the plan is the same at every run', () => {
  const [one, other] = [planSeed(faker), planSeed(faker)]
  assert.deepEqual(one, other)
  assert.equal(
    one[0]?.users[0]?.id,
    '018d61f7-1800-7bfd-b245-8e13605bd2e7',
    'changed ids: a database that was seeded before gets a second copy',
  )
  const ids = one.flatMap(({ id, users, companies, branches, departments, session_id }) => [
    id,
    session_id,
    ...[users, companies, branches, departments].flatMap(rows => rows.map(row => row.id)),
  ])
  assert.equal(new Set(ids).size, ids.length)
})

// Red when: refuseExposure() (cli/seed.ts) is not called, or accepts the address.
test('it refuses production, and an address that other machines reach', () => {
  for (const [env, message] of [
    [deployed, /ENVIRONMENT is production/],
    [{ ...environment, HOST: '0.0.0.0' }, /HOST is 0\.0\.0\.0/],
    [{ ...environment, HOST: '192.0.2.1' }, /HOST is 192\.0\.2\.1/],
  ] as const) {
    const { status, stderr } = run('seed', env)
    assert.equal(status, 1, stderr)
    assert.match(stderr, message)
  }
})

test('it creates the five organizations with their people and structure, and a second run changes nothing', async t => {
  const began = performance.now()
  const first = run('seed')
  const seconds = (performance.now() - began) / 1000
  assert.equal(first.status, 0, first.stderr)
  assert.match(first.stdout, /created MedCare: 1040 people, 1 company, 4 branches, 42 departments/)
  t.diagnostic(`${seconds.toFixed(1)} s, with the start of the program`)

  const { rows } = await admin.query(
    `select slug, (select count(*)::int from memberships m where m.organization_id = o.id) as people,
      (select count(*)::int from department_people p where p.organization_id = o.id) as placed,
      (select count(*)::int from branches b where b.organization_id = o.id) as branches
    from organizations o where kind = 'team' order by people`,
  )
  assert.deepEqual(rows, [
    { slug: 'techstart', people: 25, placed: 24, branches: 1 },
    { slug: 'cloudwork', people: 150, placed: 149, branches: 3 },
    { slug: 'fashionhub', people: 200, placed: 199, branches: 16 },
    { slug: 'fintech', people: 500, placed: 499, branches: 6 },
    { slug: 'medcare', people: 1040, placed: 1039, branches: 4 },
  ])

  await admin.query(`update users set full_name = 'Changed' where email = 'ceo@fintech.com'`)
  await admin.query(
    `delete from department_people where user_id = (select id from users where email like '%@techstart.com' order by id desc limit 1)`,
  )
  const before = await dump()
  const second = run('seed')
  assert.equal(second.status, 0, second.stderr)
  assert.match(second.stdout, /nothing was changed/)
  assert.deepEqual(await dump(), before)
  assert.ok(!before.some(line => line.startsWith('sessions ')), 'a session is left over')
})

test('the rows have the ids and times of the plan', async () => {
  const { rows } = await admin.query<{ id: string; created_at: string }>(
    'select id, created_at from users union all select id, created_at from organizations union all select id, created_at from departments',
  )
  const written = new Map(rows.map(({ id, created_at }) => [id, new Date(created_at).toISOString()]))
  for (const { id, created_at, users, departments } of planSeed(faker)) {
    assert.equal(written.get(id), created_at)
    for (const user of users) assert.equal(written.get(user.id), user.created_at)
    for (const department of departments) assert.equal(written.get(department.id), created_at)
  }
})

// Red when: writeUsers() commits with writeStructure() pending, and a later run does not notice.
test('a run that was killed after the users continues with the structure', async () => {
  const plan = planSeed(faker)[3]!
  await admin.query(
    `with place as materialized (select set_config('app.organization_id', $1, true)) delete from companies using place where organization_id = $1::uuid`,
    [plan.id],
  )
  await admin.query(
    `insert into sessions (id, user_id, organization_id, expires_at) values ($1, $2, $3, now() - interval '1 day')`,
    [plan.session_id, plan.users[0]!.id, plan.id],
  )
  const { stdout, stderr } = run('seed')
  assert.match(stdout, /created CloudWork/, stderr)
  const { rows } = await admin.query('select count(*)::int as count from departments where organization_id = $1', [
    plan.id,
  ])
  assert.equal(rows[0].count, plan.departments.length)
  assert.match(run('seed').stdout, /nothing was changed/)
})

test('every credential of the documents signs in', async t => {
  const service = await startServiceProcess(environment)
  t.after(() => service.end('SIGKILL'))
  for (const [email, password, organization] of [
    ['superadmin@system.com', 'SuperAdmin123!', 'Super Admin'],
    ['ceo@techstart.com', 'password123', 'TechStart'],
    ['ceo@fashionhub.com', 'password123', 'FashionHub'],
    ['ceo@medcare.com', 'password123', 'MedCare'],
    ['ceo@cloudwork.com', 'password123', 'CloudWork'],
    ['ceo@fintech.com', 'password123', 'FinTech'],
    ['demo@coditect.ai', 'demo', 'Demo User'],
  ] as const) {
    const { status, body } = await request(service.url, 'POST', '/api/v1/auth/login', { email, password })
    assert.deepEqual([status, body.organization?.name], [200, organization], email)
    assert.equal(body.user.superuser, email === 'superadmin@system.com')
    const headers = { authorization: `Bearer ${body.access_token}` }
    const tree = await request(service.url, 'GET', '/api/v1/org/tree', undefined, headers)
    assert.equal(tree.body.nodes > 0, password === 'password123')
  }
  assert.doesNotMatch(service.output() + service.errors(), /public password/)
  await service.end('SIGTERM')
  const reachable = await startServiceProcess({ ...environment, HOST: '0.0.0.0' })
  t.after(() => reachable.end('SIGKILL'))
  const warning = /HOST is 0\.0\.0\.0, and 1917 accounts still have the public password/
  await waitUntil(() => warning.test(reachable.output() + reachable.errors()), 5000)
})

// Red when: serve.ts does not ask seededPasswordsFault(), or doctor does not.
test('production does not start while a live seeded account has its seeded password', async t => {
  const { status, stdout, stderr } = run('start', { ...deployed, PORT: '0' })
  assert.equal(status, 1)
  assert.match(stdout + stderr, /1917 accounts still have the public password of `freehold seed`, such as /)
  assert.match(run('doctor', deployed).stdout, /FAULT seed data[^]*1917 accounts/)
  assert.match(run('doctor').stdout, /note {2}seed data/)

  await admin.query(
    `update users set disabled_at = now() where id in (select user_id from seeded_accounts) and email <> 'ceo@medcare.com'`,
  )
  assert.match(run('doctor', deployed).stdout, /FAULT seed data\n +- 1 account still has .* such as ceo@medcare\.com/)
  await admin.query(`update users set password_hash = 'another' where email = 'ceo@medcare.com'`)
  const started = await startServiceProcess(deployed)
  t.after(() => started.end('SIGKILL'))
})

test('an address or a slug that belongs to something else is named', async () => {
  const plan = planSeed(faker)[0]!
  const { ownerUrl, tenantUrl, systemUrl, admin } = await createOwnDatabase()
  await admin.query(`insert into users (email) values ('ceo@techstart.com')`)
  await admin.query(`insert into organizations (name, slug) values ('Other', $1)`, [plan.slug])
  const { status, stderr } = run('seed', {
    ...environment,
    DATABASE_URL: ownerUrl,
    DATABASE_TENANT_URL: tenantUrl,
    DATABASE_SYSTEM_URL: systemUrl,
  })
  assert.equal(status, 1)
  assert.match(
    stderr,
    /an account that the seed did not create has the address ceo@techstart\.com; an organization that the seed did not create has the slug techstart: use a database without it/,
  )
  const { rows } = await admin.query('select count(*)::int as count from users')
  assert.equal(rows[0].count, 1)
})
