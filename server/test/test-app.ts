import { after } from 'node:test'
import pg from 'pg'
import { pino } from 'pino'
import { features as ownFeatures } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import type { Feature } from '../src/platform/feature.ts'
import { loadSigningKeys } from '../src/platform/gate/signing-keys.ts'
import { createAccessTokens } from '../src/platform/gate/access-tokens.ts'
import type { AccessTokens } from '../src/platform/gate/access-tokens.ts'
import { createApp } from '../src/app.ts'
import { createPasswords } from '../src/identity/passwords/passwords.ts'
import type { Passwords } from '../src/identity/passwords/passwords.ts'
import { loadConfig } from '../src/config/config.ts'
import { openDatabase } from '../src/platform/database/database.ts'
import { systemFor } from '../src/platform/database/runners.ts'
import type { Database } from '../src/platform/database/database.ts'
import type { App } from '../src/platform/http/route.ts'
import type { Services } from '../src/platform/services.ts'
import { createServices } from '../src/services.ts'
import { serializers } from '../src/platform/server/logging.ts'
import { checkAnswer } from './documents/check-answer.ts'
import { TEST_SECRET, testDatabase } from './test-database.ts'
import { createMailTo } from './test-mail.ts'
import type { MailTo } from './test-mail.ts'

export interface Answer {
  status: number
  headers: Record<string, string>
  /** Parsed JSON, or the text. */
  // eslint-disable-next-line typescript/no-explicit-any
  body: any
  text: string
}

export interface Person {
  email: string
  password: string
  user_id: string
  organization_id: string
  access_token: string
  refresh_token: string
  /** A request with this user's access token. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

export interface TestApp {
  app: App
  services: Services
  database: Database
  tokens: AccessTokens
  /** The log lines written so far, as text. */
  logged(): string
  /** What passwords have cost: the number of hashes, and how many of them verified a guess for an account. */
  work: { hashes: number; guesses: number }
  /** A superuser's connection pool with the schema on its path; no policy applies to it. */
  admin: pg.Pool
  /** The emails that the worker would have sent to an address by now, newest last; each once. */
  mailTo: MailTo
  /** One request through the whole app; every response is checked against the OpenAPI document. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** A new user; with a name, the owner of a new team of that name. */
  signUp(organization_name?: string): Promise<Person>
  /** The same user in another organization, or after a change of role. */
  logIn(person: Person, organization_id?: string): Promise<Person>
  /** Marks the user's address as verified. */
  verify(person: Person): Promise<void>
  /** Makes the user a member of the owner's organization, as if an invitation had been accepted. */
  join(owner: Person, person: Person, role: 'owner' | 'admin' | 'member' | 'viewer'): Promise<void>
  /** A new user in that owner's team. */
  addMember(owner: Person, role: 'owner' | 'admin' | 'member' | 'viewer'): Promise<Person>
}

export const PASSWORD = 'Correct-horse-7'

/** The product's own hashing with a small memory and one pass: thousands of users sign up in the tests. */
const CHEAP = { memoryCost: 64, timeCost: 1, parallelism: 1 }

let serial = 0

/**
 * The product, optionally with additional features, on the test run's database, without a socket. `settings` are
 * environment variables.
 */
export async function createTestApp(
  settings: Record<string, string> = {},
  features: readonly Feature[] = ownFeatures,
): Promise<TestApp> {
  const urls = testDatabase()
  const config = loadConfig({
    SECRET_KEY: TEST_SECRET,
    DATABASE_URL: urls.ownerUrl,
    DATABASE_TENANT_URL: urls.tenantUrl,
    DATABASE_SYSTEM_URL: urls.systemUrl,
    DATABASE_POOL_SIZE: '6',
    RATE_LIMIT_ENABLED: 'false',
    SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR: '0', // all tests have one address
    PUBLIC_URL: 'http://localhost:8000',
    // A provider that is not contacted before a browser comes back from it.
    GITHUB_CLIENT_ID: 'Test-client',
    GITHUB_CLIENT_SECRET: 'Test-client-secret',
    SOCIAL_REDIRECTS: 'https://app.example.com',
    ...settings,
  })
  const database = openDatabase({
    ...config.database,
    tenantUrl: config.database.tenantUrl!,
    systemUrl: config.database.systemUrl!,
    onError: () => {},
  })
  const keys = await loadSigningKeys(systemFor(database, 'signing-keys'), config.secretKey, config.jwtAlgorithm)
  const tokens = createAccessTokens({ issuer: config.publicUrl, accessTokenSeconds: config.accessTokenSeconds })
  tokens.useKeys(keys)
  const lines: string[] = []
  const log = pino({ level: 'debug', serializers }, { write: line => void lines.push(line) })
  const work = { hashes: 0, guesses: 0 }
  const made = await createServices({
    config,
    declared: declare(features),
    log,
    accessTokens: tokens,
    signingKeys: () => keys,
  })
  const services = { ...made, passwords: countWork(await createPasswords(CHEAP), work) }
  const app = await createApp(services, database)
  await app.ready()
  const admin = new pg.Pool({
    connectionString: Object.assign(new URL(urls.adminUrl), { pathname: new URL(config.database.url!).pathname }).href,
    options: '-c search_path=freehold',
    max: 2,
  })

  after(async () => {
    await app.close()
    await database.close()
    await admin.end()
  })

  const call: TestApp['call'] = async (method, path, body, headers = {}) => {
    const response = await app.inject({
      method: method as 'GET',
      url: path,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const isJson = /json/.test(String(response.headers['content-type']))
    const answer = {
      status: response.statusCode,
      headers: response.headers as Record<string, string>,
      body: isJson ? response.json() : response.body,
      text: response.body,
    }
    await checkAnswer(app, method, path, answer)
    return answer
  }

  const personOf = (email: string, { body }: Answer): Person => ({
    email,
    password: PASSWORD,
    user_id: body.user.id,
    organization_id: body.organization?.id,
    access_token: body.access_token,
    refresh_token: body.refresh_token,
    call: (method, path, payload, headers = {}) =>
      call(method, path, payload, { authorization: `Bearer ${body.access_token}`, ...headers }),
  })

  const expect = (answer: Answer, status: number): Answer => {
    if (answer.status !== status) throw new Error(`expected ${status}, got ${answer.status}: ${answer.text}`)
    return answer
  }

  const test: TestApp = {
    app,
    services,
    database,
    tokens,
    logged: () => lines.join(''),
    work,
    admin,
    mailTo: createMailTo(services, database, admin),
    call,
    signUp: async organization_name => {
      const email = `person-${process.pid}-${Date.now()}-${serial++}@example.com`
      const body = { email, password: PASSWORD, ...(organization_name === undefined ? {} : { organization_name }) }
      return personOf(email, expect(await call('POST', '/api/v1/auth/signup', body), 201))
    },
    logIn: async ({ email, password }, organization_id) =>
      personOf(
        email,
        expect(
          await call('POST', '/api/v1/auth/login', { email, password, ...(organization_id && { organization_id }) }),
          200,
        ),
      ),
    verify: async ({ user_id }) => {
      await admin.query('update users set email_verified_at = now() where id = $1', [user_id])
    },
    // In one statement: an invitation would take four requests and an email in every test that needs a member.
    join: async ({ organization_id }, { user_id }, role) => {
      await admin.query(
        `with verified as (update users set email_verified_at = now() where id = $2 and email_verified_at is null)
        insert into memberships (organization_id, user_id, role) values ($1, $2, $3)
        on conflict (organization_id, user_id) do update set role = excluded.role, deleted_at = null`,
        [organization_id, user_id, role],
      )
    },
    addMember: async (owner, role) => {
      const person = await test.signUp()
      await test.join(owner, person, role)
      return test.logIn(person, owner.organization_id)
    },
  }
  return test
}

/** The product's own hashing, counted. */
const countWork = (passwords: Passwords, work: TestApp['work']): Passwords => ({
  load: passwords.load,
  hash: password => {
    work.hashes++
    return passwords.hash(password)
  },
  verify: (stored, password) => {
    work.hashes++
    if (typeof stored === 'string') work.guesses++
    return passwords.verify(stored, password)
  },
  renew: async (stored, password) => {
    const renewed = await passwords.renew(stored, password)
    if (renewed !== undefined) work.hashes++
    return renewed
  },
})
