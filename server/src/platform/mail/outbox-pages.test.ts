import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { noBrowser, openBrowser, phone } from '../../../test/browsers/browser.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { renderMail } from './render.ts'
import { loadTemplates } from './templates.ts'
import { createMailer } from './transport.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'freehold-outbox-'))
after(() => rmSync(dataDir, { recursive: true, force: true }))

const { app, call, services } = await createTestApp({ DATA_DIR: dataDir, PUBLIC_URL: 'http://devbox.example:8000' })
const mail = {
  resendApiKey: undefined,
  smtpUrl: undefined,
  from: undefined,
  templates: undefined,
  defaultLocale: 'en',
} as const
const mailer = createMailer({ environment: 'development', appName: 'Acme', dataDir, mail })
const LINK = 'http://localhost:8000/account/sign-up?token=AAAA&x="'
const get = (path: string, headers = {}) => call('GET', path, undefined, { host: 'localhost:8000', ...headers })

async function keep(id: string, app: string): Promise<void> {
  const values = { app, home: 'x', link: LINK, expires: 'tomorrow' }
  const message = renderMail(loadTemplates(services.declared), {
    locale: 'en',
    name: 'sign-up',
    to: 'ann@example.com',
    values,
  })
  await mailer?.send(message, id)
}

// Red when: listOutbox sorts the other way round, the page shows a subject unescaped, or linksOf takes no line of the text.
test('the outbox is a page, newest first, with the links of each; each email is one more, as HTML, as text and as a file', async () => {
  assert.match((await get('/dev/mail')).text, /<p id="empty" >\s*Nothing has been sent yet/)
  await keep('older', 'Acme')
  await keep('newer', '<script>Hooli')
  const list = await get('/dev/mail')
  assert.equal(list.status, 200)
  assert.deepEqual(
    [...list.text.matchAll(/"\/dev\/mail\/(\w+)"/g)].map(([, id]) => id),
    ['newer', 'older'],
  )
  assert.doesNotMatch(list.text, /<script>Hooli/)
  assert.equal(list.text.split('token=AAAA&#38;x=&#34;" target="_blank">/account/sign-up</a>').length, 3)

  const page = await get('/dev/mail/newer')
  assert.match(page.text, /<h1>Finish signing up for &#60;script&#62;Hooli<\/h1>/)
  assert.match(page.text, /to ann@example\.com/)
  assert.match(page.text, /<pre>Hello,\n\nSomeone, hopefully you, is signing up for &#60;script&#62;Hooli/)
  assert.match(
    page.text,
    /<a href="http:\/\/localhost:8000\/account\/sign-up\?token=AAAA&#38;x=&#34;" target="_blank">/,
  )
  assert.match(
    page.text,
    /<iframe\s+src="\/dev\/mail\/newer\/html"[^>]*sandbox="allow-popups allow-popups-to-escape-sandbox"/,
  )

  const eml = await get('/dev/mail/older/eml')
  assert.equal(eml.headers['content-type'], 'message/rfc822')
  assert.match(eml.text, /^Subject: Finish signing up for Acme$/m)
})

// Red when: one of these headers is left as it is for the API.
test('a mail’s HTML runs nothing, loads nothing, is framed by our page only, and is never stored', async () => {
  await keep('framed', 'Acme')
  const frame = await get('/dev/mail/framed/html')
  assert.match(frame.text, /<head><base target="_blank">/)
  assert.equal(
    frame.headers['content-security-policy'],
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox",
  )
  assert.equal(frame.headers['x-frame-options'], 'SAMEORIGIN')
  for (const path of ['', '/framed', '/framed/html', '/framed/eml'])
    assert.equal((await get(`/dev/mail${path}`)).headers['cache-control'], 'no-store', path)
  const { headers } = await get('/dev/mail/framed')
  assert.match(headers['content-security-policy']!, /^default-src 'none'; .*frame-ancestors 'none'; frame-src 'self'$/)
})

// Red when: tagOfOutbox does not depend on the files, or the route ignores If-None-Match.
test('a request with the tag of the list gets it only when an email has arrived', async () => {
  const { headers } = await get('/dev/mail')
  const tag = { 'if-none-match': headers['etag']! }
  const same = await get('/dev/mail', tag)
  assert.deepEqual([same.status, same.text], [304, ''])
  await keep('later', 'Acme')
  assert.equal((await get('/dev/mail', tag)).status, 200)
})

// Red when: requireOwnName lets every name pass, or looks at X-Forwarded-Host.
test('only the names of this machine and of PUBLIC_URL lead there', async () => {
  await keep('named', 'Acme')
  for (const host of [
    'localhost',
    'localhost:3000',
    '127.0.0.1:8000',
    '[::1]:8000',
    'app.localhost',
    'devbox.example:8000',
  ])
    assert.equal((await get('/dev/mail/named', { host })).status, 200, host)
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    'devbox.example',
    '127.0.0.1.evil.example',
    'a@localhost',
    '/',
  ])
    for (const path of ['', '/named', '/named/html', '/named/eml'])
      assert.equal((await get(`/dev/mail${path}`, { host, 'x-forwarded-host': 'localhost' })).status, 404, host + path)
})

/** Red when: the policy does not allow the script, or it adds nothing to the list. */
async function seesArrivals(browser: Browser, origin: string): Promise<void> {
  const page = await browser.newPage()
  const faults: string[] = []
  page.on('console', message => void (message.type() === 'error' && faults.push(message.text())))
  await page.goto(`${origin}/dev/mail`)
  await page.getByText('New ones appear by themselves').waitFor()
  await page.locator('#mails a').first().focus()
  await keep('arriving', 'Arriving Ltd')
  await page.getByRole('link', { name: 'Arriving Ltd' }).waitFor()
  assert.match(await page.title(), /^\(1\) Emails/)
  assert.equal(await page.getByRole('status').textContent(), '1 new since you opened this page')
  assert.notEqual(await page.evaluate('document.activeElement.textContent'), '', 'the focus stays where it was')
  assert.deepEqual(faults, [])
  await page.close()
}

// Red when: the sandbox of the frame or of its policy lets no page be opened, or lets a script run.
test(
  'in a browser the mail shows, its button opens a page of its own, and no script runs',
  { skip: noBrowser },
  async () => {
    const values = { app: 'Acme', home: 'x', link: 'http://localhost:8000/health', expires: 'tomorrow' }
    const message = renderMail(loadTemplates(services.declared), {
      locale: 'en',
      name: 'sign-up',
      to: 'ann@example.com',
      values,
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const origin = `http://localhost:${(app.server.address() as AddressInfo).port}`
    const script = '<script>document.title = "ran"; document.body.innerHTML = "ran"</script>'
    const html = message.html.replaceAll('http://localhost:8000', origin).replace('</body>', `${script}</body>`)
    await mailer?.send({ ...message, html }, 'browsed')

    const browser = await openBrowser()
    await seesArrivals(browser, origin)
    const context = await browser.newContext(phone)
    const page = await context.newPage()
    await page.goto(`${origin}/dev/mail/browsed`)
    const button = page.frameLocator('iframe').getByRole('link', { name: 'Finish signing up' })
    assert.ok(await button.isVisible())
    assert.equal(await page.frameLocator('iframe').getByText('ran', { exact: true }).count(), 0)
    const [opened] = await Promise.all([context.waitForEvent('page'), button.click()])
    await opened.waitForLoadState()
    assert.equal(opened.url(), `${origin}/health`)
    assert.match(await opened.content(), /healthy/)
    const { width } = (await page.frameLocator('iframe').locator('body').boundingBox())!
    assert.ok(width <= 360, 'as wide as the phone')
  },
)

// Red when: an id may hold a path.
test('what is not in the outbox is not found', async () => {
  writeFileSync(
    join(dataDir, 'other.json'),
    JSON.stringify({ id: 'other', html: '', text: '', subject: '', sent_at: '' }),
  )
  for (const id of ['missing', '..%2fother', '..%2f..%2fetc%2fpasswd', '%2e%2e', 'a.json', 'A'.repeat(65), '%00'])
    for (const path of ['', '/html', '/eml']) assert.equal((await get(`/dev/mail/${id}${path}`)).status, 404, id)
})

// Red when: usesOutbox forgets the environment or the mailer.
test('there is no such page where mail is sent', async () => {
  const sending = await createTestApp({ SMTP_URL: 'smtp://127.0.0.1:1', FROM_EMAIL: 'a@b.test' })
  assert.equal((await sending.call('GET', '/dev/mail', undefined, { host: 'localhost' })).status, 404)
  const deployed = await createTestApp({
    ENVIRONMENT: 'production',
    PUBLIC_URL: 'http://localhost:8000',
    EMAIL_VERIFICATION: 'optional',
  })
  assert.equal((await deployed.call('GET', '/dev/mail', undefined, { host: 'localhost' })).status, 404)
})
