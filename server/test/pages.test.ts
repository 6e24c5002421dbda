import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import type { AccountPage } from '../src/platform/pages/account-page.ts'
import { noBrowser, openBrowser } from './browsers/browser.ts'
import { judgePage } from './browsers/judge-page.ts'
import { createTestApp, PASSWORD } from './test-app.ts'
import type { Person } from './test-app.ts'

// Every page of every feature in a real browser: what it says, where it leads on, and whether it can be read and used.

const FRONTEND = 'https://app.example.com'
const app = await createTestApp({ FRONTEND_URL: FRONTEND })
const strict = await createTestApp({ EMAIL_VERIFICATION: 'required' })
const alone = await createTestApp()
const pages: Readonly<Record<string, AccountPage>> = Object.assign(
  {},
  ...app.services.declared.features.map(({ pages: make }) => make?.(app.services)),
)
const newAddress = () => `page-${randomUUID()}@example.com`

/** The links in the emails to an address, by the purpose of their token. */
const linksTo = async (email: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await app.mailTo(email)).flatMap(({ text }) =>
      [...text.matchAll(/\/account\/([\w-]+)\?token=[\w-]+/g)].map(([link, purpose]) => [purpose, link]),
    ),
  )
const verified = async (): Promise<Person> => {
  const person = await app.signUp('Looms')
  await app.verify(person)
  await app.mailTo(person.email)
  return person
}
const expect = ({ status, text }: { status: number; text: string }, ...wanted: number[]) =>
  assert.ok(wanted.includes(status), text)

/** How a user gets the link to each page. */
const links: Record<string, () => Promise<string | undefined>> = {
  'sign-up': async () => {
    const email = newAddress()
    expect(await strict.call('POST', '/api/v1/auth/signup', { email }), 202)
    return (await linksTo(email))['sign-up']
  },
  'verify-email': async () => (await linksTo((await app.signUp()).email))['verify-email'],
  'reset-password': async () => {
    const { email } = await verified()
    expect(await app.call('POST', '/api/v1/auth/password-reset', { email }), 202)
    return (await linksTo(email))['reset-password']
  },
  'change-email': async () => {
    const [person, new_email] = [await verified(), newAddress()]
    const proof = { password: PASSWORD }
    expect(await person.call('POST', '/api/v1/auth/change-email', { new_email, proof }), 202)
    return (await linksTo(new_email))['change-email']
  },
  undo: async () => {
    const person = await verified()
    const change = { current_password: PASSWORD, new_password: 'Brand-new-zebra-42' }
    expect(await person.call('POST', '/api/v1/auth/change-password', change), 200, 204)
    return (await linksTo(person.email))['undo']
  },
  unlock: async () => {
    const { email } = await verified()
    for (let times = 0; times < 5; times++)
      expect(await app.call('POST', '/api/v1/auth/login', { email, password: 'Wrong-horse-7' }), 401)
    return (await linksTo(email))['unlock']
  },
  'restore-account': async () => {
    const person = await verified()
    expect(await person.call('DELETE', '/api/v1/users/me'), 204)
    return (await linksTo(person.email))['restore-account']
  },
  invitation: async () => (await linksTo((await invite()).email))['invitation'],
  'invitation-link': async () => {
    const { owner, path, email } = await invite()
    const { body } = await owner.call('GET', path)
    const { id } = body.items.find((one: { email: string }) => one.email === email)
    const { link } = (await owner.call('POST', `${path}/${id}/link`)).body
    return new URL(link).pathname + new URL(link).search
  },
}
async function invite() {
  const [owner, email] = [await verified(), newAddress()]
  const path = `/api/v1/organizations/${owner.organization_id}/invitations`
  expect(await owner.call('POST', path, { email, role: 'member' }), 202)
  return { owner, path, email }
}

const origins = new Map<object, Promise<string>>()
const originOf = (served: typeof app): Promise<string> => {
  const listen = async () => {
    await served.app.listen({ port: 0, host: '127.0.0.1' })
    return `http://localhost:${(served.app.server.address() as AddressInfo).port}`
  }
  if (!origins.has(served)) origins.set(served, listen())
  return origins.get(served)!
}

/** The faults of the page that the browser shows, light on a phone and dark on a desk. */
async function faultsOf(page: Page, { lang, hasFrontEnd }: { lang: string; hasFrontEnd: boolean }): Promise<string[]> {
  const faults: string[] = []
  for (const [colorScheme, width] of [
    ['light', 390],
    ['dark', 1280],
  ] as const) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 800 })
    const judged = await judgePage(page)
    const { headings, title, primary, ways, fields } = judged
    const say = (fault: string) => void faults.push(`${colorScheme} ${width}: ${fault}`)
    if (headings.length !== 1 || headings[0] === '') say(`headings: ${headings.join(', ')}`)
    if (!title.startsWith(headings[0] ?? '?')) say(`title: ${title}`)
    if (judged.lang !== lang || judged.colorScheme !== 'light dark') say(`lang ${judged.lang}, ${judged.colorScheme}`)
    if (primary.length !== 1 && (hasFrontEnd || primary.length > 1)) say(`primary: ${primary.join(', ')}`)
    if (ways.length === 0) say('no next step')
    for (const { name, type, autocomplete, label, isVisible, spellcheck, describedBy } of fields) {
      if (autocomplete === '') say(`${name} has no autocomplete`)
      if (isVisible && label === '') say(`${name} has no label`)
      if (type === 'password' && (spellcheck || !/^(new|current)-password$/.test(autocomplete)))
        say(`${name}: ${autocomplete}`)
      if (name === 'new_password' && !/8 (characters|Zeichen)/.test(describedBy)) say('no rules of passwords')
    }
    faults.push(...[...judged.faint, ...judged.small].map(fault => `${colorScheme} ${width}: ${fault}`))
    if (judged.overflow > 0) say(`${judged.overflow} pixels too wide`)
  }
  return faults
}

const browser = noBrowser ? undefined : await openBrowser()

/** Calls `visit` with a page of a new context, and fails on whatever the browser reports. */
async function inBrowser(
  options: { locale?: string; javaScriptEnabled?: boolean },
  visit: (page: Page) => Promise<void>,
) {
  const context: BrowserContext = await browser!.newContext(options)
  const page = await context.newPage()
  const reported: string[] = []
  page.on('pageerror', ({ message }) => void reported.push(message))
  page.on('console', message => {
    // The browser reports the status of the page itself.
    const isStatus = /server responded with a status of 4\d\d/.test(message.text())
    if (message.type() === 'error' && !isStatus) reported.push(message.text())
  })
  await visit(page)
  assert.deepEqual(reported, [])
  await context.close()
}

const made = new Map<string, string>()
for (const purpose of Object.keys(pages)) {
  const link = await links[purpose]?.()
  if (link !== undefined) made.set(purpose, link)
}

// Red when: a feature declares a page, and `links` does not say how a user gets there.
test('every page that a feature declares is judged here', () => {
  assert.deepEqual([...made.keys()].sort(), Object.keys(pages).sort())
})

// Red when: a colour of pages/style.ts is too faint, a form has a second primary button, or a field has no label.
for (const [locale, lang] of [
  ['en-GB', 'en'],
  ['de-DE', 'de'],
] as const)
  test(
    `every form, every request for a link and every refusal can be read and leads on (${lang})`,
    { skip: noBrowser },
    async () => {
      const addresses = [
        '/',
        '/account',
        '/nowhere',
        '/account/reset-password?token=bad',
        ...[...made].flatMap(([purpose, link]) => [link, `/account/${purpose}`]),
      ]
      const faults: Record<string, string[]> = {}
      const titles = new Map<string, string>()
      for (const [served, hasFrontEnd] of [
        [app, true],
        [alone, false],
      ] as const) {
        const origin = await originOf(served)
        await inBrowser({ locale }, async page => {
          for (const address of hasFrontEnd ? addresses : addresses.slice(0, 3)) {
            await page.goto(origin + address)
            const found = await faultsOf(page, { lang, hasFrontEnd })
            const heading = await page.locator('h1').textContent()
            titles.set(address, heading ?? '')
            if (found.length > 0) faults[`${address} ${heading}`] = [...new Set(found)]
            for (const href of await page.locator('main a[href], footer a[href]').evaluateAll(all => all.map(String))) {
              if (!href.startsWith(origin)) continue
              const { statusCode } = await served.app.inject({
                url: href.slice(origin.length),
                headers: { host: new URL(origin).host },
              })
              assert.equal(statusCode, 200, `${address} leads to ${href}`)
            }
          }
        })
      }
      assert.deepEqual(faults, {})
      const broken = titles.get('/account/reset-password?token=bad')
      for (const purpose of made.keys())
        assert.equal(titles.get(`/account/${purpose}`), pages[purpose]!.words[lang].ask?.title ?? broken)
    },
  )

// Red when: a button needs a script, Enter does not press it, or a page says at the end what it said at the beginning.
test(
  'every button works without scripts and by the keyboard alone; used and expired links say so',
  { skip: noBrowser },
  async () => {
    const origin = await originOf(app)
    await inBrowser({ javaScriptEnabled: false, locale: 'en-GB' }, async page => {
      for (const [purpose, link] of made) {
        await page.goto(origin + link)
        const before = await page.locator('h1').textContent()
        assert.equal(await page.getByRole('button', { name: 'Show' }).count(), 0, 'no button without a script')
        const filled: Record<string, string> = {
          full_name: 'Cleo',
          new_password: 'Another-zebra-42',
          repeated_password: 'Another-zebra-42',
          password: PASSWORD,
        }
        let target = await focusNext(page)
        for (let steps = 0; target !== 'submit' && steps < 20; steps++) {
          const value = filled[target]
          if (value !== undefined) await page.keyboard.type(value)
          target = await focusNext(page)
        }
        assert.equal(target, 'submit', purpose)
        await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
        const after = await page.locator('h1').textContent()
        const { words } = pages[purpose]!
        assert.equal(after, words.en.done.title, `${purpose}: ${await page.locator('main').textContent()}`)
        assert.notEqual(after, before)
        // Red when: the next step is named for someone who forgot a password, or a page tells of one and has no link.
        const step = words.en.done.next ?? words.en.done.also
        if (step !== undefined) {
          const leads = page.getByRole('link', { name: pages[step]!.words.en.title, exact: true })
          assert.equal(await leads.getAttribute('href'), `/account/${step}`, purpose)
        }
        assert.deepEqual(await faultsOf(page, { lang: 'en', hasFrontEnd: true }), [], `${purpose}, done`)

        await page.goto(origin + link)
        const again = await page.locator('h1').textContent()
        assert.match(again ?? '', /used or replaced|no longer open/, purpose)
        assert.deepEqual(await faultsOf(page, { lang: 'en', hasFrontEnd: true }), [], `${purpose}, used`)
        await app.admin.query('update one_time_tokens set used_at = null, expires_at = now() where purpose = $1', [
          purpose,
        ])
        await page.goto(origin + link)
        assert.match((await page.locator('h1').textContent()) ?? '', /has expired|can no longer be/, purpose)
        assert.deepEqual(await faultsOf(page, { lang: 'en', hasFrontEnd: true }), [], `${purpose}, expired`)
      }
    })
  },
)

/** Presses Tab. @returns the name of the field that has the focus now; `submit` for the button of the form */
async function focusNext(page: Page): Promise<string> {
  await page.keyboard.press('Tab')
  return page.evaluate(
    `document.activeElement.matches('form button:not([type])') ? 'submit' : (document.activeElement.name ?? '')`,
  )
}

// Red when: show-button.ts shows only one of the fields, or leaves a shown password when the form is submitted.
test('a button shows both new passwords, and a refusal leads to the field', { skip: noBrowser }, async () => {
  const link = await links['reset-password']!()
  await inBrowser({ locale: 'en-GB' }, async page => {
    await page.goto((await originOf(app)) + link)
    const types = () =>
      page.locator('.secret input').evaluateAll(all => all.map(one => (one as unknown as { type: string }).type))
    assert.deepEqual(await types(), ['password', 'password'])
    const show = page.getByRole('button', { name: 'Show', description: 'New password' })
    await show.click()
    assert.deepEqual(await types(), ['text', 'text'])
    await page.getByRole('button', { name: 'Hide' }).click()
    assert.deepEqual(await types(), ['password', 'password'])
    await page.getByLabel('New password', { exact: true }).fill('weak')
    await page.getByLabel('Repeat the new password').fill('weak')
    await page.getByRole('button', { name: 'Set the password' }).click()
    await page.getByText('It must have a digit.').waitFor()
    assert.equal(await page.evaluate('document.activeElement.name'), 'new_password')
    assert.equal(await page.locator('[aria-invalid]').count(), 1)
    assert.deepEqual(await faultsOf(page, { lang: 'en', hasFrontEnd: true }), [])
  })
})

// Red when: start.js does not follow the hash, docExpansion is left out, or the policy of a page forbids what it loads.
test(
  'the pages for developers can be read, and the first steps open their operations',
  { skip: noBrowser },
  async () => {
    const origin = await originOf(app)
    await inBrowser({ locale: 'en-GB' }, async page => {
      for (const path of ['/problems', '/dev/mail']) {
        await page.goto(origin + path)
        assert.deepEqual(await faultsOf(page, { lang: 'en', hasFrontEnd: false }), [], path)
      }
      await page.goto(`${origin}/docs`)
      const groups = page.locator('.opblock-tag-section')
      await groups.first().waitFor()
      assert.equal(await page.locator('.opblock').count(), 0, 'the groups are collapsed')
      assert.match((await groups.first().textContent()) ?? '', /^Authentication/)
      // Red when: what a group is about stands beside its name on a phone, one word or letter in a line.
      await page.setViewportSize({ width: 360, height: 740 })
      const texts = page.locator('.opblock-tag small')
      for (const box of await Promise.all((await texts.all()).map(text => text.boundingBox())))
        assert.ok((box?.width ?? 0) > 250, `${box?.width} pixels`)
      await page.setViewportSize({ width: 1280, height: 800 })
      const steps = page.locator('.steps a')
      assert.equal(await steps.count(), app.services.declared.firstSteps.length)
      // One of them: Swagger UI takes seconds to open an operation of a long document.
      await steps.nth(1).click()
      await page.locator(`.opblock.is-open[id$="-${app.services.declared.firstSteps[1]}"]`).waitFor()
    })
  },
)
