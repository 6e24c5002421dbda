import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { createOwnDatabase } from './own-database.ts'
import { signUpAt, startServiceProcess } from './programs/service-process.ts'
import { TEST_SECRET, testDatabase } from './test-database.ts'

// The message of a failed start: the last line names the variable and what to do, and there are no other lines.

const program = fileURLToPath(new URL('../bin/freehold.js', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'freehold-start-'))
const mounts: string[] = []
const servers: Server[] = []
after(() => {
  for (const mount of mounts) spawnSync('umount', [mount])
  for (const server of servers) server.close()
  rmSync(scratch, { recursive: true, force: true })
})

const urls = testDatabase()
const database = {
  DATABASE_URL: urls.ownerUrl,
  DATABASE_TENANT_URL: urls.tenantUrl,
  DATABASE_SYSTEM_URL: urls.systemUrl,
}
const fallen = { ...database, DATABASE_URL: '' }

/** A URL with some parts replaced. */
const change = (url: string, parts: Partial<Record<'password' | 'pathname' | 'host' | 'port' | 'search', string>>) =>
  Object.assign(new URL(url), parts).href

interface Ended {
  code: number | null
  errors: string
}

function start(env: Record<string, string>, cwd = scratch): Promise<Ended> {
  const child = spawn(process.execPath, [program, 'start'], {
    env: { PATH: process.env['PATH'], SECRET_KEY: TEST_SECRET, PORT: '0', EMBEDDED_POSTGRES: 'bundled', ...env },
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 180_000,
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  return new Promise(resolve => child.once('close', code => resolve({ code, errors })))
}

async function listen(server: Server): Promise<string> {
  servers.push(server)
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  return String((server.address() as AddressInfo).port)
}

/** A server that begins TLS as PostgreSQL does, with a self-signed certificate for another name. */
async function offerTls(): Promise<{ port: string; certificate: string }> {
  const [key, certificate] = [join(scratch, 'key.pem'), join(scratch, 'certificate.pem')]
  const name = 'elsewhere.example.com'
  const made = spawnSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=${name} -addext subjectAltName=DNS:${name}`
      .split(' ')
      .concat(['-keyout', key, '-out', certificate]),
  )
  assert.equal(made.status, 0, String(made.stderr))
  const secure = { key: readFileSync(key), cert: readFileSync(certificate) }
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write('S')
      new TLSSocket(socket, { isServer: true, ...secure }).on('error', () => {})
    })
  })
  return { port: await listen(server), certificate }
}

/** A directory on which nothing can be written; undefined if none can be created. */
function makeReadOnly(name: string): string | undefined {
  const directory = join(scratch, name)
  mkdirSync(directory)
  if (process.geteuid?.() !== 0) chmodSync(directory, 0o500)
  else if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', directory]).status !== 0) return undefined
  else mounts.push(directory)
  return directory
}

const tls = await offerTls()
const other = await createOwnDatabase()
// The first start creates the key; here only its row matters, which another key cannot decrypt.
await other.admin.query(
  `insert into signing_keys (id, algorithm, public_key, private_key) values ('first', 'EdDSA', 'PEM', '\\x00')`,
)
const named = await createOwnDatabase()
await named.admin.query(`alter database "${new URL(named.ownerUrl).pathname.slice(1)}" set bytea_output = 'escape'`)
const readOnly = makeReadOnly('read-only')
const taken = await listen(createServer())
const web = await listen(createHttpServer((_request, response) => void response.writeHead(400).end()))
writeFileSync(join(scratch, 'a-file'), '')
mkdirSync(join(scratch, 'with-env/.env'), { recursive: true })

const faults: { name: string; env: Record<string, string>; says: RegExp; cwd?: string; skip?: boolean }[] = [
  {
    name: 'a log file below a file',
    env: { ...database, LOG_FILE: join(scratch, 'a-file/service.log') },
    says: /LOG_FILE: .*a-file.* is not a directory\. .*set LOG_FILE/,
  },
  {
    name: 'a log file that is a directory',
    env: { ...database, LOG_FILE: scratch },
    says: /LOG_FILE: \S+ is a directory\. Set LOG_FILE to a file/,
  },
  {
    name: 'a log file that cannot be written',
    env: { ...database, LOG_FILE: `${readOnly}/service.log` },
    says: /LOG_FILE: \S+service\.log (is on a read-only file system|cannot be written)\. .*LOG_FILE/,
    skip: readOnly === undefined,
  },
  {
    name: 'a wrong password in DATABASE_SYSTEM_URL',
    env: { ...fallen, DATABASE_SYSTEM_URL: change(urls.systemUrl, { password: 'Mistaken-1' }) },
    says: /DATABASE_SYSTEM_URL: PostgreSQL at \S+ refuses the password of "\w+"/,
  },
  ...(['DATABASE_TENANT_URL'] as const).flatMap(variable => [
    {
      name: `a wrong password in ${variable}`,
      env: { ...fallen, [variable]: change(database[variable], { password: 'Mistaken-1' }) },
      says: new RegExp(`${variable}: PostgreSQL at \\S+ refuses the password of "\\w+": correct the password`),
    },
    {
      name: `a database that is not there in ${variable}`,
      env: { ...fallen, [variable]: change(database[variable], { pathname: '/nowhere' }) },
      says: new RegExp(`${variable}: there is no database "nowhere" at \\S+: create it .*correct the name`),
    },
    {
      name: `a server without TLS in ${variable}`,
      env: { ...fallen, [variable]: change(database[variable], { search: '?sslmode=require' }) },
      says: new RegExp(`${variable}: PostgreSQL at \\S+ does not offer TLS, and the sslmode .*turn on ssl`),
    },
    {
      name: `a certificate that signed itself in ${variable}`,
      env: { ...fallen, [variable]: change(database[variable], { port: tls.port, search: '?sslmode=require' }) },
      says: new RegExp(
        `${variable}: the certificate of PostgreSQL at \\S+ is not signed by an authority .*sslrootcert=`,
      ),
    },
    {
      name: `nothing that answers in ${variable}`,
      env: { ...fallen, [variable]: change(database[variable], { port: '1' }) },
      says: new RegExp(`${variable}: nothing answers at 127\\.0\\.0\\.1:1: start PostgreSQL there, or correct`),
    },
  ]),
  {
    name: "a wrong password of the owner's",
    env: { DATABASE_URL: change(urls.ownerUrl, { password: 'Mistaken-1' }) },
    says: /DATABASE_URL: PostgreSQL at \S+ refuses the password of "freehold"/,
  },
  {
    name: "the owner's database that is not there",
    env: { DATABASE_URL: change(urls.ownerUrl, { pathname: '/nowhere' }) },
    says: /DATABASE_URL: there is no database "nowhere"/,
  },
  {
    name: 'a certificate for another name',
    env: {
      ...fallen,
      DATABASE_TENANT_URL: change(urls.tenantUrl, {
        port: tls.port,
        search: `?sslmode=verify-full&sslrootcert=${tls.certificate}`,
      }),
    },
    says: /DATABASE_TENANT_URL: the certificate of PostgreSQL at \S+ is not for the name 127\.0\.0\.1: use/,
  },
  {
    name: 'a file of certificates that is not there',
    env: {
      ...fallen,
      DATABASE_TENANT_URL: change(urls.tenantUrl, { search: '?sslmode=verify-full&sslrootcert=/nowhere/ca.pem' }),
    },
    says: /DATABASE_TENANT_URL: a certificate that the URL names cannot be read .*\/nowhere\/ca\.pem.*correct its path/,
  },
  {
    name: 'a host that has no address',
    env: { ...fallen, DATABASE_SYSTEM_URL: change(urls.systemUrl, { host: 'no-such-host.invalid:5432' }) },
    says: /DATABASE_SYSTEM_URL: no address is known for the host no-such-host\.invalid: correct the host/,
  },
  {
    name: 'a server that is no PostgreSQL',
    env: { ...fallen, DATABASE_TENANT_URL: change(urls.tenantUrl, { port: web }) },
    says: /DATABASE_TENANT_URL: .*correct host and port/,
  },
  {
    name: 'a setting of the database that the service cannot work with',
    env: { DATABASE_TENANT_URL: named.tenantUrl, DATABASE_SYSTEM_URL: named.systemUrl },
    says: /bytea_output is escape for \w+ \(DATABASE_SYSTEM_URL\).*: alter role "\w+" in database "\w+" set bytea_output = 'hex'/,
  },
  {
    name: 'a secret key that has changed',
    env: { DATABASE_TENANT_URL: other.tenantUrl, DATABASE_SYSTEM_URL: other.systemUrl, SECRET_KEY: 'x'.repeat(40) },
    says: /SECRET_KEY is not the one that this database was set up with .*cannot be changed yet\. If it is lost, .*freehold keys remove/,
  },
  {
    name: 'a data directory that cannot be written',
    env: { SECRET_KEY: '', DATA_DIR: `${readOnly}` },
    says: /DATA_DIR: \S+ (is on a read-only file system|cannot be written)\. .*DATA_DIR/,
    skip: readOnly === undefined,
  },
  {
    name: 'the same with a key of its own',
    env: { DATA_DIR: `${readOnly}` },
    says: /\S+ (is on a read-only file system|cannot be written)\. .*DATA_DIR/,
    skip: readOnly === undefined,
  },
  {
    name: 'a data directory that is a file',
    env: { SECRET_KEY: '', DATA_DIR: join(scratch, 'a-file') },
    says: /DATA_DIR: \S+a-file is not a directory\. Move it, or set DATA_DIR/,
  },
  {
    name: 'a port that is taken',
    env: { ...database, PORT: taken },
    says: /port \d+ is taken: .*set PORT/,
  },
  {
    name: 'an address of another machine',
    env: { ...database, HOST: '192.0.2.1' },
    says: /HOST: 192\.0\.2\.1 is not an address of this machine: set HOST/,
  },
  {
    name: 'a host of its own that has no address',
    env: { ...database, HOST: 'no-such-host.invalid' },
    says: /HOST: no address is known for no-such-host\.invalid: set HOST/,
  },
  {
    name: 'templates that are not there',
    env: { ...database, MAIL_TEMPLATES: join(scratch, 'nowhere') },
    says: /MAIL_TEMPLATES: \S+nowhere cannot be read \(ENOENT\): set a directory/,
  },
  {
    name: 'a secret in a file that is not there',
    env: { ...database, SECRET_KEY: '', SECRET_KEY_FILE: join(scratch, 'nowhere') },
    says: /SECRET_KEY_FILE: the file cannot be read \(ENOENT\)/,
  },
  {
    name: 'programs that are not there',
    env: { DATA_DIR: join(scratch, 'no-programs'), EMBEDDED_POSTGRES: join(scratch, 'nowhere') },
    says: /EMBEDDED_POSTGRES: \S+nowhere has no postgres and initdb/,
  },
  {
    name: 'an .env that cannot be read',
    env: database,
    cwd: join(scratch, 'with-env'),
    says: /\.env cannot be read \(EISDIR\)/,
  },
]

// Red when: cli/freehold.ts prints a fault as the system or the driver reports it, or it occurs before there is a
// handler.
for (const { name, env, says, cwd, skip = false } of faults)
  test(`${name} is reported in one line, with the variable and the remedy`, { skip }, async () => {
    const { code, errors } = await start(env, cwd)
    assert.equal(code, 1, errors)
    const lines = errors.trim().split('\n')
    assert.match(lines.at(-1) ?? '', says)
    assert.doesNotMatch(errors, /\n {4}at /, 'no stack')
    assert.doesNotMatch(errors, /Warning/, 'no warning of the driver or the runtime')
    assert.ok(!errors.includes('Mistaken'), 'no password')
  })

// Red when: provision.ts, open-database.ts or the driver's pool reads the environment of libpq.
test("libpq's environment and the settings of a database affect no connection of the service", async () => {
  const own = await createOwnDatabase()
  const name = new URL(own.ownerUrl).pathname.slice(1)
  const settings = { DateStyle: 'SQL, DMY', TimeZone: 'Asia/Tokyo', standard_conforming_strings: 'off' }
  for (const [setting, value] of Object.entries(settings))
    await own.admin.query(`alter database "${name}" set ${setting} = '${value}'`)
  // Overrides the settings that the SQL of `doctor --roles` makes for the logins.
  for (const url of [own.tenantUrl, own.systemUrl])
    await own.admin.query(`alter role "${new URL(url).username}" in database "${name}" set DateStyle = 'German'`)
  const misleading = {
    PGHOST: 'no-such-host.invalid',
    PGPORT: '1',
    PGUSER: 'stranger',
    PGPASSWORD: 'Mistaken-1',
    PGDATABASE: 'nowhere',
    PGSSLMODE: 'require',
    PGSSLNEGOTIATION: 'direct',
    PGOPTIONS: '-c search_path=pg_temp',
    PGAPPNAME: 'stranger',
    PGREPLICATION: 'database',
    PGCLIENT_ENCODING: 'LATIN1',
    PGCONNECT_TIMEOUT: '1',
    PGPASSFILE: join(scratch, 'nowhere'),
  }
  for (const [where, env] of [
    ['behind URLs', { DATABASE_TENANT_URL: own.tenantUrl, DATABASE_SYSTEM_URL: own.systemUrl }],
    ['embedded', { DATA_DIR: join(scratch, 'embedded'), EMBEDDED_POSTGRES: 'bundled' }],
  ] as const) {
    const service = await startServiceProcess({ ...misleading, ...env, RUN_JOBS: 'false' })
    try {
      const { user_id, call } = await signUpAt(service.url)
      const { status, body } = await call('GET', '/api/v1/auth/me')
      assert.deepEqual([status, body.user.id], [200, user_id], where)
      assert.match(body.user.created_at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, where)
    } finally {
      assert.equal((await service.end('SIGTERM')).code, 0, where)
    }
  }
})

test('a mistyped path is in the log, and a request for a missing row has its route there', async () => {
  const service = await startServiceProcess({ ...database, RUN_JOBS: 'false' })
  const { call } = await signUpAt(service.url)
  assert.equal((await call('GET', '/api/v1/projcts?token=secret')).status, 404)
  assert.equal((await call('GET', '/api/v1/projects/01900000-0000-7000-8000-000000000001')).status, 404)
  await service.end('SIGTERM')
  const lines = service
    .output()
    .split('\n')
    .filter(line => line.includes('"problem":"not-found"'))
    .map(line => JSON.parse(line) as { route: string | null; path?: string })
  assert.deepEqual(
    lines.map(({ route, path }) => [route, path]),
    [
      [null, '/api/v1/projcts'],
      ['/api/v1/projects/:id', undefined],
    ],
  )
})
