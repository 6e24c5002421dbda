import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { namesOf, variableList } from './sources.ts'
import { loadConfig } from './config.ts'
import type { Config } from './config.ts'
import { assertFault, faultsOf, load, makeDirectory, oidc, production, secretKey } from '../../test/environments.ts'
import type { Environment } from '../../test/environments.ts'

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
        lanes: 4,
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

// Red when: `ignored` or `later` has no effect, or false counts as use.
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
