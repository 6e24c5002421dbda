import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, linkSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { waits } from '../../../test/meeting.ts'
import { waitUntil } from '../../../test/programs/service-process.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import { TEST_SECRET, testDatabase } from '../../../test/test-database.ts'
import { personalOrganizationId } from '../../directory/organizations/personal-organization.ts'

const bin = fileURLToPath(new URL('../../../bin/freehold.js', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'freehold-import-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const urls = testDatabase()
const env = {
  PATH: process.env['PATH'],
  SECRET_KEY: TEST_SECRET,
  DATABASE_URL: urls.ownerUrl,
  DATABASE_TENANT_URL: urls.tenantUrl,
  DATABASE_SYSTEM_URL: urls.systemUrl,
}
const { admin, call, mailTo, signUp } = await createTestApp({ PUBLIC_URL: 'http://localhost:8000' })

// Made by libxcrypt and Django; the password is PASSWORD.
const BCRYPT = '$2y$04$abcdefghijklmnopqrstuulGVWXz5ntA6ll07RaYv1qGs5fBjEmBy'
const DJANGO = 'pbkdf2_sha256$1000$abcdefghij12$PPsIC24wW6lW2odV13RO3t/YHCzc9rdbkhXTKRKYu8o='

let serial = 0
/** A word that no one else has. */
const unique = () => `i${process.pid}x${Date.now()}x${serial++}`
const addressOf = (name: string) => `${name}@example.com`

type Content = string | Uint8Array | object

/** A file of these lines: an object as JSON, everything else as it is. */
function fileOf(lines: readonly Content[]): string {
  const path = join(directory, `${unique()}.jsonl`)
  const bytes = (line: Content) =>
    typeof line === 'string' || line instanceof Uint8Array ? Buffer.from(line) : Buffer.from(JSON.stringify(line))
  writeFileSync(path, Buffer.concat(lines.flatMap(line => [bytes(line), Buffer.from('\n')])))
  return path
}

function run(args: string[], input?: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'import', ...args], {
    cwd: directory,
    env,
    input,
    encoding: 'utf8',
    timeout: 180_000,
  })
  return { status, stdout, stderr }
}

interface Reported {
  line: number
  outcome: string
  errors: { pointer: string; detail: string }[]
}
const reportOf = (path: string): Reported[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Reported)

/** `3 refused /email: must match…`, for short. */
const shortReportOf = (path: string): string[] =>
  reportOf(path).map(
    ({ line, outcome, errors }) =>
      `${line} ${outcome} ${errors.map(({ pointer, detail }) => `${pointer} ${detail}`.trim()).join('; ')}`,
  )

const countOf = async (pattern: string): Promise<number> =>
  Number((await admin.query('select count(*) from users where email like $1', [pattern])).rows[0].count)

const logIn = (identifier: object, password = PASSWORD) =>
  call('POST', '/api/v1/auth/login', { ...identifier, password })

// Red when: describeAccount() forgets created_at or disabled, or logIn() does not renew the hash.
test('people come with all that their line says, and sign in with the password that they had', async () => {
  const [ada, ben, eve] = [unique(), unique(), unique()]
  const file = fileOf([
    {
      email: addressOf(ada.toUpperCase()),
      email_verified: true,
      username: `Ada-${ada}`,
      given_name: 'Ada',
      family_name: 'Lovelace',
      full_name: null,
      locale: 'de',
      password_hash: BCRYPT,
      created_at: '2019-03-04T05:06:07.5+01:00',
      organization: null,
    },
    { email: addressOf(ben), password_hash: DJANGO },
    { email: addressOf(eve), email_verified: true, password_hash: BCRYPT, disabled: true },
  ])
  const { status, stdout, stderr } = run(['users', file])
  assert.equal(status, 0, stderr)
  assert.equal(stdout, '3 lines: 3 imported, 0 exist already, 0 refused\n')
  assert.deepEqual(reportOf(`${file}.report.jsonl`), [])

  const { rows } = await admin.query('select * from users where email = any($1) order by email', [
    [ada, ben, eve].map(addressOf),
  ])
  const [first, second, third] = rows
  assert.equal(first.username, `ada-${ada}`)
  assert.equal(first.full_name, 'Ada Lovelace')
  assert.equal(first.locale, 'de')
  assert.equal(first.created_at, '2019-03-04T04:06:07.5Z')
  assert.deepEqual([first.email_verified, second.email_verified, first.superuser], [true, false, false])
  assert.ok(first.disabled_at === null && third.disabled_at !== null)

  for (const [identifier, user] of [
    [{ username: `ada-${ada}` }, first],
    [{ email: addressOf(ben) }, second],
  ]) {
    assert.equal((await logIn(identifier, 'Wrong-horse-7')).status, 401)
    const { status, body } = await logIn(identifier)
    assert.equal(status, 200)
    assert.equal(body.organization.id, personalOrganizationId(user.id))
    assert.equal(body.organization.kind, 'personal')
    const { password_hash } = (await admin.query('select password_hash from users where id = $1', [user.id])).rows[0]
    assert.match(password_hash, /^\$argon2id\$v=19\$m=64,t=1,p=1\$/, 'with the parameters of the test app')
    assert.equal((await logIn(identifier)).status, 200)
  }
  assert.equal((await logIn({ email: addressOf(eve) })).status, 401)
})

// Red when: the import's origin is left out, or an import asks everyone to confirm the address.
test('an import leaves the history of any account, under one request id, and sends no mail', async () => {
  const name = unique()
  const file = fileOf([{ email: addressOf(name), password_hash: BCRYPT }, { email: addressOf(`${name}-2`) }])
  assert.equal(run(['users', file]).status, 0)
  const { rows: events } = await admin.query(
    `select e.type, e.request_id, e.actor_id, u.last_organization_id from security_events e join users u on u.id = e.user_id
     where u.email like $1 order by u.email`,
    [`${name}%`],
  )
  assert.deepEqual(
    events.map(({ type, actor_id }) => [type, actor_id]),
    [
      ['account-created', null],
      ['account-created', null],
    ],
  )
  const [{ request_id, last_organization_id }] = events
  assert.match(request_id, /^import-[0-9a-f-]{36}$/)
  assert.equal(events[1].request_id, request_id)
  const { rows: history } = await admin.query(
    'select action, entity_type, request_id from audit_log where organization_id = $1 order by entity_type',
    [last_organization_id],
  )
  assert.deepEqual(history, [
    { action: 'insert', entity_type: 'memberships', request_id },
    { action: 'insert', entity_type: 'organizations', request_id },
  ])
  assert.deepEqual(await mailTo(addressOf(name)), [])
})

// Red when: one check of judge() or readRow() is left out.
test('a line that is wrong is refused with its number and the reason, and the others are imported', async () => {
  const name = unique()
  const taken = await signUp()
  await admin.query('update users set username = $1 where email = $2', [`${name}-taken`, taken.email])
  const person = (suffix: string, more: object = {}) => ({ email: addressOf(`${name}-${suffix}`), ...more })
  const file = fileOf([
    person('a', { username: `${name}-a` }),
    '{"email": "broken@example.com", "password_hash": "$2b$12$secret',
    '',
    Buffer.concat([Buffer.from('{"email":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    JSON.stringify(person('long', { full_name: 'x'.repeat(70_000) })),
    'null',
    '[]',
    '"text"',
    `{"a":`.repeat(10_000) + '1' + '}'.repeat(10_000),
    '['.repeat(60_000),
    {},
    { email: null },
    { email: 'nobody' },
    person('b', { superuser: true }),
    person('b', { email_verified: 'yes' }),
    person('b', { full_name: 'nul\0' }),
    '{"email":"lone@example.com","full_name":"\\ud800"}',
    person('b', { username: 'a@b' }),
    person('b', { username: `${name}-TAKEN` }),
    person('b', { username: `${name}-A` }),
    person('b', { password_hash: '5f4dcc3b5aa765d61d8327deb882cf99' }),
    person('b', { password_hash: BCRYPT.replace('$04$', '$31$') }),
    person('b', { created_at: 'yesterday' }),
    person('b', { created_at: '2199-01-01T00:00:00Z', username: `${name}-a` }),
    person('b', { created_at: '1969-12-31T23:59:59Z' }),
    person('b', { organization: { slug: 'Not A Slug', role: 'king' } }),
    `{"__proto__":{"superuser":true},"email":"${addressOf(`${name}-b`)}"}`,
    person('A'),
    { email: taken.email.toUpperCase() },
    { email: taken.email },
    person('b'),
  ])
  const { status, stdout, stderr } = run(['users', file])
  assert.equal(status, 1, stderr)
  assert.equal(stdout, `30 lines: 2 imported, 1 exist already, 27 refused; ${file}.report.jsonl says which and why\n`)
  const report = shortReportOf(`${file}.report.jsonl`)
  assert.deepEqual(
    report.map(line => line.replace(/(known kind): .*/, '$1')),
    [
      '2 refused is not JSON (position 63)',
      '4 refused is not UTF-8',
      '5 refused is longer than 65536 bytes',
      '6 refused must be object',
      '7 refused must be object',
      '8 refused must be object',
      '9 refused /email is required; /a is not known here',
      '10 refused is not JSON',
      '11 refused /email is required',
      '12 refused /email is required',
      '13 refused /email must match format "email"',
      '14 refused /superuser is not known here',
      '15 refused /email_verified must be boolean',
      '16 refused /full_name must be one line with visible characters, without control characters or changes of the text direction',
      '17 refused /full_name must be well-formed Unicode without NUL',
      '18 refused /username must match pattern "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"',
      '19 refused /username is taken',
      '20 refused /username is taken',
      '21 refused /password_hash is not a whole hash of a known kind',
      '22 refused /password_hash has bcrypt cost 31: 4 to 15 are accepted',
      '23 refused /created_at must match format "date-time"',
      '24 refused /username is taken; /created_at must lie between 1970 and now',
      '25 refused /created_at must lie between 1970 and now',
      '26 refused /organization/slug must match pattern "^[a-z0-9]+(-[a-z0-9]+)*$"; /organization/role must be one of viewer, member, admin, owner',
      '27 refused /__proto__ is not known here',
      '28 refused /email is already on line 1',
      '29 exists /email exists already',
      '30 refused /email is already on line 29',
    ],
  )
  assert.equal(await countOf(`${name}-%`), 2)
  // Neither an address nor a hash.
  const written = readFileSync(`${file}.report.jsonl`, 'utf8') + stdout + stderr
  assert.doesNotMatch(written, /@example|secret|5f4dcc|abcdefghij/)
  assert.equal(statSync(`${file}.report.jsonl`).mode & 0o777, 0o600)

  const again = run(['users', file])
  assert.equal(again.status, 1)
  assert.match(again.stdout, /^30 lines: 0 imported, 3 exist already, 27 refused/)
})

// Red when: the dry run writes, or does not remember the team that a line would found.
test('a dry run finds out the same and writes nothing', async () => {
  const name = unique()
  const file = fileOf([
    { email: addressOf(`${name}-a`), username: name, organization: { slug: name, role: 'owner' } },
    { email: addressOf(`${name}-b`), organization: { slug: name, role: 'member' } },
    { email: addressOf(`${name}-a`) },
    { email: addressOf(`${name}-c`), username: name },
  ])
  const dry = run(['users', file, '--dry-run'])
  assert.equal(dry.status, 1)
  assert.match(dry.stdout, /^4 lines: 2 would be imported, 0 exist already, 2 refused/)
  const found = shortReportOf(`${file}.report.jsonl`)
  assert.deepEqual(found, ['3 refused /email is already on line 1', '4 refused /username is taken'])
  assert.equal(await countOf(`${name}%`), 0)
  assert.equal((await admin.query('select from organizations where slug = $1', [name])).rowCount, 0)

  assert.match(run(['users', file]).stdout, /^4 lines: 2 imported, 0 exist already, 2 refused/)
  assert.deepEqual(shortReportOf(`${file}.report.jsonl`), found)
})

// Red when: a team of the same slug is founded again, a closed or personal one is joined, or those who join are written before the team.
test('the line of an owner creates the team, and later lines join it', async () => {
  const name = unique()
  const place = (role: string, slug = name, more: object = {}) => ({ organization: { slug, role, ...more } })
  const founder = await signUp(`Closed ${name}`)
  const closed = founder.organization_id
  await admin.query('update organizations set slug = $1, deleted_at = now() where id = $2', [`${name}-closed`, closed])
  const someone = await signUp()
  const { rows } = await admin.query('select slug from organizations where id = $1', [someone.organization_id])
  const personal = rows[0].slug as string
  const file = fileOf([
    { email: addressOf(`${name}-early`), ...place('member') },
    { email: addressOf(`${name}-owner`), password_hash: BCRYPT, ...place('owner', name, { name: `Team ${name}` }) },
    ...Array.from({ length: 20 }, (_, index) => ({ email: addressOf(`${name}-m${index}`), ...place('viewer') })),
    { email: addressOf(`${name}-second`), ...place('owner', name, { name: 'Another name' }) },
    { email: addressOf(`${name}-late`), password_hash: BCRYPT, ...place('admin') },
    { email: addressOf(`${name}-closed`), ...place('member', `${name}-closed`) },
    { email: addressOf(`${name}-personal`), ...place('member', personal) },
    { email: addressOf(`${name}-thief`), ...place('owner', personal) },
  ])
  assert.equal(run(['users', file]).status, 1)
  const missing = '/organization/slug is not an existing team; the line of its owner must come first'
  assert.deepEqual(shortReportOf(`${file}.report.jsonl`), [
    `1 refused ${missing}`,
    `25 refused ${missing}`,
    `26 refused ${missing}`,
    '27 refused /organization/slug is taken',
  ])
  const late = await logIn({ email: addressOf(`${name}-late`) })
  assert.equal(late.body.organization.name, `Team ${name}`)
  const members = await call('GET', `/api/v1/organizations/${late.body.organization.id}/members?limit=100`, undefined, {
    authorization: `Bearer ${late.body.access_token}`,
  })
  const roles = (members.body.items as { role: string }[]).map(({ role }) => role)
  assert.deepEqual(roles.sort(), ['admin', 'owner', 'owner', ...Array<string>(20).fill('viewer')])
  assert.equal((await admin.query('select from memberships where organization_id = $1', [closed])).rowCount, 1)
})

// Red when: an account takes more than one transaction, or what exists is refused the second time.
test('an import that is killed goes on when it is run again, with nothing half made and nothing double', async () => {
  const name = unique()
  const lines = 3000
  const file = fileOf(
    Array.from({ length: lines }, (_, index) => ({
      email: addressOf(`${name}-${index}`),
      username: `${name}-${index}`,
      ...(index % 3 === 0 && { organization: { slug: `${name}-${index % 30}`, role: 'owner' } }),
    })),
  )
  // One account waits, so that it does not end before it is killed.
  const holder = await admin.connect()
  const { rows: started } = await holder.query<{ now: string }>('select clock_timestamp()::text as now')
  await holder.query('begin')
  await holder.query('insert into users (email) values ($1)', [addressOf(`${name}-1500`)])
  const child = spawn(process.execPath, [bin, 'import', 'users', file], { cwd: directory, env, stdio: 'ignore' })
  const ended = once(child, 'exit')
  assert.ok(await waits(admin, holder, ended))
  child.kill('SIGKILL')
  await ended
  await holder.query('rollback')
  holder.release()
  // What the server is in the middle of.
  const left = `select from pg_stat_activity where datname = current_database() and application_name like 'freehold%' and backend_start > $1`
  await waitUntil(async () => (await admin.query(left, [started[0]!.now])).rows.length === 0)
  const before = await countOf(`${name}-%`)
  assert.ok(before > 0 && before < lines, `${before} of ${lines} were done`)
  const halves = async () =>
    (
      await admin.query(
        `select from users u left join memberships m on m.user_id = u.id and m.organization_id = u.last_organization_id
         left join organizations o on o.id = m.organization_id where u.email like $1 and o.id is null`,
        [`${name}-%`],
      )
    ).rowCount
  assert.equal(await halves(), 0)

  const { status, stdout } = run(['users', file])
  assert.equal(status, 0)
  assert.match(stdout, new RegExp(`^3,000 lines: ${(lines - before).toLocaleString('en')} imported, `))
  assert.equal(await countOf(`${name}-%`), lines)
  assert.equal(await halves(), 0)
  const { rows } = await admin.query(
    `select count(*)::int as memberships, count(distinct o.id) filter (where o.kind = 'team')::int as teams
     from users u join memberships m on m.user_id = u.id join organizations o on o.id = m.organization_id where u.email like $1`,
    [`${name}-%`],
  )
  assert.deepEqual(rows, [{ memberships: lines, teams: 10 }])
})

// Red when: write() lets a conflict through that arose since the look-up.
test('two imports of one file at once make each account once', async () => {
  const name = unique()
  const lines = Array.from({ length: 1500 }, (_, index) => ({
    email: addressOf(`${name}-${index}`),
    username: `${name}-${index}`,
    ...(index % 5 === 0 && { organization: { slug: `${name}-${index}`, role: 'owner' } }),
  }))
  const files = [fileOf(lines), fileOf(lines)]
  const both = files.map(async file => {
    const child = spawn(process.execPath, [bin, 'import', 'users', file], { cwd: directory, env, stdio: 'pipe' })
    let complaint = ''
    child.stderr.on('data', (part: Buffer) => (complaint += part.toString()))
    await once(child, 'close')
    // On a busy machine it takes so long that it tells how far it is.
    return complaint.replaceAll(/^\d+ %, .*\n/gm, '')
  })
  assert.deepEqual(await Promise.all(both), ['', ''])
  assert.equal(await countOf(`${name}-%`), lines.length)
  for (const { outcome, errors } of files.flatMap(file => reportOf(`${file}.report.jsonl`)))
    assert.ok(outcome === 'exists' || /taken/.test(errors[0]!.detail), `${outcome} ${errors[0]!.detail}`)
})

// Red when: `-` is opened as a file, or a byte order mark is part of the first line.
test('standard input is a file too, with any line ends', () => {
  const name = unique()
  const text = `\ufeff{"email":"${addressOf(`${name}-a`)}"}\r\n\r\n{"email":"nobody"}\r\n{"email":"${addressOf(`${name}-b`)}"}`
  const { status, stdout } = run(['users', '-'], text)
  assert.equal(status, 1)
  assert.equal(stdout, '3 lines: 2 imported, 0 exist already, 1 refused; import.report.jsonl says which and why\n')
  assert.deepEqual(shortReportOf(join(directory, 'import.report.jsonl')), [
    '3 refused /email must match format "email"',
  ])
})

// Red when: openReport() does not compare the files.
test('what cannot be done is said before anything is', () => {
  const file = fileOf([{ email: addressOf(unique()) }])
  const other = `${file}.other`
  linkSync(file, other)
  for (const report of [file, other]) {
    const { status, stderr } = run(['users', file, '--report', report])
    assert.equal(status, 1)
    assert.match(stderr, /the report would overwrite the file/)
  }
  assert.match(readFileSync(file, 'utf8'), /email/)
  const gone = run(['users', join(directory, 'nothing.jsonl')])
  assert.equal(gone.status, 1)
  assert.match(gone.stderr, /ENOENT.*nothing\.jsonl/)
  assert.equal(existsSync(join(directory, 'nothing.jsonl.report.jsonl')), false)
  for (const args of [[], ['users'], ['people', file], ['users', file, file], ['users', file, '--dry']])
    assert.equal(run(args).status, 2, args.join(' '))
})
