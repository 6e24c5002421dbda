import assert from 'node:assert/strict'
import type { lookup } from 'node:dns'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createSocketServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { after, test } from 'node:test'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { createBentProvider } from '../../../test/browsers/bent-provider.ts'
import { openTestApp } from '../../../test/browsers/provider-browser.ts'
import { importsOf, placesOf, readProduct } from '../../../tools/code/source.ts'
import { isPublicAddress, networkTest } from '../addresses.ts'
import { OutboundError, send } from './outbound.ts'
import type { OutboundRequest } from './outbound.ts'

const SEED = 20_261_128

/** A server on loopback that answers as it is told, and what it was asked. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const asked: IncomingMessage[] = []
  const server = createServer({ maxHeaderSize: 64 * 1024 }, (request, response) => {
    asked.push(request)
    response.on('error', () => {})
    answer(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

const ask = (url: string, options: Partial<OutboundRequest> = {}) => send(url, { to: 'operator', ...options })

test('a request arrives as it was given, without a wish for compression, and its answer comes back whole', async () => {
  const { url, asked } = await serve((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    request.on('end', () =>
      response.writeHead(201, { 'x-a': '1', 'set-cookie': ['a=1', 'b=2'] }).end(`${request.method} ${text}`),
    )
  })
  const headers = { 'content-type': 'text/plain', 'accept-encoding': 'br, gzip', authorization: 'Bearer x' }
  const answer = await ask(`${url}/a?b=c`, { method: 'POST', headers, body: 'grüße' })
  assert.deepEqual([answer.status, answer.headers.get('x-a'), await answer.text()], [201, '1', 'POST grüße'])
  assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'])
  const { headers: sent, url: path } = asked[0]!
  assert.deepEqual([path, sent['accept-encoding'], sent['authorization']], ['/a?b=c', 'identity', 'Bearer x'])
  const bytes = await ask(url, { method: 'PUT', body: new Uint8Array([1, 2, 3]) })
  assert.equal(await bytes.text(), 'PUT \u0001\u0002\u0003')
  for (const status of [204, 304]) {
    const empty = await serve((_request, response) => void response.writeHead(status).end())
    assert.deepEqual([(await ask(empty.url)).status, await (await ask(empty.url)).text()], [status, ''])
  }
})

// Red when: readAnswer looks at no Content-Encoding, or fetch sends the request (it unpacks whatever comes).
test('an encoded answer is refused before any of its body is there', async () => {
  const encodings: [string, Buffer][] = [
    ['br', brotliCompressSync(Buffer.from('{}'))],
    ['gzip', gzipSync(Buffer.from('{}'))],
    ['deflate', Buffer.from('x')],
    ['zstd', Buffer.from('x')],
    ['aws-chunked', Buffer.from('{}')],
    ['gzip, br', Buffer.from('x')],
    ['', Buffer.from('{}')],
  ]
  for (const [encoding, body] of encodings) {
    // The head alone: nothing that could be unpacked has been sent when it is refused.
    const { url } = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': encoding, 'content-length': body.length })
      response.flushHeaders()
    })
    // Otherwise it would wait for the body, until its time is over.
    await assert.rejects(ask(url), {
      name: 'OutboundError',
      message: 'the response is compressed, although no compression was requested',
    })
  }
})

// Red when: maxBytes is compared with nothing.
test('an answer has its size, whatever it says of itself', async () => {
  let sent = 0
  const endless = await serve((_request, response) => {
    const more = () => {
      do sent += 65_536
      while (!response.destroyed && response.write('x'.repeat(65_536)))
    }
    response.on('drain', more)
    more()
  })
  await assert.rejects(ask(endless.url, { maxBytes: 100_000 }), { message: 'the response is too long' })
  assert.ok(sent < 8_000_000, `${sent} bytes were taken`)
  const announced = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': 100_001 })
    response.flushHeaders()
  })
  await assert.rejects(ask(announced.url, { maxBytes: 100_000 }), { message: 'the response is too long' })
  const whole = await serve((_request, response) => void response.end('x'.repeat(100_000)))
  assert.equal((await (await ask(whole.url, { maxBytes: 100_000 })).text()).length, 100_000)
  const headers = await serve((_request, response) => void response.writeHead(200, { 'x-a': 'a'.repeat(20_000) }).end())
  await assert.rejects(ask(headers.url), { code: 'HPE_HEADER_OVERFLOW' })
})

// Red when: `time` ends the head of the answer only.
test('an answer has its time, to the last byte', async () => {
  const slow: ((response: ServerResponse) => void)[] = [
    () => {},
    response => response.flushHeaders(),
    response => {
      const timer = setInterval(() => response.write('x'), 30)
      response.on('close', () => clearInterval(timer))
    },
    response => {
      const timer = setInterval(() => response.writeEarlyHints({ link: '</a>; rel=preload' }), 30)
      response.on('close', () => clearInterval(timer))
    },
  ]
  for (const [index, answer] of slow.entries()) {
    const { url } = await serve((_request, response) => answer(response))
    const began = performance.now()
    await assert.rejects(ask(url, { timeoutMs: 200 }), /did not answer within 0\.2 s/, String(index))
    assert.ok(performance.now() - began < 30_000, String(index))
  }
  const { url } = await serve(() => {})
  await assert.rejects(ask(url, { signal: AbortSignal.timeout(50) }), { name: 'AbortError' })
})

// Red when: the request is sent by something that follows redirects.
test('a redirect is an answer like any other', async () => {
  const target = await serve((_request, response) => void response.end('secret'))
  for (const status of [301, 302, 303, 307, 308]) {
    const { url } = await serve(
      (_request, response) => void response.writeHead(status, { location: target.url }).end('moved'),
    )
    const answer = await ask(url, { method: 'POST', body: 'code' })
    assert.deepEqual([answer.status, await answer.text()], [status, 'moved'])
  }
  assert.deepEqual(target.asked, [])
})

test('nothing travels in the clear, with a name in its address, or by another protocol', async () => {
  for (const address of ['http://provider.example.com/', 'ftp://localhost/', 'file:///etc/passwd', 'ws://localhost/'])
    await assert.rejects(ask(address), { name: 'OutboundError', message: /is not https$/ }, address)
  await assert.rejects(ask('https://user:secret@example.com/'), (error: Error) => {
    assert.ok(error instanceof OutboundError)
    assert.doesNotMatch(error.message, /secret/)
    return true
  })
})

const byte = fc.integer({ min: 0, max: 255 })
const tail = fc.tuple(byte, byte, byte).map(bytes => bytes.join('.'))
/** Addresses within a machine, a network, or a cloud, and in clothes of IPv6. */
const privateAddress = fc.oneof(
  fc.tuple(fc.constantFrom('10', '127', '0', '240', '255'), tail).map(([first, rest]) => `${first}.${rest}`),
  fc
    .tuple(fc.constantFrom('192.168', '169.254', '198.18', '172.16', '172.31'), byte, byte)
    .map(parts => parts.join('.')),
  fc.tuple(fc.integer({ min: 64, max: 127 }), byte, byte).map(parts => `100.${parts.join('.')}`),
  fc.constantFrom(
    '::1',
    '::',
    'fe80::1',
    'fc00::1',
    'fd12:3456::1',
    'ff02::1',
    '64:ff9b::a00:1',
    '2002:a00:1::',
    '2001::1',
  ),
  fc.tuple(byte, byte).map(parts => `::ffff:10.0.${parts.join('.')}`),
)
const publicAddress = fc.oneof(
  fc.tuple(fc.constantFrom('8', '1', '93', '203'), tail).map(([first, rest]) => `${first}.${rest}`),
  fc.constantFrom('2606:4700::1111', '2a00:1450:4001::1', '::ffff:8.8.8.8'),
)
const nowhere = networkTest([])

// Red when: a network is taken off the list in addresses.ts, or an address in a URL is not looked at.
test('an address of someone else’s choice leads to the public Internet only, in whatever spelling', async () => {
  fc.assert(
    fc.property(publicAddress, address => {
      fc.pre(!address.startsWith('203.0.113.'))
      assert.equal(isPublicAddress(address), true, address)
    }),
    { seed: SEED },
  )
  await fc.assert(
    fc.asyncProperty(privateAddress, async address => {
      assert.equal(isPublicAddress(address), false, address)
      const url = `https://${address.includes(':') ? `[${address}]` : address}:1/`
      await assert.rejects(send(url, { to: { isAllowed: nowhere } }), /leads to a private address/, address)
    }),
    { seed: SEED, numRuns: 300 },
  )
  for (const spelling of ['2130706433', '0x7f.1', '127.1', '0177.0.0.1', '[::ffff:127.0.0.1]', '[0:0:0:0:0:0:0:1]'])
    await assert.rejects(send(`https://${spelling}:1/`, { to: { isAllowed: nowhere } }), /leads to a private/, spelling)
})

// Red when: pinnedLookup looks at the first address only, or looks the name up again for the connection (DNS rebinding).
test('a name is looked up once, all that it stands for is looked at, and one of these is connected to', async () => {
  const sockets: Socket[] = []
  const server = createSocketServer(socket => {
    sockets.push(socket.on('error', () => {}))
    socket.destroy()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  const { port } = server.address() as AddressInfo
  let [looked, answers]: [number, string[][]] = [0, []]
  const lookUp = ((_host: string, _options: object, callback: (error: null, found: object[]) => void) => {
    const found = answers[Math.min(looked++, answers.length - 1)]!
    callback(
      null,
      found.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }) as unknown as typeof lookup
  const reach = (networks: readonly string[]) => ({ isAllowed: networkTest(networks), lookUp })
  const tryIt = async (networks: readonly string[], given: string[][]): Promise<string> => {
    ;[looked, answers] = [0, given]
    sockets.length = 0
    return send(`https://hooks.example.com:${port}/`, { to: reach(networks), timeoutMs: 1000 }).then(
      () => 'answered',
      (error: Error) => error.message,
    )
  }
  for (const given of [
    ['127.0.0.1'],
    ['8.8.8.8', '127.0.0.1'],
    ['127.0.0.1', '8.8.8.8'],
    ['::1'],
    ['::ffff:127.0.0.1'],
  ]) {
    assert.match(await tryIt([], [given]), /^hooks\.example\.com leads to a private address/, given.join())
    assert.equal(sockets.length, 0, 'nothing is connected to')
  }
  // Allowed by the operator, and the next answer would be another machine.
  await tryIt(['127.0.0.0/8'], [['127.0.0.1'], ['127.0.0.2']])
  assert.deepEqual([sockets.length, looked], [1, 1])
})

test('whom the operator has chosen is asked wherever it is', async () => {
  const { url } = await serve((_request, response) => void response.end('here'))
  assert.equal(await (await send(url.replace('127.0.0.1', 'localhost'), { to: 'operator' })).text(), 'here')
})

// Red when: a provider's metadata is believed about where else to ask.
test('what a provider says of itself leads to no private address, unless the operator allows it', async () => {
  const [bent, internal] = [await createBentProvider(), await createBentProvider()]
  const tokenEndpoint = internal.url.replace('http:', 'https:')
  for (const [networks, asksThere] of [
    ['', false],
    ['127.0.0.0/8', true],
  ] as const) {
    const app = await openTestApp(() => ({
      OUTBOUND_NETWORKS: networks,
      OIDC_PROVIDERS: JSON.stringify([
        { name: 'bent', issuer: bent.url, client_id: bent.clientId, client_secret: bent.clientSecret },
      ]),
    }))
    bent.behave({ metadata: { token_endpoint: `${tokenEndpoint}/token` }, claims: { sub: 'x' } })
    const answer = await app.newBrowser().follow(`${app.publicUrl}/oauth/bent/initiate`)
    assert.deepEqual([answer.status, answer.body.code], [502, 'provider-failed'])
    // It speaks no TLS, so the connection alone shows that it was tried.
    assert.equal(/leads to a private address/.test(app.logged()), !asksThere, app.logged())
  }
})

// Red when: a library is given no way out of ours (customFetch): it takes the global one.
test('the libraries for sign-in go out through the one client', async () => {
  const bent = await createBentProvider()
  const app = await openTestApp(() => ({
    OIDC_PROVIDERS: JSON.stringify([
      { name: 'bent', issuer: bent.url, client_id: bent.clientId, client_secret: bent.clientSecret },
    ]),
  }))
  const email = `outbound-${process.pid}@example.com`
  bent.behave({ claims: { sub: email, email, email_verified: true }, userinfo: { email, email_verified: true } })
  const original = globalThis.fetch
  const fetched: string[] = []
  globalThis.fetch = (...given) => {
    fetched.push(new URL(given[0] instanceof Request ? given[0].url : given[0]).pathname)
    return original(...given)
  }
  try {
    const { status, text } = await app.newBrowser().follow(`${app.publicUrl}/oauth/bent/initiate`)
    assert.equal(status, 200, text)
  } finally {
    globalThis.fetch = original
  }
  // The browser's own requests, and none of the service's.
  assert.deepEqual(fetched, ['/oauth/bent/initiate', '/authorize', '/oauth/bent/callback'])
  for (const path of ['/.well-known/openid-configuration', '/token', '/jwks', '/userinfo'])
    assert.ok(bent.asked.includes(path), path)
})

/** Where a module that opens connections may be imported beside this room, each with the reason. */
const mayConnect: Readonly<Record<string, string>> = {
  'platform/addresses.ts node:net': 'what an address is',
  'config/kinds.ts node:net': 'what an address is',
  'platform/redis/redis.ts node:net': 'what an address is',
  'platform/embedded/postgres-process.ts node:net': 'whether a port of this machine is free',
  'platform/server/closing.ts node:net': 'the type of the listener, which connects to nothing',
  'platform/openapi/document-pages.ts node:http': 'the names of statuses',
  'operations/traces/tracing.ts node:http': 'the connections of the exporter of traces, which it bounds by itself',
  'operations/traces/tracing.ts node:https': 'the same, over TLS',
  'operations/metrics/worker-server.ts node:http': 'listens for scrapes, and connects to nothing',
  'cli/doctor/public-url.ts:18': 'doctor asks the service itself under its public URL, as clients do',
  'platform/mail/outbox.ts nodemailer': 'makes files of mails, and connects to nothing',
  'platform/mail/smtp.ts nodemailer': 'SMTP, whose connections it bounds by itself',
}

// Red when: a feature calls fetch, or imports node:https.
test('nothing else in the product opens a connection to elsewhere', () => {
  const found = readProduct(({ files }) =>
    files
      .filter(({ path }) => !path.startsWith('platform/outbound/'))
      .flatMap(file => [
        ...importsOf(file)
          .filter(
            ({ to, typeOnly }) =>
              !typeOnly &&
              /^(node:)?(https?|http2|net|tls|dgram|dns(\/promises)?|quic)$|^(undici|axios|got|ky|node-fetch|ws|resend|nodemailer)(\/|$)/.test(
                to,
              ),
          )
          .map(({ from, to }) => `${from} ${to}`),
        ...['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest', 'WebSocketStream'].flatMap(name =>
          placesOf(file, name),
        ),
      ]),
  )
  assert.deepEqual(
    found.filter(place => !(place in mayConnect)),
    [],
    'send() of platform/outbound/outbound.ts is the way out',
  )
  assert.deepEqual(
    Object.keys(mayConnect).filter(place => !found.includes(place)),
    [],
    'take what is not there off the list',
  )
})
