import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findFreePort } from './ports.ts'
import { TEST_SECRET, testDatabase } from '../test-database.ts'

const program = fileURLToPath(new URL('../../bin/freehold.js', import.meta.url))

interface ServiceEnd {
  code: number | null
  signal: NodeJS.Signals | null
}

/** The real service in a process of its own. */
export interface ServiceProcess {
  readonly url: string
  readonly pid: number
  /** Resolves when the process has exited. */
  readonly ended: Promise<ServiceEnd>
  readonly isRunning: () => boolean
  /** Its standard output and standard error. */
  readonly output: () => string
  readonly errors: () => string
  /** Sends a signal and waits for the exit. @throws Error with its output if it takes as long as a stop may */
  end(signal: NodeJS.Signals): Promise<ServiceEnd>
}

export interface LaunchOptions {
  /** The user that it runs as; only for root. */
  uid?: number
}

/** The environment for a service on the test run's own database; only tests that wait for jobs run them. */
export function onTestDatabase(): Record<string, string> {
  const { ownerUrl, tenantUrl, systemUrl } = testDatabase()
  return { DATABASE_URL: ownerUrl, DATABASE_TENANT_URL: tenantUrl, DATABASE_SYSTEM_URL: systemUrl, RUN_JOBS: 'false' }
}

/** A little longer than the process gives itself (cli/until-signal.ts). */
const END_MS = 80_000

/** Starts it on a free port, without waiting. */
export async function launchService(
  environment: Record<string, string>,
  { uid }: LaunchOptions = {},
): Promise<ServiceProcess> {
  const port = environment['PORT'] ?? String(await findFreePort())
  const child = spawn(process.execPath, [program, 'start'], {
    env: {
      PATH: process.env['PATH'],
      SECRET_KEY: TEST_SECRET,
      PUBLIC_URL: 'http://localhost:8000',
      RATE_LIMIT_ENABLED: 'false',
      SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR: '0', // all tests have one address
      LOG_FORMAT: 'json',
      EMBEDDED_POSTGRES: process.env['EMBEDDED_POSTGRES'] ?? 'bundled',
      ...environment,
      PORT: port,
    },
    cwd: '/', // no .env of the checkout
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  let [output, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const ended = new Promise<ServiceEnd>(resolve => child.once('close', (code, signal) => resolve({ code, signal })))
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid as number,
    ended,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    output: () => output,
    errors: () => errors,
    end: async signal => {
      child.kill(signal)
      const isLate = await Promise.race([ended.then(() => false), delay(END_MS, true, { ref: false })])
      if (isLate) throw new Error(`the service has not ended after ${END_MS} ms:\n${output.slice(-5000)}${errors}`)
      return ended
    },
  }
}

/** Starts it and waits until it is ready. */
export async function startServiceProcess(
  environment: Record<string, string>,
  options: LaunchOptions = {},
): Promise<ServiceProcess> {
  const service = await launchService(environment, options)
  await waitUntil(async () => {
    if (!service.isRunning()) throw new Error(`the service does not start:\n${service.errors()}${service.output()}`)
    return fetch(`${service.url}/ready`).then(
      answer => answer.ok,
      () => false,
    )
  })
  return service
}

/** Checks every 25 ms. @throws Error if the condition is still false after `timeoutMs` */
export async function waitUntil(isSo: () => boolean | Promise<boolean>, timeoutMs = 180_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !(await isSo()); await delay(25)) {
    if (Date.now() > deadline) throw new Error(`not so after ${timeoutMs} ms: ${isSo.toString()}`)
  }
}

/** The process of the embedded PostgreSQL with this data directory, if it runs. */
export function findEmbeddedPostgres(dataDir: string): number | undefined {
  const file = join(dataDir, 'postgres/data/postmaster.pid')
  if (!existsSync(file)) return undefined
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('postgres') ? pid : undefined
  } catch {
    return undefined
  }
}

export interface Client {
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ClientAnswer>
  email: string
  access_token: string
  refresh_token: string
  user_id: string
  organization_id: string
}

export interface ClientAnswer {
  status: number
  headers: Headers
  // eslint-disable-next-line typescript/no-explicit-any
  body: any
}

/** One request over the wire. */
export async function request(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<ClientAnswer> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) }
}

let serial = 0

/** A new user at a running service, owner of a new team. */
export async function signUpAt(url: string): Promise<Client> {
  const email = `client-${process.pid}-${Date.now()}-${serial++}@example.com`
  const { status, body } = await request(url, 'POST', '/api/v1/auth/signup', {
    email,
    password: 'Correct-horse-7',
    organization_name: 'Client',
  })
  if (status !== 201) throw new Error(`signup answered ${status}: ${JSON.stringify(body)}`)
  return {
    call: (method, path, payload, headers) =>
      request(url, method, path, payload, { authorization: `Bearer ${body.access_token}`, ...headers }),
    email,
    access_token: body.access_token,
    refresh_token: body.refresh_token,
    user_id: body.user.id,
    organization_id: body.organization.id,
  }
}
