import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Page } from 'playwright-core'
import { listOutbox } from '../src/platform/mail/outbox.ts'
import type { KeptMail } from '../src/platform/mail/outbox.ts'
import { noBrowser, openBrowser, phone } from './browsers/browser.ts'
import { createOwnDatabase } from './own-database.ts'
import { findFreePort } from './programs/ports.ts'
import { request, startServiceProcess, waitUntil } from './programs/service-process.ts'
import type { ServiceProcess } from './programs/service-process.ts'

// The life of an account from the first email to a new password: the real service, its worker and its outbox, over
// a socket, in the browser of a phone that runs no scripts.

const PASSWORD = 'Correct-horse-7'
const NEW_PASSWORD = 'Brand-new-zebra-42'
const email = 'ada@example.com'

const dataDir = mkdtempSync(join(tmpdir(), 'freehold-life-'))
const own = await createOwnDatabase()
const port = await findFreePort()
const origin = `http://localhost:${port}`
let service: ServiceProcess

const start = async (runJobs: boolean) => {
  const { ownerUrl, tenantUrl, systemUrl } = own
  service = await startServiceProcess({
    DATABASE_URL: ownerUrl,
    DATABASE_TENANT_URL: tenantUrl,
    DATABASE_SYSTEM_URL: systemUrl,
    DATA_DIR: dataDir,
    PORT: String(port),
    PUBLIC_URL: origin,
    EMAIL_VERIFICATION: 'required',
    RUN_JOBS: String(runJobs),
  })
}

after(async () => {
  if (service.isRunning()) await service.end('SIGTERM')
  rmSync(dataDir, { recursive: true, force: true })
})

const post = (path: string, body: object, headers = {}) =>
  request(origin, 'POST', `/api/v1/auth/${path}`, body, headers)
const logIn = (password: string) => post('login', { email, password })

/** The newest email to the user that contains this text. */
async function mailWith(part: string): Promise<KeptMail & { link: string }> {
  let found: KeptMail | undefined
  await waitUntil(async () => {
    found = (await listOutbox(dataDir)).find(({ to, text }) => to === email && text.includes(part))
    return found !== undefined
  })
  const link = /^https?:\S+$/m.exec(found!.text)![0]
  assert.ok(link.startsWith(`${origin}/account/`), link)
  return { ...found!, link }
}

/** A phone without scripts; records what the content security policy blocks. */
async function openPhone(): Promise<{ page: Page; faults: string[] }> {
  const browser = await openBrowser()
  const context = await browser.newContext({ ...phone, javaScriptEnabled: false, locale: 'en-GB' })
  const page = await context.newPage()
  const faults: string[] = []
  page.on('console', message => {
    if (!/status of 422/.test(message.text())) faults.push(message.text())
  })
  page.on('requestfailed', failed => faults.push(failed.url()))
  return { page, faults }
}

test(
  'a user signs up, verifies the address, signs in, forgets the password and sets a new one',
  { skip: noBrowser },
  async () => {
    // Red when: the job of an email is enqueued after the response, a page needs a script, or its policy blocks its
    // form.
    await start(false)
    const asked = await post('signup', { email, full_name: 'Ada Lovelace' })
    assert.equal(asked.status, 202)
    // The process is killed before the email is sent.
    await service.end('SIGKILL')
    await start(true)
    assert.equal((await logIn(PASSWORD)).status, 401)

    const { page, faults } = await openPhone()
    const signUp = await mailWith('/sign-up?token=')
    await page.goto(signUp.link)
    assert.equal((await logIn(PASSWORD)).status, 401)
    for (const label of ['New password', 'Repeat the new password'])
      await page.getByLabel(label, { exact: true }).fill(PASSWORD)
    await page.getByRole('button', { name: 'Create my account' }).click()
    await page.getByText('Your account is ready').waitFor()
    const signedIn = await logIn(PASSWORD)
    assert.equal(signedIn.status, 200)
    await page.goto(signUp.link)
    await page.getByText('This link was used or replaced').waitFor()

    await page.goto(`${origin}/account/reset-password`)
    await page.getByLabel('Email address').fill(email.toUpperCase())
    await page.getByRole('button', { name: 'Send the link' }).click()
    await page.getByText('an email with a link is on its way').waitFor()
    const reset = await mailWith('/reset-password?token=')
    await page.goto(reset.link)
    const choose = async (password: string, repeated = password) => {
      await page.getByLabel('New password', { exact: true }).fill(password)
      await page.getByLabel('Repeat the new password').fill(repeated)
      await page.getByRole('button', { name: 'Set the password' }).click()
    }
    await choose('weak')
    await page.getByText('It must have a digit.').waitFor()
    await choose(NEW_PASSWORD, PASSWORD)
    await page.getByText('The two passwords differ.').waitFor()
    await choose(NEW_PASSWORD)
    await page.getByText('Your new password is set').waitFor()
    assert.equal((await logIn(PASSWORD)).status, 401)
    const authorization = `Bearer ${signedIn.body.access_token}`
    assert.equal((await request(origin, 'GET', '/api/v1/auth/me', undefined, { authorization })).status, 401)
    assert.equal((await logIn(NEW_PASSWORD)).status, 200)
    assert.match((await mailWith('A new password was set')).subject, /reset/)
    assert.deepEqual(faults, [])
    assert.equal(
      await page.evaluate('document.documentElement.scrollWidth <= innerWidth'),
      true,
      'as wide as the phone',
    )
  },
)

test('a user changes the address over HTTP, and both addresses are notified', { skip: noBrowser }, async () => {
  const signedIn = await logIn(NEW_PASSWORD)
  const headers = { authorization: `Bearer ${signedIn.body.access_token}` }
  const new_email = 'countess@example.com'
  assert.equal((await post('change-email', { new_email, proof: { password: NEW_PASSWORD } }, headers)).status, 202)
  let link = ''
  await waitUntil(async () => {
    const mail = (await listOutbox(dataDir)).find(({ to }) => to === new_email)
    link = /^https?:\S+$/m.exec(mail?.text ?? '')?.[0] ?? ''
    return link !== ''
  })
  const token = new URL(link).searchParams.get('token')!
  const changed = await post('verify-email', { token })
  assert.deepEqual(changed.body, { status: 'email-changed', email: new_email })
  await waitUntil(async () =>
    (await listOutbox(dataDir)).some(({ to, text }) => to === email && text.includes(new_email)),
  )
  assert.equal((await post('login', { email: new_email, password: NEW_PASSWORD })).status, 200)
})

// Red when: opening the page uses the token, or the page is missing.
test('an account is deleted, and restored by the page behind the link in the email', { skip: noBrowser }, async () => {
  const credentials = { email: 'countess@example.com', password: NEW_PASSWORD }
  const signedIn = await post('login', credentials)
  const headers = { authorization: `Bearer ${signedIn.body.access_token}` }
  assert.equal((await request(origin, 'DELETE', '/api/v1/users/me', undefined, headers)).status, 204)
  assert.equal((await post('login', credentials)).status, 401)
  let link = ''
  await waitUntil(async () => {
    const mail = (await listOutbox(dataDir)).find(
      ({ to, text }) => to === credentials.email && text.includes('/restore'),
    )
    link = /^https?:\S+$/m.exec(mail?.text ?? '')?.[0] ?? ''
    return link !== ''
  })
  const { page, faults } = await openPhone()
  await page.goto(link)
  await page.goto(link)
  assert.equal((await post('login', credentials)).status, 401, 'opening the page changes nothing')
  await page.getByRole('button', { name: 'Restore my account' }).click()
  await page.getByText('Your account is restored').waitFor()
  assert.equal((await post('login', credentials)).status, 200)
  await page.goto(link)
  await page.getByText('This link was used or replaced').waitFor()
  assert.deepEqual(faults, [])
})
