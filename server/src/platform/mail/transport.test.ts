import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createServer as createTlsServer, setDefaultCACertificates } from 'node:tls'
import { findInOutbox, listOutbox, readEml } from './outbox.ts'
import type { Message } from './render.ts'
import { MailRefused } from './refusal.ts'
import { createMailer } from './transport.ts'
import type { MailerOptions } from './transport.ts'

const message: Message = {
  to: 'ann@example.com',
  subject: 'Grüße & <b>',
  text: 'Hello\n\nhttps://api.example.com/account/sign-up?token=AAAA\n',
  html: '<!doctype html><p>Hello</p>',
}
const id = '01900000-0000-7000-8000-000000000001'
const nothing = {
  resendApiKey: undefined,
  smtpUrl: undefined,
  from: undefined,
  templates: undefined,
  defaultLocale: 'en' as const,
}

const scratch = mkdtempSync(join(tmpdir(), 'freehold-transport-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

function mailerOf(mail: Partial<Record<'resendApiKey' | 'smtpUrl' | 'from', string>>, options?: MailerOptions) {
  const config = { environment: 'production' as const, appName: 'Acme', dataDir: scratch }
  const mailer = createMailer({ ...config, mail: { ...nothing, from: 'no-reply@acme.test', ...mail } }, options)
  assert.ok(mailer)
  return mailer
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A mail server that knows the least. `answers` replaces its answer to a command; an empty one is silence. */
function speakSmtp(received: string[], answers: Record<string, string> = {}) {
  return (socket: Socket) => {
    const say = (command: string, usual: string) => {
      const answer = answers[command] ?? usual
      if (answer !== '') socket.write(`${answer}\r\n`)
    }
    let data: string | undefined
    let rest = ''
    socket.on('error', () => {})
    socket.on('data', chunk => {
      rest += chunk.toString('latin1')
      for (;;) {
        const end = rest.indexOf('\r\n')
        if (end < 0) return
        const line = rest.slice(0, end)
        rest = rest.slice(end + 2)
        if (data !== undefined) {
          if (line !== '.') data += `${line}\n`
          else {
            received.push(data)
            data = undefined
            say('.', '250 taken')
          }
          continue
        }
        const command = line.split(/[ :]/)[0]!.toUpperCase()
        received.push(line)
        if (command === 'DATA') data = ''
        if (command === 'EHLO') say('EHLO', '250-here\r\n250 AUTH PLAIN')
        else if (command === 'DATA') say('DATA', '354 go on')
        else if (command === 'AUTH') say('AUTH', '235 welcome')
        else say(command, '250 fine')
        if (command === 'QUIT') socket.end()
      }
    })
    say('greeting', '220 here')
  }
}

const smtp = async (received: string[], answers?: Record<string, string>) =>
  listen(createServer(speakSmtp(received, answers)))

// Red when: the login, the sender, or a header of `enclose` is left out.
test('a mail server gets the mail with both bodies, under the sender and a Message-ID that a retry repeats', async () => {
  const received: string[] = []
  const port = await smtp(received)
  const mailer = mailerOf({ smtpUrl: `smtp://shop:p%40ss@127.0.0.1:${port}`, from: 'Shop <no-reply@shop.test>' })
  assert.equal(mailer.kind, 'smtp')
  await mailer.send(message, id)
  await mailer.send(message, id)
  mailer.close()
  assert.ok(received.includes(`AUTH PLAIN ${Buffer.from('\0shop\0p@ss').toString('base64')}`))
  assert.ok(received.includes('MAIL FROM:<no-reply@shop.test>'))
  assert.deepEqual(
    received.filter(line => line.startsWith('RCPT')),
    ['RCPT TO:<ann@example.com>', 'RCPT TO:<ann@example.com>'],
  )
  const [eml = '', again = ''] = received.filter(line => line.includes('\n'))
  assert.match(eml, /^From: Shop <no-reply@shop\.test>$/m)
  assert.match(eml, /^To: ann@example\.com$/m)
  assert.match(eml, /^Subject: =\?UTF-8\?Q\?Gr=C3=BC=C3=9Fe_=26_=3Cb=3E\?=$/m)
  assert.match(eml, /^Auto-Submitted: auto-generated$/m)
  assert.match(eml, /^Content-Type: text\/plain; charset=utf-8$/m)
  assert.match(eml, /^Content-Type: text\/html; charset=utf-8$/m)
  for (const mail of [eml, again]) assert.match(mail, new RegExp(`^Message-ID: <${id}@shop\\.test>$`, 'm'))
})

// Red when: a fault of the server is swallowed, or its words, which repeat the address, are passed on.
test('what a mail server refuses is an error in its words, without the address', async () => {
  const answers: [Record<string, string>, RegExp][] = [
    [
      { RCPT: '450 4.2.1 <ann@example.com> try later' },
      /127\.0\.0\.1 did not accept an email: EENVELOPE: .*: 450 4\.2\.1 <\(address\)> try later$/,
    ],
    [{ RCPT: '550 5.1.1 <ann@example.com> no such user' }, /EENVELOPE: .*: 550 5\.1\.1 <\(address\)> no such user$/],
    [{ '.': '554 5.7.1 spam' }, /EMESSAGE: .*: 554 5\.7\.1 spam$/],
    [{ greeting: '421 busy' }, /421 busy$/],
    [{ AUTH: '535 5.7.8 bad login' }, /EAUTH: .*: 535 5\.7\.8 bad login$/],
  ]
  for (const [given, pattern] of answers) {
    const port = await smtp([], given)
    const mailer = mailerOf({ smtpUrl: `smtp://u:p@127.0.0.1:${port}` })
    await assert.rejects(mailer.send(message, id), (error: Error) => {
      assert.match(error.message, pattern)
      assert.doesNotMatch(error.message, /@/)
      return true
    })
  }
  const closed = createServer()
  const port = await listen(closed)
  closed.close()
  await assert.rejects(mailerOf({ smtpUrl: `smtp://127.0.0.1:${port}` }).send(message, id), /ECONNREFUSED/)
})

// Red when: isFinal knows fewer answers, or takes a refusal of the sender, the login or the relaying for one of the recipient.
test('an answer that concerns this email alone is final, and everything else is tried again', async () => {
  for (const [command, answer, isFinal] of [
    ['RCPT', '550 5.1.1 no such user', true],
    ['RCPT', '550 no such user', true],
    ['RCPT', '553 5.1.3 bad address', true],
    ['RCPT', '501 5.1.3 bad address syntax', true],
    ['.', '554 5.6.0 content refused', true],
    ['RCPT', '450 4.2.1 try later', false],
    ['RCPT', '452 4.2.2 mailbox full', false],
    ['RCPT', '552 5.2.2 mailbox full', false],
    ['RCPT', '550 5.7.1 relaying denied', false],
    ['.', '554 5.7.1 spam', false],
    ['.', '451 4.3.0 later', false],
    ['MAIL', '550 5.1.0 sender refused', false],
    ['AUTH', '535 5.7.8 bad login', false],
    ['greeting', '554 no service', false],
  ] as const) {
    const mailer = mailerOf({ smtpUrl: `smtp://u:p@127.0.0.1:${await smtp([], { [command]: answer })}` })
    await assert.rejects(mailer.send(message, id), (error: Error) => {
      assert.equal(error instanceof MailRefused, isFinal, `${command}: ${answer}: ${error.message}`)
      return true
    })
  }
})

// Red when: check() does not log in, or sends an email.
test('a mail server is asked whether it lets the service send, without an email', async () => {
  const received: string[] = []
  await mailerOf({ smtpUrl: `smtp://u:p@127.0.0.1:${await smtp(received)}` }).check()
  assert.ok(received.some(line => line.startsWith('AUTH')))
  assert.ok(!received.some(line => line.startsWith('MAIL')))
  const port = await smtp([], { AUTH: '535 5.7.8 bad login' })
  await assert.rejects(mailerOf({ smtpUrl: `smtp://u:p@127.0.0.1:${port}` }).check(), /^Error: SMTP_URL: .*535 5\.7\.8/)
  let answer: { status: number; body: object } = { status: 200, body: { data: [] } }
  const api = createHttpServer((request, response) => {
    assert.deepEqual([request.method, request.url], ['GET', '/domains'])
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body))
  })
  const resend = mailerOf({ resendApiKey: 're_key' }, { resendUrl: `http://127.0.0.1:${await listen(api)}` })
  after(() => api.closeAllConnections())
  await resend.check()
  answer = { status: 401, body: { name: 'restricted_api_key', message: 'only to send emails' } }
  await resend.check()
  answer = { status: 403, body: { name: 'invalid_api_key', message: 'API key is invalid' } }
  await assert.rejects(resend.check(), /^Error: RESEND_API_KEY: .*invalid_api_key/)
})

// Red when: socketTimeout of smtp.ts goes.
test('a mail server that falls silent is given up', async () => {
  for (const at of ['greeting', 'EHLO', 'RCPT', '.']) {
    const port = await smtp([], { [at]: '' })
    const started = performance.now()
    const mailer = mailerOf({ smtpUrl: `smtp://127.0.0.1:${port}` }, { timeoutMs: 200 })
    await assert.rejects(mailer.send(message, id), /ETIMEDOUT/, at)
    assert.ok(performance.now() - started < 30_000, at)
  }
})

// Red when: requireTLS or rejectUnauthorized is false.
test('mail travels under TLS with a certificate that is valid, unless the server is this machine', async t => {
  const received: string[] = []
  const plain = await smtp(received, { STARTTLS: '502 not here' })
  // The same loopback by a name that is none: as good as a server elsewhere.
  const elsewhere = mailerOf({ smtpUrl: `smtp://u:p@[::ffff:127.0.0.1]:${plain}` })
  await assert.rejects(elsewhere.send(message, id), /STARTTLS/)
  assert.deepEqual(
    received.filter(line => /^(AUTH|MAIL)/.test(line)),
    [],
  )

  const files = ['-keyout', join(scratch, 'key'), '-out', join(scratch, 'certificate')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2']
  try {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject], {
      stdio: 'ignore',
    })
  } catch {
    t.skip('there is no openssl to make a certificate with')
    return
  }
  const [key, cert] = ['key', 'certificate'].map(name => readFileSync(join(scratch, name), 'utf8'))
  const port = await listen(createTlsServer({ key, cert }, speakSmtp(received)))
  const mailer = mailerOf({ smtpUrl: `smtps://u:p@localhost:${port}` })
  await assert.rejects(mailer.send(message, id), /self-signed certificate/)
  assert.deepEqual(
    received.filter(line => /^(AUTH|MAIL)/.test(line)),
    [],
  )
  setDefaultCACertificates([cert!])
  await mailer.send(message, id)
  await assert.rejects(mailerOf({ smtpUrl: `smtps://127.0.0.1:${port}` }).send(message, id), /does not match/)
})

// Red when: the key of idempotency is left out, or another one at each attempt.
test('Resend gets the mail once, however often it is tried', async () => {
  const mails = new Map<string, { body: Record<string, unknown>; authorization: string | undefined }>()
  let fault: { status: number; body: object } | undefined = {
    status: 500,
    body: { name: 'application_error', message: 'for ann@example.com', statusCode: 500 },
  }
  let silent = false
  const server = createHttpServer((request, response) => {
    let text = ''
    request.on('data', chunk => (text += String(chunk)))
    request.on('end', () => {
      if (silent) return
      const key = String(request.headers['idempotency-key'])
      const answer = (status: number, body: object) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      if (fault !== undefined) answer(fault.status, fault.body)
      else if (request.method !== 'POST' || request.url !== '/emails') answer(404, { name: 'not_found', message: '' })
      else if (mails.has(key))
        answer(409, { name: 'invalid_idempotent_request', message: 'other words', statusCode: 409 })
      else {
        mails.set(key, { body: JSON.parse(text), authorization: request.headers.authorization })
        answer(200, { id: 're_1' })
      }
    })
  })
  const port = await listen(server)
  after(() => server.closeAllConnections())
  const mailer = mailerOf({ resendApiKey: 're_key' }, { resendUrl: `http://127.0.0.1:${port}`, timeoutMs: 300 })
  assert.equal(mailer.kind, 'resend')
  await assert.rejects(mailer.send(message, id), {
    message: 'Resend did not accept an email: application_error: for (address)',
  })
  fault = { status: 422, body: { name: 'validation_error', message: 'Invalid `to` field.', statusCode: 422 } }
  await assert.rejects(mailer.send(message, id), MailRefused)
  fault = { status: 422, body: { name: 'invalid_from_address', message: 'Invalid `from` field.', statusCode: 422 } }
  await assert.rejects(mailer.send(message, id), (error: Error) => !(error instanceof MailRefused))
  fault = { status: 401, body: { name: 'invalid_api_key', message: 'API key is invalid', statusCode: 401 } }
  await assert.rejects(mailer.send(message, id), /invalid_api_key/)
  fault = undefined
  silent = true
  const started = performance.now()
  await assert.rejects(mailer.send(message, id), /Resend did not accept an email/)
  assert.ok(performance.now() - started < 30_000)
  silent = false
  await mailer.send(message, id)
  await mailer.send({ ...message, subject: 'changed' }, id)
  assert.equal(mails.size, 1)
  const { body, authorization } = mails.get(id)!
  assert.equal(authorization, 'Bearer re_key')
  assert.deepEqual(body, {
    from: '"Acme" <no-reply@acme.test>',
    ...message,
    headers: {
      'Message-ID': `<${id}@acme.test>`,
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
    },
  })
})

// Red when: the outbox serves outside development, or keeps everything.
test('the outbox of development keeps the newest mails, for their owner’s eyes, as files that mail programs open', async () => {
  const config = { appName: 'Acme "Inc"\r\nBcc: x@y', dataDir: join(scratch, 'data'), mail: nothing }
  for (const environment of ['staging', 'production'] as const)
    assert.equal(createMailer({ ...config, environment }), undefined)
  const mailer = createMailer({ ...config, environment: 'development' })
  assert.equal(mailer?.kind, 'outbox')
  assert.deepEqual(await listOutbox(config.dataDir), [])
  await mailer.send(message, id)
  await mailer.send(message, id)
  const [kept, ...others] = await listOutbox(config.dataDir)
  assert.deepEqual(others, [], 'a retry replaces')
  assert.deepEqual(await findInOutbox(config.dataDir, id), kept)
  assert.equal(kept?.text, message.text)
  assert.equal(kept.from, '"Acme IncBcc: x@y" <no-reply@localhost>')
  const eml = String(await readEml(config.dataDir, id))
  assert.match(eml, /^From: "Acme IncBcc: x@y" <no-reply@localhost>$/m)
  assert.doesNotMatch(eml, /^Bcc/m)
  const folder = join(config.dataDir, 'outbox')
  assert.deepEqual(readdirSync(folder).sort(), [`${id}.eml`, `${id}.json`])
  assert.equal(statSync(folder).mode & 0o77, 0)
  assert.equal(statSync(join(folder, `${id}.eml`)).mode & 0o77, 0)
  for (let count = 0; count < 205; count++) await mailer.send(message, `mail-${count}`)
  assert.equal((await listOutbox(config.dataDir)).length, 200)
  assert.equal(readdirSync(folder).length, 400)
  assert.equal((await listOutbox(config.dataDir))[0]?.id, 'mail-204')
  assert.equal(await findInOutbox(config.dataDir, id), undefined)
})
