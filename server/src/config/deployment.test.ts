import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from './config.ts'
import { assertFault, faultsOf, load, makeDirectory, production } from '../../test/environments.ts'
import type { Environment } from '../../test/environments.ts'

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

// Red when: listDoubts does not look at PUBLIC_URL, or warns of a development or of a service without TLS before it.
test('a deployment behind TLS that trusts no proxy is warned', () => {
  const warningsOf = (settings: Environment) => load({ ...production, ...settings }).warnings.join()
  assert.match(warningsOf({ TRUSTED_PROXIES: '' }), /^TRUSTED_PROXIES is empty, although PUBLIC_URL is https/)
  assert.equal(warningsOf({}), '')
  assert.equal(warningsOf({ TRUSTED_PROXIES: '', PUBLIC_URL: 'http://localhost:8000' }), '')
  assert.deepEqual(load({ PUBLIC_URL: 'https://api.example.com' }).warnings, [])
})
