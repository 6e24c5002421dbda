import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from './config.ts'
import { assertFault, load, makeDirectory, production } from '../../test/environments.ts'
import type { Environment } from '../../test/environments.ts'

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

// Red when: smtpUrl lets a query or path pass, or does not look at the scheme.
test('a mail server is named by scheme, login, host and port, and nothing that could weaken TLS', () => {
  const mail = (SMTP_URL: string) => ({ SMTP_URL, FROM_EMAIL: 'a@b.test' })
  assert.equal(load(mail('smtps://u:p%2F@mail.test:465')).mail.smtpUrl, 'smtps://u:p%2F@mail.test:465')
  assertFault(mail('smtp://mail.test?ignoreTLS=true'), /^SMTP_URL: has more than host and port; accepted: smtp/)
  assertFault(mail('smtp://mail.test/path'), /^SMTP_URL: has more than host and port/)
  assertFault(mail('smtp://u:50%@mail.test'), /^SMTP_URL: has a % that does not begin an escape/)
  assertFault(mail('mail.test:25'), /^SMTP_URL: is not an smtp:\/\/ or smtps:\/\/ URL/)
})
