import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describeConfiguration, describeEnvFile } from '../../tools/reference/configuration.ts'
import { namesOf, variableList } from './sources.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'

const directories: string[] = []
after(() => directories.forEach(directory => rmSync(directory, { recursive: true })))

function makeDirectory(files: Record<string, string> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'freehold-config-'))
  directories.push(directory)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

const secretKey = 'c7f1e09ab35d24860f1e2d3c4b5a69788796a5b4c3d2e1f0'

type Environment = Record<string, string>
const load = (environment: Environment, dotEnv?: string): Config =>
  loadConfig({ SECRET_KEY: secretKey, ...environment }, makeDirectory(dotEnv === undefined ? {} : { '.env': dotEnv }))

function faultsOf(environment: Environment, directory = makeDirectory()): readonly string[] {
  try {
    loadConfig(environment, directory)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    for (const fault of error.faults) assert.ok(error.message.includes(fault))
    return error.faults
  }
  return []
}

/** One fault, and it matches. */
function assertFault(environment: Environment, pattern: RegExp, directory?: string): void {
  const faults = faultsOf(environment, directory)
  assert.equal(faults.length, 1, faults.join('\n'))
  assert.match(faults[0] ?? '', pattern)
}

const production = {
  ENVIRONMENT: 'production',
  SECRET_KEY: secretKey,
  PUBLIC_URL: 'https://api.example.com',
  DATABASE_TENANT_URL: 'postgresql://freehold_app:Qx81vvTz@db.internal/app',
  DATABASE_SYSTEM_URL: 'postgresql://freehold_sys:Ty72bbKw@db.internal/app',
  SMTP_URL: 'smtp://freehold:Rw4490Lkq@mail.internal:587',
  FROM_EMAIL: 'Acme <no-reply@acme.test>',
  TRUSTED_PROXIES: '10.0.0.1',
}

// Red when: a default of the table or of composeConfig changes.
test('an empty environment is a complete development configuration', () => {
  const directory = makeDirectory()
  const config = loadConfig({}, directory)
  assert.deepEqual(
    { ...config, secretKey: '' },
    {
      environment: 'development',
      host: '127.0.0.1',
      port: 8000,
      publicUrl: 'http://localhost:8000',
      frontendUrl: undefined,
      appName: 'Freehold',
      drainSeconds: 0,
      dataDir: join(directory, '.freehold'),
      database: {
        url: undefined,
        schema: 'freehold',
        tenantUrl: undefined,
        systemUrl: undefined,
        poolSize: 20,
        poolTimeoutSeconds: 30,
        connectionMaxAgeSeconds: 3600,
        pooler: 'none',
        lanes: 0,
        programs: 'system',
      },
      redisUrl: undefined,
      redisTimeoutMs: 30,
      secretKey: '',
      jwtAlgorithm: 'EdDSA',
      accessTokenSeconds: 900,
      refreshTokenSeconds: 604800,
      corsOrigins: 'localhost',
      corsHeaders: [],
      cspMode: 'strict',
      rateLimit: { enabled: true, perMinute: 60, globalPerSecond: 0 },
      trustedProxies: [],
      outboundNetworks: [],
      lockout: { threshold: 5, seconds: 300, failuresPerAddress: 100 },
      passwordPolicy: 'composition',
      deletion: { graceDays: 30, reuseNames: false },
      securityEventsDays: 400,
      emailVerification: 'optional',
      unverifiedAccess: 'full',
      trustedDeviceSeconds: 2592000,
      passkeys: { rpId: 'localhost', origins: ['http://localhost:8000'] },
      firstSuperuser: undefined,
      social: { oidc: [], github: undefined, autoLink: true, redirectOrigins: [] },
      mail: {
        resendApiKey: undefined,
        smtpUrl: undefined,
        from: undefined,
        templates: undefined,
        defaultLocale: 'en',
      },
      accountPagesUrl: 'http://localhost:8000/account',
      runJobs: true,
      storageUrl: `file://${directory}/.freehold/files`,
      sentry: undefined,
      metrics: { enabled: false, token: undefined, port: 9464 },
      publicMonitoring: true,
      traces: undefined,
      slowQueryMs: 1000,
      publicDocuments: true,
      log: { level: 'info', format: 'text', file: undefined },
      exposedFiles: [],
      warnings: [],
    },
  )
})

// Red when: a deployedDefault goes, or staging is taken for development.
test('staging and production listen everywhere, log JSON, lock for 30 minutes and allow no foreign origin', () => {
  for (const environment of ['staging', 'production']) {
    const config = loadConfig({ ...production, ENVIRONMENT: environment }, makeDirectory())
    assert.equal(config.environment, environment)
    assert.equal(config.host, '0.0.0.0')
    assert.equal(config.log.format, 'json')
    assert.equal(config.lockout.seconds, 1800)
    assert.equal(config.drainSeconds, 5)
    assert.deepEqual(config.corsOrigins, [])
    assert.equal(config.database.url, undefined)
    assert.equal(existsSync(config.dataDir), false)
  }
})

// Red when: loadConfig throws at the first fault, or a rule in config-rules.ts is dropped.
test('every fault is reported at once, with the name that was used and what is accepted', () => {
  const faults = faultsOf({
    ENVIRONMENT: 'staging',
    PORT: '80a',
    JWT_SECRET: 'tooshort',
    LOG_LEVEL: 'loud',
    RATE_LIMIT_ENABLED: 'perhaps',
    BACKEND_CORS_ORIGINS: '["http://localhost:3000/app"]',
    FIRST_SUPERUSER_EMAIL: 'admin@example.com',
  })
  const expected = [
    /^PORT: "80a" is not a whole number; accepted: a whole number from 0 to 65535$/,
    /^BACKEND_CORS_ORIGINS: "http:\/\/localhost:3000\/app" has a path; accepted: a comma list/,
    /^RATE_LIMIT_ENABLED: "perhaps" is neither true nor false; accepted: true or false$/,
    /^LOG_LEVEL: "loud" is not one of them; accepted: trace, debug, info, warn, error, fatal, silent$/,
    /^FIRST_SUPERUSER_EMAIL is set and FIRST_SUPERUSER_PASSWORD is not: set both or neither$/,
    /^PUBLIC_URL is not set, and staging requires it/,
    /^DATABASE_TENANT_URL is not set, and staging requires it: .*freehold doctor/,
    /^DATABASE_SYSTEM_URL is not set, and staging requires it/,
    /^RESEND_API_KEY or SMTP_URL is not set, .* default in staging, needs emails/,
    /^JWT_SECRET: has 8 characters, and 32 are the least; accepted in staging/,
  ]
  assert.equal(faults.length, expected.length, faults.join('\n'))
  expected.forEach((pattern, index) => assert.match(faults[index] ?? '', pattern))
})

// Red when: a kind repeats a secret in its BadValue, or a URL's parse error is passed on.
test('no fault and no warning ever shows a secret', () => {
  const marker = 'hUnTeR2zq'
  const spoiled = [
    marker,
    `mysql://u:${marker}@h/d`,
    `postgresql://u:${marker}#@h/d`,
    `postgresql://u:${marker}%zz@h/d`,
  ]
  spoiled.push(`redis://:${marker}%zz@h`, `[{"name":"a","client_secret":"${marker}"}]`, `smtp://u:${marker}@[/`)
  for (const [name, variable] of variableList.filter(([, one]) => one.secret)) {
    for (const { name: as } of namesOf(name, variable)) {
      for (const value of spoiled) {
        for (const environment of [{ ...production }, {}]) {
          const given: Environment = { ...environment, [as]: value, [`${as}_FILE`]: `/nowhere/${marker}` }
          const faults = faultsOf(given)
          assert.ok(faults.length > 0, `${as}=${value}`)
          assert.ok(!faults.join('\n').includes(marker), `${as}: ${faults.join('\n')}`)
        }
      }
    }
  }
  assert.ok(
    !load({ SECRET_KEY: marker, SENTRY_DSN: `https://${marker}@sentry.io/1` })
      .warnings.join()
      .includes(marker),
  )
  assertFault(
    { PUBLIC_URL: `https://u:${marker}@h` },
    /^PUBLIC_URL: has a user name or password; accepted: (?!.*hUnTeR)/,
  )
  const entry = /^CORS_ORIGINS: the value has a user name or password/
  assertFault({ CORS_ORIGINS: `https://u:${marker}@h` }, entry)
})

// Red when: freezeDeeply stops at the first level.
test('the configuration is frozen to the bottom', () => {
  const config = load({ TRUSTED_PROXIES: '10.0.0.0/8', OIDC_PROVIDERS: oidc({}) })
  const isFrozen = (value: unknown): boolean =>
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))
  assert.ok(isFrozen(config))
  assert.throws(() => Object.assign(config.database, { schema: 'other' }), TypeError)
  assert.throws(() => (config.trustedProxies as string[]).push('::/0'), TypeError)
})

// Red when: readVariables merges the two the other way round, or keeps empty texts.
test('the environment wins over .env, and empty counts as not set', () => {
  const config = load(
    { PORT: '9000', HOST: '', APP_NAME: '  ' },
    '\uFEFFexport HOST=0.0.0.0 # all\nPORT=7000\nLOG_LEVEL=\n',
  )
  assert.equal(config.port, 9000)
  assert.equal(config.host, '0.0.0.0')
  assert.equal(config.appName, 'Freehold')
  assert.equal(config.log.level, 'info')
})

// Red when: readEnvFile swallows every error, or the check for a # in the middle of a value goes.
test('an unreadable .env and a value cut short by a # are faults', () => {
  const directory = makeDirectory()
  assertFault(
    { DATA_DIR: directory, SECRET_KEY: secretKey },
    /^DATABASE_PASSWORD in .env has a #: put the value in quotes/,
    makeDirectory({
      '.env':
        'DATABASE_PASSWORD=ab#cd\nOTHER=x#y\nAPP_NAME="x#y"\nPORT=80 # eighty#\nDATABASE_HOST=h\nDATABASE_NAME=n\n',
    }),
  )
  assertFault({}, /^\.env cannot be read \(ENOTDIR\)$/, join(fileURLToPath(import.meta.url)))
})

// Red when: namesOf forgets aliases, or the comparison is dropped or made on texts instead of values.
test('two names for one thing may agree by value and are refused when they differ', () => {
  assert.equal(
    load({ REFRESH_TOKEN_EXPIRE_DAYS: '7', REFRESH_TOKEN_EXPIRE_MINUTES: '10080' }).refreshTokenSeconds,
    604800,
  )
  assert.equal(
    load({ PUBLIC_URL: 'http://localhost:8000/', BACKEND_BASE_URL: 'http://LOCALHOST:8000' }).publicUrl,
    'http://localhost:8000',
  )
  assert.deepEqual(load({ CORS_ORIGINS: 'http://a.test', ALLOWED_ORIGINS: '["http://a.test/"]' }).corsOrigins, [
    'http://a.test',
  ])
  const differ = 'say different things: keep one of them$'
  assertFault(
    { REFRESH_TOKEN_EXPIRE_DAYS: '7', REFRESH_TOKEN_EXPIRE_MINUTES: '10081' },
    new RegExp(`^REFRESH_TOKEN_EXPIRE_DAYS and REFRESH_TOKEN_EXPIRE_MINUTES ${differ}`),
  )
  assertFault({ SECRET_KEY: secretKey, JWT_SECRET: 'another' }, new RegExp(`^SECRET_KEY and JWT_SECRET ${differ}`))
  const inFile = makeDirectory({ '.env': 'JWT_SECRET_KEY=elsewhere' })
  assertFault({ SECRET_KEY: secretKey }, new RegExp(`^SECRET_KEY and JWT_SECRET_KEY ${differ}`), inFile)
})

// Red when: an alias is dropped from the table, or leads to another variable.
test('every other name of a variable is read', () => {
  const parts: Environment = {
    POSTGRES_HOST: 'h',
    POSTGRES_PORT: '1',
    POSTGRES_DB: 'd',
    POSTGRES_USER: 'u',
    POSTGRES_PASSWORD: 'p',
  }
  const others: [Environment, (config: Config) => unknown, unknown][] = [
    [{ BACKEND_BASE_URL: 'http://a.test' }, config => config.publicUrl, 'http://a.test'],
    [{ FRONTEND_BASE_URL: 'http://b.test/app/' }, config => config.frontendUrl, 'http://b.test/app'],
    [{ SQLALCHEMY_DATABASE_URL: 'postgres://h/d' }, config => config.database.url, 'postgresql://h/d'],
    [parts, config => config.database.url, 'postgresql://u:p@h:1/d'],
    [{ JWT_SECRET_KEY: secretKey }, config => config.secretKey, secretKey],
    [{ JWT_SECRET: secretKey }, config => config.secretKey, secretKey],
    [{ ALGORITHM: 'ES256' }, config => config.jwtAlgorithm, 'ES256'],
    [{ JWT_ACCESS_TOKEN_EXPIRE_MINUTES: '60' }, config => config.accessTokenSeconds, 3600],
    [{ ACCESS_TOKEN_EXPIRE_MIN: '30' }, config => config.accessTokenSeconds, 1800],
    [{ JWT_REFRESH_TOKEN_EXPIRE_DAYS: '1' }, config => config.refreshTokenSeconds, 86400],
    [{ REFRESH_TOKEN_EXPIRE_MINUTES: '20' }, config => config.refreshTokenSeconds, 1200],
    [{ BACKEND_CORS_ORIGINS: '["http://a.test"]' }, config => config.corsOrigins, ['http://a.test']],
    [{ ALLOWED_ORIGINS: 'http://a.test' }, config => config.corsOrigins, ['http://a.test']],
  ]
  for (const [environment, pick, expected] of others) {
    assert.deepEqual(pick(loadConfig(environment, makeDirectory())), expected, Object.keys(environment).join())
  }
  const tested = others.flatMap(([environment]) => Object.keys(environment))
  const declared = variableList.flatMap(([name, variable]) => namesOf(name, variable).slice(1))
  assert.deepEqual(tested.sort(), declared.map(({ name }) => name).sort())
})

// Red when: a variable that other backends use is dropped, or an example stops the start in development.
test('a .env file written for another backend starts development', () => {
  const config = loadConfig(
    {},
    makeDirectory({
      '.env': `
DATABASE_URL=postgresql+psycopg://postgres:postgres@localhost:5432/app_db
REDIS_URL=redis://localhost:6379
SECRET_KEY=your-secret-key-change-this-in-production
ACCESS_TOKEN_EXPIRE_MINUTES=30
REFRESH_TOKEN_EXPIRE_MINUTES=10080  # 7 days
ALGORITHM=HS256
GOOGLE_CLIENT_ID=your-google-client-id
GOOGLE_CLIENT_SECRET=your-google-client-secret
RESEND_API_KEY=your-resend-api-key
FROM_EMAIL=no-reply@example.com
DEBUG=false
TESTING=false
LOG_LEVEL=INFO
RATE_LIMIT_PER_MINUTE=60
BACKEND_CORS_ORIGINS=["http://localhost:3000"]
FRONTEND_BASE_URL=http://localhost:3000
BACKEND_BASE_URL=http://localhost:8000
ACCOUNT_LOCKOUT_THRESHOLD=5
ACCOUNT_LOCKOUT_DURATION_MINUTES=30
CSP_MODE=relaxed # strict | relaxed | disabled
FIRST_SUPERUSER_EMAIL=admin@example.com
FIRST_SUPERUSER_PASSWORD=SecurePass123!
`,
    }),
  )
  assert.equal(config.database.url, 'postgresql://postgres:postgres@localhost:5432/app_db')
  assert.equal(config.refreshTokenSeconds, 604800)
  assert.equal(config.cspMode, 'relaxed')
  assert.equal(config.firstSuperuser?.password, 'SecurePass123!')
  assert.equal(config.mail.resendApiKey, undefined)
  assert.equal(config.redisUrl, 'redis://localhost:6379')
  assert.equal(config.warnings.length, 2, config.warnings.join('\n'))
})

// Red when: checkDeployment accepts examples, or the CORS list in quotes is not read.
test('a .env file of examples is refused in production, naming what to replace', () => {
  const dotEnv = `
APP_NAME="NoCode App"
ENVIRONMENT="production"  # development, staging, production
SECRET_KEY="your-secret-key-here"  # Generate with: openssl rand -hex 32
SQLALCHEMY_DATABASE_URL="postgresql+psycopg2://user:pass@localhost/appdb"
ALLOWED_ORIGINS="http://localhost:3000,http://localhost:8080"
REDIS_URL="redis://localhost:6379/0"
LOG_FILE="app.log"
SENTRY_DSN="https://your-sentry-dsn"
`
  assert.deepEqual(
    faultsOf({}, makeDirectory({ '.env': dotEnv })).map(fault => fault.split(/[: ]/)[0]),
    [
      'PUBLIC_URL',
      'DATABASE_TENANT_URL',
      'DATABASE_SYSTEM_URL',
      'RESEND_API_KEY',
      'SQLALCHEMY_DATABASE_URL',
      'SECRET_KEY',
      'SENTRY_DSN',
    ],
  )
})

// Red when: readText keeps the byte-order mark: the same key from an editor of Windows would be another one.
test('a byte-order mark is no part of a secret, and a file that is not UTF-8 is a fault', () => {
  const directory = makeDirectory({ marked: `\uFEFF${secretKey}\r\n` })
  assert.equal(loadConfig({ SECRET_KEY_FILE: 'marked' }, directory).secretKey, secretKey)
  writeFileSync(join(directory, 'wide'), Buffer.from(`\uFEFF${secretKey}\r\n`, 'utf16le'))
  assertFault({ SECRET_KEY_FILE: 'wide' }, /^SECRET_KEY_FILE: the file is not UTF-8: save it as UTF-8/, directory)
})

// Red when: secrets lose NAME_FILE, its line break stays, or the path is shown.
test('a secret may be given as a file, under each of its names', () => {
  const directory = makeDirectory({ key: `${secretKey}\n`, empty: '\n', password: ' p@ss\r\n' })
  assert.equal(loadConfig({ SECRET_KEY_FILE: 'key' }, directory).secretKey, secretKey)
  assert.equal(
    loadConfig({ JWT_SECRET_FILE: join(directory, 'key'), SECRET_KEY: secretKey }, directory).secretKey,
    secretKey,
  )
  const parts = { POSTGRES_HOST: 'h', POSTGRES_DB: 'd', POSTGRES_USER: 'u', SECRET_KEY: secretKey }
  const config = loadConfig({ ...parts, POSTGRES_PASSWORD_FILE: 'password' }, directory)
  assert.equal(config.database.url, 'postgresql://u:%20p%40ss@h/d')
  assertFault({ SECRET_KEY_FILE: 'absent' }, /^SECRET_KEY_FILE: the file cannot be read \(ENOENT\)$/, directory)
  assertFault({ SECRET_KEY_FILE: 'empty' }, /^SECRET_KEY_FILE: the file is empty$/, directory)
  assertFault(
    { SECRET_KEY_FILE: 'key', SECRET_KEY: 'other' },
    /^SECRET_KEY and SECRET_KEY_FILE say different/,
    directory,
  )
})

// Red when: settleTls lets a mode through that does not verify the server, or that the driver reads as another one.
test('every sslmode has a meaning, and none but disable trusts an unknown server', () => {
  const urlOf = (query: string) => load({ DATABASE_URL: `postgresql://u:p@h/d?${query}` }).database.url
  for (const mode of ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'])
    assert.equal(urlOf(`sslmode=${mode}`), `postgresql://u:p@h/d?sslmode=${mode}`)
  for (const [ssl, mode] of [
    ['true', 'verify-full'],
    ['1', 'verify-full'],
    ['require', 'require'],
    ['false', 'disable'],
    ['0', 'disable'],
  ] as const)
    assert.equal(urlOf(`ssl=${ssl}`), `postgresql://u:p@h/d?sslmode=${mode}`, ssl)
  assert.equal(urlOf('sslmode=verify-full&sslrootcert=system'), 'postgresql://u:p@h/d?sslmode=verify-full')
  for (const [query, fault] of [
    ['sslmode=no-verify', /trusts any server/],
    ['ssl=no-verify', /trusts any server/],
    ['sslmode=on', /does not exist/],
    ['sslmode=', /does not exist/],
    ['ssl=yes', /does not exist/],
    ['ssl=true&sslmode=disable', /keep sslmode/],
  ] as const)
    assertFault({ DATABASE_URL: `postgresql://u:p@h/d?${query}` }, new RegExp(`^DATABASE_URL: .*${fault.source}`))
})

// Red when: postgresUrl stops dropping the driver, or moves libpq's query parameters elsewhere.
test('database URLs lose their driver and are refused when they cannot be understood', () => {
  const urlOf = (url: string) => load({ SQLALCHEMY_DATABASE_URL: url }).database.url
  assert.equal(urlOf('postgresql+psycopg2://user:pass@localhost/appdb'), 'postgresql://user:pass@localhost/appdb')
  assert.equal(
    urlOf('postgresql+asyncpg://u:p%40@[::1]:5433/d?sslmode=require'),
    'postgresql://u:p%40@[::1]:5433/d?sslmode=require',
  )
  assert.equal(urlOf('postgres://localhost/d'), 'postgresql://localhost/d')
  assert.equal(urlOf('postgresql://u:p@/d?host=/cloudsql/a:b'), 'postgresql://u:p@%2Fcloudsql%2Fa%3Ab/d')
  assert.equal(
    urlOf('postgresql:///d?host=h&port=1&user=a@b&options=-c%20x'),
    'postgresql://a%40b@h:1/d?options=-c%20x',
  )
  for (const url of ['mysql+pymysql://u:p@h/d', 'sqlite:///./app.db', 'sqlite://', 'sqlite+aiosqlite:///x']) {
    assertFault(
      { SQLALCHEMY_DATABASE_URL: url },
      /^SQLALCHEMY_DATABASE_URL: names another database, and Freehold runs on PostgreSQL only/,
    )
  }
  assertFault({ DATABASE_URL: 'localhost/d' }, /^DATABASE_URL: is not a URL; accepted: postgresql:/)
  assertFault({ DATABASE_URL: 'http://h/d' }, /does not begin with postgresql:/)
  assertFault({ DATABASE_URL: 'postgresql://u:p@/d' }, /names no host/)
  assertFault({ DATABASE_URL: 'postgresql://' }, /names no host/)
  assertFault({ DATABASE_URL: 'postgresql://u@h' }, /^DATABASE_URL names no database/)
  assertFault({ DATABASE_URL: 'postgresql://u:p#1@h/d' }, /percent-encode special characters/)
  assertFault({ DATABASE_URL: 'postgresql://u:1#1@h/d' }, /has a # or \/ before the @/)
  assertFault({ DATABASE_URL: 'postgresql://u:1/1@h/d' }, /has a # or \/ before the @/)
  assertFault({ DATABASE_URL: 'postgresql://u:1%zz@h/d' }, /write a literal % as %25/)
  assertFault({ DATABASE_URL: 'postgresql:///d?host=a b' }, /has a host that cannot be used/)
})

// Red when: encode() leaves a character as it is, or joinUrl lets the URL win silently.
test('a database URL is assembled from its parts, and refused when a whole one says something else', () => {
  const parts = {
    DATABASE_HOST: 'db',
    DATABASE_PORT: '5433',
    DATABASE_NAME: 'a b%',
    DATABASE_USER: 'u@x',
    DATABASE_PASSWORD: 'p%@:#/?é ',
  }
  const { url } = load(parts).database
  assert.equal(url, 'postgresql://u%40x:p%25%40%3A%23%2F%3F%C3%A9%20@db:5433/a%20b%25')
  assert.equal(decodeURIComponent(new URL(url ?? '').password), parts.DATABASE_PASSWORD)
  assert.equal(load({ ...parts, POSTGRES_HOST: 'db', SQLALCHEMY_DATABASE_URL: url ?? '' }).database.url, url)
  const open = { DATABASE_URL: 'postgresql://u@h/d', POSTGRES_PASSWORD: 'x', POSTGRES_PORT: '1' }
  assert.equal(load(open).database.url, 'postgresql://u:x@h:1/d')
  const socket = { DATABASE_HOST: '/cloudsql/a:b', DATABASE_NAME: 'd', DATABASE_USER: 'u' }
  assert.equal(load(socket).database.url, 'postgresql://u@%2Fcloudsql%2Fa%3Ab/d')
  assert.equal(load({ DATABASE_HOST: '::1', DATABASE_NAME: 'd' }).database.url, 'postgresql://[::1]/d')

  const whole = { DATABASE_URL: 'postgresql://u:p@h:1/d' }
  for (const part of [
    { POSTGRES_HOST: 'x' },
    { POSTGRES_PORT: '2' },
    { POSTGRES_DB: 'x' },
    { POSTGRES_USER: 'U' },
    { POSTGRES_PASSWORD: 'P' },
  ]) {
    const fault = new RegExp(`^${Object.keys(part)[0]} and DATABASE_URL say different things: keep one of them$`)
    assertFault({ ...whole, ...(part as Environment) }, fault)
  }
  assertFault(
    { POSTGRES_USER: 'u', POSTGRES_PASSWORD: 'p' },
    /^DATABASE_HOST is not set: without it, POSTGRES_USER, POSTGRES_PASSWORD name no server$/,
  )
  assertFault({ DATABASE_HOST: 'h', DATABASE_USER: 'u' }, /names no database: /)
  assertFault(
    { DATABASE_HOST: 'h:5432', DATABASE_NAME: 'd' },
    /^DATABASE_HOST: "h:5432" is neither a host name nor an IP/,
  )
  assertFault({ DATABASE_URL: 'mysql://h/d', DATABASE_HOST: 'x' }, /^DATABASE_URL: names another database/)
})

// Red when: redis parts are put into another place of the URL.
test('a Redis URL is given whole or in parts', () => {
  assert.equal(load({ REDIS_URL: 'redis://localhost:6379/0' }).redisUrl, 'redis://localhost:6379/0')
  const parts = { REDIS_HOST: 'localhost', REDIS_PORT: '6379', REDIS_DB: '0', REDIS_PASSWORD: 'p@ss/' }
  assert.equal(load(parts).redisUrl, 'redis://:p%40ss%2F@localhost:6379/0')
  assertFault({ REDIS_URL: 'redis://h:1/0', REDIS_DB: '1' }, /^REDIS_DB and REDIS_URL say different things/)
  assertFault({ REDIS_URL: 'redis://:x%zz@h' }, /^REDIS_URL: .*write a literal % as %25/)
  assertFault({ REDIS_PASSWORD: 'x' }, /^REDIS_HOST is not set/)
  assertFault({ REDIS_URL: 'http://h' }, /^REDIS_URL: is not a redis:/)
  assertFault({ REDIS_URL: 'redis://h/cache' }, /^REDIS_URL: has a path that is not the number/)
  assertFault({ REDIS_URL: 'redis://h/0?ssl_cert_reqs=none' }, /^REDIS_URL: has more than host, port and number/)
})

// Red when: checkLogins is dropped.
test('owner, tenant and system logins are three, and the last two come together', () => {
  const { DATABASE_TENANT_URL: tenant, DATABASE_SYSTEM_URL: system } = production
  assertFault({ DATABASE_TENANT_URL: tenant }, /^DATABASE_TENANT_URL is set and DATABASE_SYSTEM_URL is not/)
  assertFault(
    { ...production, DATABASE_SYSTEM_URL: tenant.replace('freehold_app', 'freehold%5Fapp') },
    /^DATABASE_TENANT_URL and DATABASE_SYSTEM_URL use one login/,
  )
  assertFault({ ...production, DATABASE_URL: system }, /^DATABASE_URL and DATABASE_SYSTEM_URL use one login/)
  assertFault({ ...production, DATABASE_SYSTEM_URL: '' }, /^DATABASE_SYSTEM_URL is not set, and production requires it/)
  const owner = 'postgresql://owner:Gh61mmQe@db.internal/app'
  assert.equal(loadConfig({ ...production, DATABASE_URL: owner }, makeDirectory()).database.url, owner)
})

// Red when: isExample or weakness lets one of these through.
test('outside development weak and known secrets are refused', () => {
  const examples = [
    'your-secret-key-min-32-chars-change-in-production',
    'your-secret-key-change-this-in-production',
    'your-secret-key-here',
    'dev-secret',
    '<GENERATE_RANDOM_SECRET_KEY>',
    'please-change-me-please-change-me-now',
  ]
  for (const example of examples) {
    assertFault({ ...production, SECRET_KEY: example }, /^SECRET_KEY: is an example; accepted in production/)
  }
  assertFault({ ...production, SECRET_KEY: 'abab'.repeat(10) }, /^SECRET_KEY: has too few different characters/)
  const superuser = { ...production, FIRST_SUPERUSER_EMAIL: 'admin@example.com' }
  for (const password of ['SecurePass123!', 'SuperAdmin123!', 'password123', 'SecureP@ss123']) {
    assertFault({ ...superuser, FIRST_SUPERUSER_PASSWORD: password }, /^FIRST_SUPERUSER_PASSWORD: holds an example/)
  }
  assertFault({ ...production, DATABASE_URL: 'postgresql://postgres:postgres@h/d' }, /^DATABASE_URL: holds an example/)
  assertFault({ ...production, SENTRY_DSN: 'https://your-sentry-dsn' }, /^SENTRY_DSN: holds an example/)
  assert.equal(
    load({ FIRST_SUPERUSER_EMAIL: 'a@b.c', FIRST_SUPERUSER_PASSWORD: 'SecurePass123!' }).firstSuperuser?.email,
    'a@b.c',
  )
})

// Red when: readOrigin keeps a path, or checkDeployment forgets https.
test('PUBLIC_URL is an origin, https outside development unless on this machine', () => {
  assert.equal(load({ PUBLIC_URL: 'https://Api.Example.com:443/' }).publicUrl, 'https://api.example.com')
  assert.equal(load({ HOST: '0.0.0.0', PORT: '80' }).publicUrl, 'http://localhost')
  assert.equal(load({ HOST: '::1', PORT: '0' }).publicUrl, 'http://localhost:0')
  assert.equal(load({ HOST: 'fd00::2' }).publicUrl, 'http://[fd00::2]:8000')
  assert.equal(load({ PUBLIC_URL: 'http://api.example.com' }).publicUrl, 'http://api.example.com')
  for (const url of [
    'https://a.test/api',
    'https://a.test?x',
    'https://a.test/#x',
    'a.test',
    'ftp://a.test',
    'https://*.a.test',
  ]) {
    assertFault({ PUBLIC_URL: url }, /^PUBLIC_URL: (has|does|holds) .*; accepted: /)
  }
  assertFault({ ...production, PUBLIC_URL: 'http://api.example.com' }, /^PUBLIC_URL: is not https/)
  for (const url of ['http://localhost:8000', 'http://127.0.0.1:8000', 'http://[::1]:8000']) {
    assert.equal(loadConfig({ ...production, PUBLIC_URL: url }, makeDirectory()).publicUrl, url)
  }
  assertFault({ ...production, PUBLIC_URL: 'http://127.0.0.1.example.com' }, /is not https/)
})

// Red when: readList splits JSON at commas, or networks lets 0.0.0.0/0 through.
test('lists are read as JSON or with commas, and every entry is checked', () => {
  const origins = ['http://localhost:3000', 'https://app.example.com']
  assert.deepEqual(load({ CORS_ORIGINS: `${origins.join(', ')},` }).corsOrigins, origins)
  assert.deepEqual(load({ CORS_ORIGINS: JSON.stringify(origins) }).corsOrigins, origins)
  for (const list of ['*', 'null', "['http://a.test']", '[1]', 'https://*.a.test', 'a.test']) {
    assertFault({ CORS_ORIGINS: list }, /^CORS_ORIGINS: /)
  }
  assertFault({ ...production, CORS_ORIGINS: 'localhost' }, /^CORS_ORIGINS: localhost is for development/)
  const proxies = ['10.0.0.0/8', '127.0.0.1', '::1', 'fd00::/8']
  assert.deepEqual(load({ TRUSTED_PROXIES: proxies.join() }).trustedProxies, proxies)
  for (const entry of [
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0',
    'proxy.internal',
    '::1/129',
    '1.2.3.4/8/8',
    'fe80::1%eth0',
  ]) {
    assertFault({ TRUSTED_PROXIES: entry }, /is neither an IP address nor a network/)
  }
  for (const entry of ['0.0.0.0/0', '::/0', '::/00'])
    assertFault({ TRUSTED_PROXIES: entry }, /would trust every client/)
})

// Red when: integer() accepts what Number() accepts, or a range moves.
test('numbers are whole and within their range', () => {
  for (const [port, isGood] of [
    ['0', true],
    ['65535', true],
    ['65536', false],
    ['-1', false],
    ['1e3', false],
    ['80.5', false],
    ['0x50', false],
  ] as const) {
    if (isGood) assert.equal(load({ PORT: port }).port, Number(port))
    else
      assertFault(
        { PORT: port },
        /^PORT: ".*" is (not a whole number|out of range); accepted: a whole number from 0 to 65535$/,
      )
  }
  assertFault({ DATABASE_POOL_SIZE: '1' }, /accepted: a whole number from 2 to 1000/)
  assertFault({ ACCOUNT_LOCKOUT_THRESHOLD: '0' }, /accepted: a whole number from 1 to 100/)
  assertFault({ REFRESH_TOKEN_EXPIRE_DAYS: '91' }, /accepted: a whole number from 1 to 90/)
  assertFault(
    { REFRESH_TOKEN_EXPIRE_MINUTES: '10' },
    /^REFRESH_TOKEN_EXPIRE_MINUTES: a refresh token would expire before/,
  )
})

// Red when: choice() compares case, or DEBUG wins over LOG_LEVEL.
test('words are read in any case, and DEBUG=true means debug unless LOG_LEVEL is given', () => {
  assert.equal(load({ LOG_LEVEL: 'INFO' }).log.level, 'info')
  assert.equal(load({ LOG_LEVEL: 'WARNING' }).log.level, 'warn')
  assert.equal(load({ LOG_LEVEL: 'critical' }).log.level, 'fatal')
  assert.equal(load({ ALGORITHM: 'hs256' }).jwtAlgorithm, 'HS256')
  assert.equal(load({ DEBUG: 'True' }).log.level, 'debug')
  assert.deepEqual(load({ DEBUG: 'True' }).warnings, [])
  assert.equal(load({ DEBUG: 'false' }).log.level, 'info')
  assert.equal(load({ DEBUG: 'fastify:*' }).log.level, 'info')
  const both = load({ DEBUG: 'true', LOG_LEVEL: 'INFO' })
  assert.equal(both.log.level, 'info')
  assert.deepEqual(both.warnings, ['DEBUG=true is overruled by LOG_LEVEL=info'])
  assert.equal(load({ RATE_LIMIT_ENABLED: 'OFF' }).rateLimit.enabled, false)
  assertFault(
    { ENVIRONMENT: 'prod' },
    /^ENVIRONMENT: "prod" is not one of them; accepted: development, staging, production$/,
  )
  assertFault({ DATABASE_SCHEMA: 'pg_mine' }, /cannot name a schema/)
})

// Red when: a rule in checkMeaning or checkPairs goes.
test('what belongs together is given together', () => {
  assertFault({ FIRST_SUPERUSER_PASSWORD: 'x' }, /^FIRST_SUPERUSER_PASSWORD is set and FIRST_SUPERUSER_EMAIL is not/)
  assertFault({ GOOGLE_CLIENT_ID: 'x' }, /^GOOGLE_CLIENT_ID is set and GOOGLE_CLIENT_SECRET is not/)
  assertFault({ GITHUB_CLIENT_SECRET: 'x' }, /^GITHUB_CLIENT_SECRET is set and GITHUB_CLIENT_ID is not/)
  assertFault({ RESEND_API_KEY: 'x' }, /^FROM_EMAIL is not set: RESEND_API_KEY needs a sender$/)
  const both = { RESEND_API_KEY: 'x', SMTP_URL: 'smtp://h', FROM_EMAIL: 'Acme <a@b.test>' }
  assertFault(both, /^RESEND_API_KEY and SMTP_URL are both set: keep one of them$/)
  assertFault({ FROM_EMAIL: 'nobody' }, /^FROM_EMAIL: is not an email address/)
})

// Red when: smtpUrl lets a query or path pass, or does not look at the scheme.
test('a mail server is named by scheme, login, host and port, and nothing that could weaken TLS', () => {
  const mail = (SMTP_URL: string) => ({ SMTP_URL, FROM_EMAIL: 'a@b.test' })
  assert.equal(load(mail('smtps://u:p%2F@mail.test:465')).mail.smtpUrl, 'smtps://u:p%2F@mail.test:465')
  assertFault(mail('smtp://mail.test?ignoreTLS=true'), /^SMTP_URL: has more than host and port; accepted: smtp/)
  assertFault(mail('smtp://mail.test/path'), /^SMTP_URL: has more than host and port/)
  assertFault(mail('smtp://u:50%@mail.test'), /^SMTP_URL: has a % that does not begin an escape/)
  assertFault(mail('mail.test:25'), /^SMTP_URL: is not an smtp:\/\/ or smtps:\/\/ URL/)
})

// Red when: canMail is not asked, or the default of EMAIL_VERIFICATION is the same everywhere.
test('a deployment confirms addresses, so it needs mail; without confirming it is warned that none is sent', () => {
  assert.equal(load({}).emailVerification, 'optional')
  assert.equal(load(production).emailVerification, 'required')
  const { SMTP_URL: _one, FROM_EMAIL: _other, ...mute } = production
  assertFault(mute, /^RESEND_API_KEY or SMTP_URL is not set, and EMAIL_VERIFICATION=required.* needs emails: set one/)
  const { warnings } = load({ ...mute, EMAIL_VERIFICATION: 'optional' })
  assert.equal(warnings.length, 1)
  assert.match(warnings[0]!, /^NO EMAIL IS SENT: neither RESEND_API_KEY nor SMTP_URL is set\. Users cannot reset/)
  assert.deepEqual(load({ ...production, EMAIL_VERIFICATION: 'optional' }).warnings, [])
  assert.equal(load({ EMAIL_VERIFICATION: 'required' }).emailVerification, 'required', 'the outbox is enough')
})

// Red when: an example key reaches the transport, or links of mails may lead over plain http.
test('links in mails lead to the service or to pages of one’s own, and an example key means the outbox', () => {
  assert.equal(load({ PUBLIC_URL: 'http://localhost:9000' }).accountPagesUrl, 'http://localhost:9000/account')
  const pages = { ACCOUNT_PAGES_URL: 'https://app.acme.test/me/' }
  assert.equal(load({ ...production, ...pages }).accountPagesUrl, 'https://app.acme.test/me')
  assertFault({ ...production, ACCOUNT_PAGES_URL: 'http://app.acme.test' }, /^ACCOUNT_PAGES_URL: is not https/)
  const copied = load({ RESEND_API_KEY: 'your-resend-api-key', FROM_EMAIL: 'a@b.test' })
  assert.equal(copied.mail.resendApiKey, undefined)
  assert.deepEqual(copied.warnings, ['RESEND_API_KEY is an example: emails go to the outbox at /dev/mail instead'])
})

function oidc(changes: Record<string, unknown>): string {
  return JSON.stringify([
    { name: 'acme', issuer: 'https://id.acme.test', client_id: 'i', client_secret: 's', ...changes },
  ])
}

// Red when: readProvider stops checking a field.
test('OpenID Connect providers are a checked list', () => {
  const provider = { name: 'acme', issuer: 'https://id.acme.test', clientId: 'i', clientSecret: 's' }
  assert.deepEqual(load({ OIDC_PROVIDERS: oidc({}) }).social.oidc, [provider])
  assert.equal(load({ OIDC_PROVIDERS: oidc({ issuer: 'http://localhost:9000' }) }).social.oidc.length, 1)
  for (const changes of [
    { name: 'google' },
    { name: 'password' },
    { name: 'A B' },
    { issuer: 'http://id.acme.test' },
    { issuer: 'https://id.acme.test/.well-known/openid-configuration' },
    { issuer: 'https://user@id.acme.test' },
    { client_secret: '' },
    { more: 1 },
  ]) {
    assertFault({ OIDC_PROVIDERS: oidc(changes) }, /^OIDC_PROVIDERS: entry 1 (needs|has) /)
  }
  assertFault(
    { OIDC_PROVIDERS: JSON.stringify([...JSON.parse(oidc({})), ...JSON.parse(oidc({}))]) },
    /uses one name twice/,
  )
  assertFault({ OIDC_PROVIDERS: '{}' }, /is not a list/)
})

// Red when: a self-hosted server is requested at api.github.com, or Google is left out of the list.
test('Google is one of the OpenID Connect providers, and GitHub may be a server of one’s own', () => {
  const google = { GOOGLE_CLIENT_ID: 'i', GOOGLE_CLIENT_SECRET: 's' }
  const known = { name: 'google', issuer: 'https://accounts.google.com', clientId: 'i', clientSecret: 's' }
  assert.deepEqual(load(google).social.oidc, [known])
  assert.equal(load({ ...google, GOOGLE_ISSUER: 'http://127.0.0.1:1/' }).social.oidc[0]?.issuer, 'http://127.0.0.1:1/')
  const github = { GITHUB_CLIENT_ID: 'i', GITHUB_CLIENT_SECRET: 's' }
  assert.equal(load(github).social.github?.apiUrl, 'https://api.github.com')
  const own = load({ ...github, GITHUB_URL: 'https://git.acme.test/' }).social.github
  assert.deepEqual([own?.url, own?.apiUrl], ['https://git.acme.test', 'https://git.acme.test/api/v3'])
  assertFault({ ...github, GITHUB_URL: 'http://git.acme.test' }, /^GITHUB_URL: does not begin with https/)
})

// Red when: http elsewhere is taken, or FRONTEND_URL is left out.
test('a sign-in leads back to the front end and to named origins, which are https', () => {
  const settings = {
    FRONTEND_URL: 'https://app.acme.test/start',
    SOCIAL_REDIRECTS: 'https://b.acme.test,http://localhost:3000',
  }
  assert.deepEqual(load(settings).social.redirectOrigins, [
    'https://app.acme.test',
    'https://b.acme.test',
    'http://localhost:3000',
  ])
  assertFault({ SOCIAL_REDIRECTS: 'http://b.acme.test' }, /^SOCIAL_REDIRECTS: does not begin with https/)
  assertFault({ SOCIAL_REDIRECTS: 'https://b.acme.test/path' }, /^SOCIAL_REDIRECTS/)
})

// Red when: suspectNames takes HOME or PATH for ours, or misses a swap.
test('a misspelled name in .env is a warning, a stranger is not', () => {
  const dotEnv =
    'SECRET_KYE=x\nDATABSE_URLS=x\nPROT=1\nport=2\nPORT_FILE=x\nHOME=x\nPATH=x\nVITE_API_URL=x\nNODE_ENV=x\nSECRET_KEY_FIEL=x\n'
  const { warnings } = loadConfig({ SECRET_KEY: secretKey, PORTS: '1' }, makeDirectory({ '.env': dotEnv }))
  assert.deepEqual([...warnings].sort(), [
    'DATABSE_URLS in .env is not read: did you mean DATABASE_URL?',
    'PORT_FILE in .env is not read: only secrets may be in a file',
    'PROT in .env is not read: did you mean PORT?',
    'SECRET_KEY_FIEL in .env is not read: did you mean SECRET_KEY_FILE?',
    'SECRET_KYE in .env is not read: did you mean SECRET_KEY?',
    'port in .env is not read: did you mean PORT?',
  ])
})

// Red when: the front end does not come first, an origin outside the domain or without https stays in the default, or an address passes for a domain.
test('passkeys belong to the front end’s domain, and to none where no browser would take one', () => {
  const api = { PUBLIC_URL: 'https://api.example.com' }
  assert.deepEqual(load(api).passkeys, { rpId: 'api.example.com', origins: ['https://api.example.com'] })
  assert.deepEqual(load({ ...api, FRONTEND_URL: 'https://example.com/app' }).passkeys, {
    rpId: 'example.com',
    origins: ['https://example.com', 'https://api.example.com'],
  })
  assert.deepEqual(load({ ...api, FRONTEND_URL: 'https://badexample.com', PASSKEY_RP_ID: 'Example.com' }).passkeys, {
    rpId: 'example.com',
    origins: ['https://api.example.com'],
  })
  const app = `android:apk-key-hash:${'x'.repeat(43)}`
  assert.deepEqual(load({ ...api, PASSKEY_ORIGINS: `https://other.example,${app},http://localhost:3000` }).passkeys, {
    rpId: 'api.example.com',
    origins: ['https://other.example', app, 'http://localhost:3000'],
  })
  for (const PUBLIC_URL of [
    'http://192.168.1.5:8000',
    'http://127.0.0.1:8000',
    'http://[::1]:8000',
    'http://nas.lan',
  ]) {
    const { passkeys, warnings } = load({ PUBLIC_URL })
    assert.equal(passkeys, undefined, PUBLIC_URL)
    assert.match(warnings.join(), /^passkeys are off: .* PASSKEY_RP_ID and PASSKEY_ORIGINS$/)
  }
  for (const PASSKEY_RP_ID of ['192.168.1.5', '2130706433', '[::1]', 'https://example.com', 'example.com:443', 'a..b'])
    assertFault({ PASSKEY_RP_ID }, /^PASSKEY_RP_ID: is (an IP address|not a domain name); accepted: a domain name/)
  assertFault({ PASSKEY_ORIGINS: 'http://example.com' }, /"http:\/\/example.com" is not https, which browsers require/)
})

// Red when: `ignored` or `later` has no effect, or false counts as use.
// Red when: listDoubts does not look at PUBLIC_URL, or warns of a development or of a service without TLS before it.
test('a deployment behind TLS that trusts no proxy is warned', () => {
  const warningsOf = (settings: Environment) => load({ ...production, ...settings }).warnings.join()
  assert.match(warningsOf({ TRUSTED_PROXIES: '' }), /^TRUSTED_PROXIES is empty, although PUBLIC_URL is https/)
  assert.equal(warningsOf({}), '')
  assert.equal(warningsOf({ TRUSTED_PROXIES: '', PUBLIC_URL: 'http://localhost:8000' }), '')
  assert.deepEqual(load({ PUBLIC_URL: 'https://api.example.com' }).warnings, [])
})

// Red when: the DSN is taken apart otherwise, or one of the checks goes.
test('a Sentry DSN, a collector and a metrics token are checked, and never shown', () => {
  assert.deepEqual(load({ SENTRY_DSN: 'https://abc@sentry.example.com/7' }).sentry, {
    url: 'https://sentry.example.com/api/7/envelope/',
    key: 'abc',
  })
  assert.equal(
    load({ SENTRY_DSN: 'http://k@127.0.0.1:9000/own/42/' }).sentry?.url,
    'http://127.0.0.1:9000/own/api/42/envelope/',
  )
  const example = load({ SENTRY_DSN: 'https://your-sentry-dsn' })
  assert.equal(example.sentry, undefined)
  assert.deepEqual(example.warnings, ['SENTRY_DSN is an example: errors are only logged'])
  for (const [SENTRY_DSN, fault] of [
    ['https://sentry.example.com/7', /has no key/],
    ['https://key-of-mine@sentry.example.com/', /does not end in the number of a project/],
    ['http://key-of-mine@sentry.example.com/7', /is not https/],
    ['sentry.example.com', /is not an http/],
  ] as const) {
    assertFault({ SENTRY_DSN }, fault)
    assert.doesNotMatch(faultsOf({ SENTRY_DSN }).join(), /key-of-mine/)
  }
  assertFault({ METRICS_TOKEN: 'x'.repeat(31) }, /^METRICS_TOKEN: has 31 characters; accepted: at least 32 characters/)
  assert.equal(load({ METRICS_TOKEN: 'x'.repeat(32) }).metrics.token, 'x'.repeat(32))
  assertFault({ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' }, /^OTEL_EXPORTER_OTLP_ENDPOINT: does not begin with/)
  assertFault(
    { OTEL_EXPORTER_OTLP_HEADERS: 'my-secret' },
    /^OTEL_EXPORTER_OTLP_HEADERS: has an entry that is not name=value/,
  )
  for (const OTEL_TRACES_SAMPLER_ARG of ['2', '-1', 'half', ''.padStart(2, '.')])
    assertFault({ OTEL_TRACES_SAMPLER_ARG }, /^OTEL_TRACES_SAMPLER_ARG: is not a number from 0 to 1/)
  assert.deepEqual(
    load({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318/',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x, tenant=a',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    }).traces,
    {
      endpoint: 'http://localhost:4318',
      headers: { authorization: 'Bearer x', tenant: 'a' },
      serviceName: 'freehold',
      sampledShare: 0.25,
    },
  )
})

test('variables that change nothing and doubtful settings are said in the warnings', () => {
  const quiet = { SECRET_KEY: secretKey, TESTING: 'false', ENABLE_METRICS: 'false' }
  assert.deepEqual(loadConfig(quiet, makeDirectory()).warnings, [])
  const loud = { IS_TEST: 'True', BCRYPT_COST_FACTOR: '12', STORAGE_URL: 's3://bucket' }
  const rest = { NODE_ENV: 'production', JWT_SECRET: 'dev-secret' }
  assert.deepEqual(loadConfig({ ...loud, ...rest }, makeDirectory()).warnings, [
    'BCRYPT_COST_FACTOR changes nothing: passwords are hashed with Argon2id',
    'IS_TEST changes nothing: tests run the product as it is',
    'no effect yet, their features arrive with a later version: STORAGE_URL',
    'NODE_ENV=production has no effect: without ENVIRONMENT=production this is development',
    'JWT_SECRET is an example: good enough for development only',
  ])
})

// Red when: the key is made anew at each start, or readable by others.
test('development makes its secret key once, in an owner-only file', () => {
  const directory = makeDirectory()
  const { secretKey: made, dataDir } = loadConfig({}, directory)
  const file = join(dataDir, 'secret-key')
  assert.match(made, /^[\w-]{43}$/)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(dataDir).mode & 0o777, 0o700)
  assert.equal(loadConfig({}, directory).secretKey, made)
  assert.equal(loadConfig({ SECRET_KEY: secretKey }, directory).secretKey, secretKey)
  chmodSync(file, 0o644)
  assertFault({}, /^SECRET_KEY is not set, and .*secret-key cannot be used instead: other users may read it/, directory)
  writeFileSync(file, 'short')
  chmodSync(file, 0o600)
  assertFault({}, /cannot be used instead: it is damaged/, directory)
})

// Red when: loadConfig makes the key before it knows of the faults.
test('a start that is refused leaves nothing behind', () => {
  const directory = makeDirectory()
  assertFault({ PORT: 'x' }, /^PORT/, directory)
  assert.equal(existsSync(join(directory, '.freehold')), false)
})

// Red when: makeSecretKey writes the file in place, or renames over one that is there.
test('two that start at the same instant end up with one key', async () => {
  const directory = makeDirectory()
  const rounds = 200
  const script = `
    const { workerData: { barrier, rounds, directory }, parentPort } = require('node:worker_threads')
    import(${JSON.stringify(import.meta.resolve('./config.ts'))}).then(({ loadConfig }) => {
      const arrived = new Int32Array(barrier)
      parentPort.postMessage(Array.from({ length: rounds }, (_, round) => {
        Atomics.add(arrived, 0, 1)
        while (Atomics.load(arrived, 0) < 2 * (round + 1));
        return loadConfig({ DATA_DIR: String(round) }, directory).secretKey
      }))
    })`
  const barrier = new SharedArrayBuffer(4)
  const workers = [1, 2].map(() => new Worker(script, { eval: true, workerData: { barrier, rounds, directory } }))
  const answers = workers.map(worker => once(worker, 'message').then(([keys]: string[][]) => keys))
  let keys: (string[] | undefined)[]
  try {
    keys = await Promise.all(answers)
  } finally {
    // One that fails would leave the other waiting for it.
    for (const worker of workers) await worker.terminate()
  }
  const [one, other] = keys
  assert.deepEqual(one, other)
  assert.equal(new Set(one).size, rounds)
})

// Red when: the table changes and no one runs the generator.
test('the reference page and .env.example are fresh, and --check says so', () => {
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  assert.equal(readFileSync(join(root, 'docs/reference/configuration.md'), 'utf8'), describeConfiguration())
  assert.equal(readFileSync(join(root, '.env.example'), 'utf8'), describeEnvFile())
  const check = spawnSync(process.execPath, [join(root, 'server/tools/generate-configuration.ts'), '--check'])
  assert.equal(check.status, 0, String(check.stderr))
})

// Red when: .env.example shows a default that the loader does not have.
test('.env.example names every variable that has an effect, and uncommented it is the default configuration', () => {
  const uncommented = describeEnvFile().replace(/^#(?=[A-Z])/gm, '')
  for (const [name, variable] of variableList) {
    assert.equal(new RegExp(`^${name}=`, 'm').test(uncommented), !variable.ignored, name)
    assert.ok(describeConfiguration().includes(`| \`${name}\``), name)
  }
  const directory = makeDirectory({ '.env': uncommented })
  const config = loadConfig({}, directory)
  rmSync(join(directory, '.env'))
  assert.deepEqual(config, loadConfig({}, directory))
})

// Red when: listExposures looks at nothing, or config.ts leaves one of the files out.
test(
  'files with secrets that other users can read or change are complained of, outside development',
  {
    skip: process.platform === 'win32',
  },
  () => {
    const directory = makeDirectory({ '.env': 'APP_NAME=Acme\n', mail: 'smtp://u:Rw4490Lkq@mail.internal\n' })
    const [env, mail, dataDir] = [join(directory, '.env'), join(directory, 'mail'), join(directory, 'data')]
    mkdirSync(dataDir)
    const key = join(dataDir, 'secret-key')
    writeFileSync(key, secretKey)
    const { SMTP_URL: _url, ...rest } = production
    const settings = { ...rest, SMTP_URL_FILE: mail, DATA_DIR: dataDir }
    const complaints = (modes: Record<string, number>, more: Environment = {}) => {
      for (const path of [env, mail, key]) chmodSync(path, modes[path] ?? 0o600)
      chmodSync(directory, modes[directory] ?? 0o700)
      const { exposedFiles, warnings } = loadConfig({ ...settings, ...more }, directory)
      for (const line of exposedFiles) assert.ok(warnings.includes(line), line)
      return exposedFiles
    }
    assert.deepEqual(complaints({}), [])
    assert.deepEqual(complaints({ [env]: 0o640, [mail]: 0o440, [key]: 0o600 }), [])
    for (const [path, name] of [
      [env, '.env'],
      [mail, 'SMTP_URL_FILE'],
      [key, 'secret-key in DATA_DIR'],
    ] as const) {
      for (const mode of [0o644, 0o604, 0o666, 0o620, 0o602]) {
        const found = complaints({ [path]: mode })
        assert.equal(found.length, 1, `${name} ${mode.toString(8)}: ${found.join('\n')}`)
        assert.ok(found[0]!.startsWith(`${name} `), found.join())
        assert.match(found[0]!, (mode & 0o022) === 0 ? /can be read by every user.*chmod 600/ : /can be changed by/)
        assert.doesNotMatch(found[0]!, /freehold-config/, 'a path stays unsaid')
      }
    }
    assert.equal(complaints({ [directory]: 0o777 }).length, 2, 'the folder of two of them')
    assert.deepEqual(complaints({ [directory]: 0o1777 }), [])
    const all = { [env]: 0o666, [mail]: 0o666, [key]: 0o666, [directory]: 0o777 }
    assert.deepEqual(complaints(all, { ENVIRONMENT: 'development' }), [])
  },
)
