import assert from 'node:assert/strict'
import { Agent, request as httpRequest } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { findFreePort } from './programs/ports.ts'
import { needs } from './programs/programs.ts'
import { readDeployed, startCaddy, startNginx } from './programs/proxies.ts'
import { onTestDatabase, signUpAt, startServiceProcess, waitUntil } from './programs/service-process.ts'

interface Answer {
  status: number
  connection: string | undefined
  text: string
}

/** One request; a broken connection is status 0. */
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

// Red when: serve.ts does not drain, /ready does not check for it, or closing.ts leaves the field out of responses.
test(
  'after SIGTERM /ready answers 503, and everything is served until the time is over',
  { timeout: 300_000 },
  async t => {
    const service = await startServiceProcess({ ...onTestDatabase(), DRAIN_SECONDS: '10' })
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
    await waitUntil(async () => (ready = await ask(new Agent(), `${service.url}/ready`, 'GET')).status !== 200, 8000)
    assert.equal(ready?.status, 503)
    assert.equal(JSON.parse(ready.text).code, 'shutting-down')
    for (const [index, agent] of [...idle, new Agent({ keepAlive: true })].entries()) {
      const answer = await ask(agent, `${service.url}/api/v1/projects`, 'POST', { name: `Drained ${index}` }, headers)
      assert.deepEqual([answer.status, answer.connection], [201, 'close'], answer.text)
      agent.destroy()
    }
    assert.equal((await ask(new Agent(), `${service.url}/health`, 'GET')).status, 200, 'it is still running')
    await delay(Math.max(0, 5000 - (Date.now() - signalled)))
    assert.ok((await ask(new Agent(), `${service.url}/api/v1/projects`, 'GET', undefined, headers)).status === 200)
    assert.deepEqual(await ended, { code: 0, signal: null })
    const took = Date.now() - signalled
    assert.ok(took > 9900 && took < 60_000, `${took} ms`)
  },
)

// Red when: the HTTP server's own method closes the listener, or responses still close their connections at that time.
for (const proxy of ['nginx', 'caddy'] as const)
  test(
    `no POST is lost or done twice while a process behind ${proxy} is replaced`,
    { timeout: 300_000, ...needs(proxy, ...(proxy === 'nginx' ? ['openssl'] : [])) },
    async t => {
      const [plain, port, first, second] = (await Promise.all(Array.from({ length: 4 }, findFreePort))) as [
        number,
        number,
        number,
        number,
      ]
      const ports = [first, second]
      const names = { 8001: first, 8002: second }
      const settings = { ...onTestDatabase(), DRAIN_SECONDS: '2', TRUSTED_PROXIES: '127.0.0.1', LOG_LEVEL: 'warn' }
      const start = (own: number) => startServiceProcess({ ...settings, PORT: String(own) })
      const services = await Promise.all(ports.map(start))
      t.after(() => Promise.all(services.map(service => service.end('SIGKILL'))))
      const log =
        proxy === 'nginx'
          ? await startNginx(readDeployed('nginx-site.conf', { ...names, 80: plain, 443: port }), port)
          : await startCaddy(readDeployed('Caddyfile', names).replace(/^api\.example\.com /m, `http://:${port} `), port)
      const client = await signUpAt(services[0]!.url)
      const headers = { authorization: `Bearer ${client.access_token}`, host: 'api.example.com' }
      const options = { keepAlive: true, maxSockets: 12 }
      const agent = proxy === 'nginx' ? new SecureAgent(options) : new Agent(options)
      const url = `${proxy === 'nginx' ? 'https' : 'http'}://127.0.0.1:${port}/api/v1/projects`

      const outcomes: Record<string, number> = {}
      const over = new AbortController()
      const load = Array.from({ length: 12 }, async () => {
        while (!over.signal.aborted) {
          const { status, text } = await ask(agent, url, 'POST', { name: `Posted ${crypto.randomUUID()}` }, headers)
          const outcome = status === 201 ? '201' : `${status} ${text.slice(0, 200)}`
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
          await delay(20) // hundreds a second are enough, and other tests need the machine too
        }
      })
      await waitUntil(() => (outcomes['201'] ?? 0) > 200)
      for (const [index, own] of (proxy === 'nginx' ? ports : [first]).entries()) {
        assert.deepEqual(await services[index]!.end('SIGTERM'), { code: 0, signal: null })
        services[index] = await start(own)
        await delay(2000) // as the unit does
      }
      over.abort()
      await Promise.all(load)
      agent.destroy()
      t.diagnostic(JSON.stringify(outcomes))
      assert.deepEqual(Object.keys(outcomes), ['201'], log())
      const { body } = await client.call('GET', '/api/v1/projects?include_total=true')
      assert.equal(body.total, outcomes['201'])
    },
  )
