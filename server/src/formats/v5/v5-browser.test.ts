import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { noBrowser, openBrowser, serveSite } from '../../../test/browsers/browser.ts'
import { onTestDatabase, startServiceProcess } from '../../../test/programs/service-process.ts'

// A front end in Chromium that speaks v5 only, with forms and buttons, from another origin than the service.

const PASSWORD = 'Correct-horse-7'

const html = `<!doctype html><title>Sessions</title>
<form id="register"><input name="firstName"><input name="lastName"><input name="email"><input name="password"><button>Register</button></form>
<form id="login"><input name="email"><input name="password"><button>Sign in</button></form>
<form id="create"><input name="name"><input name="workspacePath"><button>Create</button></form>
<button id="logout">Sign out</button>
<ul id="sessions"></ul><pre id="opened"></pre><p id="user"></p><p id="message"></p>
<script src="/app.js"></script>`

const script = `
  const base = new URLSearchParams(location.search).get('api')
  const element = id => document.getElementById(id)
  async function request(method, path, body) {
    const token = localStorage.getItem('token')
    const headers = { ...(body && { 'Content-Type': 'application/json' }), ...(token && { Authorization: 'Bearer ' + token }) }
    const response = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) })
    const { success, data, error } = await response.json()
    if (!success) throw new Error(error.code + ' ' + error.message)
    return data
  }
  // One message for each action, once all its requests have been answered.
  async function act(work) {
    element('message').textContent = ''
    element('message').textContent = await work().then(() => 'ok', error => error.message)
  }
  const fieldsOf = form => Object.fromEntries(new FormData(form))
  const onSubmit = (id, work) => element(id).addEventListener('submit', event => {
    event.preventDefault()
    act(() => work(fieldsOf(event.target)))
  })
  function signedIn({ token, tenantId, user }) {
    localStorage.setItem('token', token)
    element('user').textContent = user.firstName + ' of ' + tenantId
  }
  async function list() {
    const sessions = await request('GET', '/sessions')
    element('sessions').replaceChildren(...sessions.map(session => {
      const item = document.createElement('li')
      const button = (text, work) => Object.assign(document.createElement('button'), { textContent: text, onclick: () => act(work) })
      item.append(session.name,
        button('Open', async () => { element('opened').textContent = JSON.stringify(await request('GET', '/sessions/' + session.id)) }),
        button('Delete', async () => { await request('DELETE', '/sessions/' + session.id); await list() }))
      return item
    }))
  }
  onSubmit('register', async fields => signedIn(await request('POST', '/auth/register', fields)))
  onSubmit('login', async fields => { signedIn(await request('POST', '/auth/login', fields)); await list() })
  onSubmit('create', async fields => { await request('POST', '/sessions', fields); await list() })
  element('logout').onclick = () => act(async () => { await request('POST', '/auth/logout'); await list() })
`

const files = { '/': { type: 'text/html', text: html }, '/app.js': { type: 'text/javascript', text: script } }

// Red when: a preflight is refused, an error has no CORS fields, or an answer has another envelope.
test('a front end registers, signs in, creates, lists, opens and deletes a session', { skip: noBrowser }, async () => {
  const site = await serveSite(files)
  const service = await startServiceProcess(onTestDatabase())
  after(() => service.end('SIGTERM'))
  const browser = await openBrowser()
  for (const base of ['/api/v5', '/v5']) {
    const page = await (await browser.newContext()).newPage()
    const faults: string[] = []
    page.on('pageerror', error => faults.push(error.message))
    await page.goto(`${site.origin}/?api=${encodeURIComponent(service.url + base)}`)
    const fill = async (form: string, values: Record<string, string>) => {
      for (const [name, value] of Object.entries(values)) await page.fill(`#${form} [name=${name}]`, value)
      await page.click(`#${form} button`)
    }
    const shows = (id: string, text: string | RegExp) =>
      page.locator(`#${id}`).filter({ hasText: text }).waitFor({ state: 'attached' })
    const email = `front-end-${process.pid}-${Date.now()}@example.com`
    await fill('register', { firstName: 'Test', lastName: 'User', email, password: 'password123' })
    await shows('message', 'VALIDATION_ERROR password: ')
    await fill('register', { password: PASSWORD })
    await shows('message', /^ok$/)
    await shows('user', /^Test of [0-9a-f-]{36}$/)

    await page.evaluate('localStorage.clear()')
    await fill('login', { email, password: 'Wrong-horse-7' })
    await shows('message', 'INVALID_CREDENTIALS')
    await fill('login', { email, password: PASSWORD })
    await shows('message', /^ok$/)

    await fill('create', { name: 'Up', workspacePath: '/srv/../etc' })
    await shows('message', 'VALIDATION_ERROR workspacePath: ')
    await fill('create', { name: 'My Project', workspacePath: '/workspace/test' })
    await shows('message', /^ok$/)
    await shows('sessions', /^My Project/)
    await page.click('#sessions button:text("Open")')
    await shows('message', /^ok$/)
    await shows('opened', '"workspacePath":"/workspace/test"')
    await page.click('#sessions button:text("Delete")')
    await shows('message', /^ok$/)
    await shows('sessions', /^$/)

    // The token is still there, and the service refuses it.
    await page.click('#logout')
    await shows('message', 'UNAUTHORIZED')
    assert.deepEqual(faults, [])
    await page.context().close()
  }
})
