import assert from 'node:assert/strict'
import { Agent, request as httpRequest } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { findFreePort } from './pgbouncer.ts'
import { needs } from './programs.ts'
import { readDeployed, startNginx } from './proxies.ts'
import { onTestDatabase, signUpAt, startServiceProcess, waitUntil } from './service-process.ts'

interface Answer {
  status: number
  connection: string | undefined
  text: string
}

/** One request; a connection that breaks is status 0. */
const ask = (agent: Agent, url: string, method: string, body?: object, headers = {}): Promise<Answer> =>
  new Promise(resolve => {
    const send = url.startsWith('https:') ? secureRequest : httpRequest
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const sent = send(url, { agent, method, headers: { ...type, ...headers }, rejectUnauthorized: false })
    sent.on('error', (error: NodeJS.ErrnoException) => resolve({ status: 0, connection: '', text: String(error.code) }))
    sent.on('response', answer => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('close', () =>
        resolve({ status: answer.complete ? answer.statusCode! : 0, connection: answer.headers.connection, text }),
      )
    })
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })

// Red when: serve.ts does not drain, /ready does not ask, or closing.ts leaves the field out of answers.
test(
  'from SIGTERM on /ready answers 503, and everything is served until the time is over',
  { timeout: 60_000 },
  async t => {
    const service = await startServiceProcess({ ...onTestDatabase(), DRAIN_SECONDS: '2' })
    t.after(() => service.end('SIGKILL'))
    const client = await signUpAt(service.url)
    const headers = { authorization: `Bearer ${client.access_token}` }
    const idle = Array.from({ length: 2 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
    for (const agent of idle) {
      const { status, connection } = await ask(agent, `${service.url}/ready`, 'GET')
      assert.deepEqual([status, connection], [200, 'keep-alive'])
    }

    const signalled = Date.now()
    const ended = service.end('SIGTERM')
    let ready: Answer | undefined
    await waitUntil(async () => (ready = await ask(new Agent(), `${service.url}/ready`, 'GET')).status !== 200, 1000)
    assert.equal(ready?.status, 503)
    assert.equal(JSON.parse(ready.text).code, 'shutting-down')
    for (const [index, agent] of [...idle, new Agent({ keepAlive: true })].entries()) {
      const answer = await ask(agent, `${service.url}/api/v1/projects`, 'POST', { name: `Drained ${index}` }, headers)
      assert.deepEqual([answer.status, answer.connection], [201, 'close'], answer.text)
      agent.destroy()
    }
    assert.equal((await ask(new Agent(), `${service.url}/health`, 'GET')).status, 200, 'it is alive')
    await delay(Math.max(0, 1700 - (Date.now() - signalled)))
    assert.ok((await ask(new Agent(), `${service.url}/api/v1/projects`, 'GET', undefined, headers)).status === 200)
    assert.deepEqual(await ended, { code: 0, signal: null })
    const took = Date.now() - signalled
    assert.ok(took > 1900 && took < 8000, `${took} ms`)
  },
)

// Red when: the listener closes by the method of the HTTP server, or while a proxy opens a connection for every request.
test(
  'no POST is lost or done twice while two processes behind nginx are replaced one after the other',
  { timeout: 120_000, ...needs('nginx', 'openssl') },
  async t => {
    const [http, https, ...ports] = await Promise.all(Array.from({ length: 4 }, findFreePort))
    const settings = { ...onTestDatabase(), DRAIN_SECONDS: '3', TRUSTED_PROXIES: '127.0.0.1', LOG_LEVEL: 'warn' }
    const start = (port: number) => startServiceProcess({ ...settings, PORT: String(port) })
    const services = await Promise.all(ports.map(start))
    t.after(() => Promise.all(services.map(service => service.end('SIGKILL'))))
    const names = { 80: http!, 443: https!, 8001: ports[0]!, 8002: ports[1]! }
    const nginx = await startNginx(readDeployed('nginx-site.conf', names), https!)
    const client = await signUpAt(services[0]!.url)
    const headers = { authorization: `Bearer ${client.access_token}`, host: 'api.example.com' }
    const agent = new SecureAgent({ keepAlive: true, maxSockets: 12 })

    const outcomes: Record<string, number> = {}
    let isOver = false
    const load = Array.from({ length: 12 }, async () => {
      while (!isOver) {
        const body = { name: `Posted ${crypto.randomUUID()}` }
        const { status, text } = await ask(agent, `https://127.0.0.1:${https}/api/v1/projects`, 'POST', body, headers)
        const outcome = status === 201 ? '201' : `${status} ${text.slice(0, 200)}`
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      }
    })
    await waitUntil(() => (outcomes['201'] ?? 0) > 200)
    for (const [index, port] of ports.entries()) {
      assert.deepEqual(await services[index]!.end('SIGTERM'), { code: 0, signal: null })
      services[index] = await start(port)
      await delay(500)
    }
    isOver = true
    await Promise.all(load)
    agent.destroy()
    t.diagnostic(`${JSON.stringify(outcomes)}\n${nginx.log()}`)
    assert.deepEqual(Object.keys(outcomes), ['201'], nginx.log())
    const total = (await client.call('GET', '/api/v1/projects?include_total=true')) as { body: { total: number } }
    assert.equal(total.body.total, outcomes['201'])
  },
)
