import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createOwnDatabase } from './own-database.ts'
import { request, signUpAt, startServiceProcess, waitUntil } from './programs/service-process.ts'
import { TEST_SECRET } from './test-database.ts'

// The jobs of real processes, from the request to the email: in a separate database, since a worker takes every job.

const { ownerUrl, tenantUrl, systemUrl, admin } = await createOwnDatabase()
const directory = mkdtempSync(join(tmpdir(), 'freehold-worker-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const program = fileURLToPath(new URL('../bin/freehold.js', import.meta.url))
const environment = {
  PATH: process.env['PATH'] ?? '',
  SECRET_KEY: TEST_SECRET,
  PUBLIC_URL: 'http://localhost:8000',
  DATABASE_URL: ownerUrl,
  DATABASE_TENANT_URL: tenantUrl,
  DATABASE_SYSTEM_URL: systemUrl,
  DATA_DIR: directory,
}

const outbox = (): string[] => {
  const folder = join(directory, 'outbox')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(name => name.endsWith('.eml'))
    .map(name => readFileSync(join(folder, name), 'utf8'))
}
const mailsTo = (email: string): string[] => outbox().filter(mail => mail.includes(`To: ${email}`))
const askReset = (url: string, email: string) => request(url, 'POST', '/api/v1/auth/password-reset', { email })
const isReset = (mail: string) => /reset-password\?token=/.test(mail.replaceAll(/=\r?\n/g, ''))

const runCommand = (args: string[], env: Record<string, string> = {}) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: '/',
    env: { ...environment, ...env },
    encoding: 'utf8',
    timeout: 180_000,
  })
  return { status, stdout, stderr }
}

async function startWorker(env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [program, 'worker'], {
    cwd: '/',
    env: { ...environment, LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  after(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  await waitUntil(() => output.includes('works on the jobs') || child.exitCode !== null)
  return {
    ended,
    output: () => output,
    end: (signal: NodeJS.Signals) => {
      child.kill(signal)
      return ended
    },
  }
}

// Red when: serve.ts does not start the jobs.
test('the service sends the emails that its requests cause', async t => {
  const service = await startServiceProcess({ ...environment, RUN_JOBS: 'true' })
  t.after(() => service.end('SIGKILL'))
  const { email } = await signUpAt(service.url)
  await askReset(service.url, email)
  await waitUntil(() => mailsTo(email).some(isReset))
  assert.deepEqual(await service.end('SIGTERM'), { code: 0, signal: null })
  assert.equal(service.errors(), '')
})

// Red when: the worker does not react to the signal, or the service runs jobs in spite of RUN_JOBS=false.
test('a service with RUN_JOBS=false leaves the jobs to a worker, which stops gracefully', async t => {
  const service = await startServiceProcess({ ...environment, RUN_JOBS: 'false' })
  t.after(() => service.end('SIGKILL'))
  const { email } = await signUpAt(service.url)
  await askReset(service.url, email)
  await delay(2000)
  assert.deepEqual(mailsTo(email), [])
  assert.match(runCommand(['jobs']).stdout, /^mail: [1-9]\d* waiting, 0 running$/m)

  const worker = await startWorker()
  await waitUntil(() => mailsTo(email).some(isReset))
  assert.equal(mailsTo(email).filter(isReset).length, 1)
  const signalled = Date.now()
  assert.equal(await worker.end('SIGINT'), 0, worker.output())
  assert.ok(Date.now() - signalled < 60_000)
  await waitUntil(() => /^mail: 0 waiting, 0 running$/m.test(runCommand(['jobs']).stdout))
})

// Red when: `freehold jobs` does not print the ids, or retry leaves the jobs where they are.
test('an operator sees the emails that could not be sent, and retries them', async t => {
  const service = await startServiceProcess({ ...environment, RUN_JOBS: 'false' })
  t.after(() => service.end('SIGKILL'))
  const { email } = await signUpAt(service.url)
  await admin.query(`update freehold_jobs.job set retry_limit = 0 where state = 'created' and name = 'mail'`)
  // Nothing listens there.
  const lost = await startWorker({ SMTP_URL: 'smtp://127.0.0.1:1', FROM_EMAIL: 'shop@example.com' })
  await waitUntil(() => /^dead: 1 waiting/m.test(runCommand(['jobs']).stdout))
  assert.equal(await lost.end('SIGTERM'), 0)
  assert.match(runCommand(['doctor']).stdout, /FAULT jobs\n {6}- 1 job has failed for good: `freehold jobs dead`/)
  const listed = runCommand(['jobs', 'dead'])
  assert.equal(listed.status, 0)
  const [id, queue, , data, reason] = listed.stdout.trim().split('  ')
  assert.deepEqual([queue, Object.keys(JSON.parse(data!) as object)], ['mail', ['token_id']])
  assert.match(reason!, /\w/)
  assert.ok(!listed.stdout.includes(email))

  assert.equal(runCommand(['jobs', 'retry']).status, 2)
  assert.equal(runCommand(['jobs', 'retry', 'everything']).status, 2)
  assert.equal(runCommand(['jobs', 'retry', crypto.randomUUID()]).status, 1)
  const retried = runCommand(['jobs', 'retry', id!])
  assert.deepEqual([retried.status, retried.stdout], [0, '1 job is tried again\n'])
  const worker = await startWorker()
  await waitUntil(() => mailsTo(email).length === 1)
  assert.equal(await worker.end('SIGTERM'), 0)
  assert.equal(runCommand(['jobs', 'dead']).stdout, '')
})

test('a worker that finds no queue, or no database, says what to do', async () => {
  const { status, stderr } = runCommand(['worker'], { DATABASE_SCHEMA: 'elsewhere' })
  assert.equal(status, 1)
  assert.match(stderr, /freehold migrate apply/)
  await admin.query('alter schema freehold_jobs rename to hidden_jobs')
  const hidden = runCommand(['worker'])
  await admin.query('alter schema hidden_jobs rename to freehold_jobs')
  assert.match(hidden.stderr, /the job queue's schema freehold_jobs is not there: run `freehold migrate apply`/)
  assert.equal(runCommand(['worker', '--all']).status, 2)
})
