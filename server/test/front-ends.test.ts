import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, mock, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { blocksOf } from './documents/markdown.ts'
import { createTestApp, PASSWORD } from './test-app.ts'

// The code of the guides for front ends and for other services, run as it stands against a real service.

const { app, admin, tokens } = await createTestApp()
const service = await app.listen({ port: 0, host: 'localhost' })
Object.assign(globalThis, { API_URL: `${service}/api/v1` })
const folder = mkdtempSync(join(tmpdir(), 'freehold-guides-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** The storage of a browser. */
function createStorage() {
  const values = new Map<string, string>()
  return {
    getItem: (name: string) => values.get(name) ?? null,
    setItem: (name: string, value: string) => void values.set(name, value),
    removeItem: (name: string) => void values.delete(name),
  }
}

let tabs = 0

// eslint-disable-next-line typescript/no-explicit-any
type GuideFunction = (...given: unknown[]) => Promise<any>
interface Refused {
  status: number
  code: string
  errors: { pointer: string }[]
  requestId: string
}

/** All blocks of a guide with that word, as one module; each call loads it anew, as a tab does. */
async function loadGuide(guide: string, word: string): Promise<Record<string, GuideFunction>> {
  const blocks = blocksOf(`docs/guides/${guide}.md`).filter(({ words }) => words.includes(word))
  const code = blocks.map(({ text }) => text.replaceAll(`from 'jose'`, `from '${import.meta.resolve('jose')}'`))
  const file = join(folder, `${guide}-${tabs++}.mjs`)
  writeFileSync(file, code.join('\n\n'))
  return import(pathToFileURL(file).href)
}

/** A tab of one browser: the storage of the browser is shared, that of the tab is not. */
async function openTab(shared = createStorage()) {
  const client = await loadGuide('front-ends', 'client')
  const own = createStorage()
  const inTab =
    (name: string) =>
    (...given: unknown[]) => {
      // One tab at a time: the calls of the tests do not overlap.
      Object.defineProperty(globalThis, 'localStorage', { value: shared, configurable: true })
      Object.defineProperty(globalThis, 'sessionStorage', { value: own, configurable: true })
      return client[name]!(...given)
    }
  return { shared, own, call: inTab }
}

test('the client of the guide signs up, works, refreshes an expired token, and signs out', async () => {
  const { shared, call } = await openTab()
  const email = `guide-${process.pid}@example.com`
  const signedUp = await call('signUp')(email, PASSWORD, 'Guide')
  assert.equal(signedUp.organization.name, 'Guide')
  const key = crypto.randomUUID()
  const made = await call('createProject')({ name: 'First' }, key)
  const again = await call('createProject')({ name: 'First' }, key)
  assert.equal(again.value.id, made.value.id)
  const renamed = await call('renameProject')(made.value.id, (name: string) => `${name}, renamed`)
  assert.equal(renamed.value.name, 'First, renamed')

  const before = shared.getItem('refresh')
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 16 * 60_000 })
  const { value } = await call('api')('GET', '/auth/me')
  mock.timers.reset()
  assert.equal(value.user.email, email)
  assert.notEqual(shared.getItem('refresh'), before)

  await assert.rejects(call('api')('POST', '/projects', { name: '' }), (error: Refused) => {
    assert.deepEqual([error.status, error.code, error.errors[0]?.pointer], [422, 'invalid-fields', '/name'])
    return error.requestId.length > 0
  })
  await call('signOut')()
  await assert.rejects(call('api')('GET', '/auth/me'), { code: 'not-signed-in' })
  await call('signIn')(email, PASSWORD)
  assert.equal((await call('api')('GET', '/auth/me')).value.organization.name, 'Guide')
})

test('two tabs of the guide show two organizations, and one refresh token serves both', async () => {
  const first = await openTab()
  await first.call('signUp')(`tabs-${process.pid}@example.com`, PASSWORD, 'One')
  const second = await openTab(first.shared)
  const other = await second.call('api')('POST', '/organizations', { name: 'Two' })
  assert.equal((await second.call('switchOrganization')(other.value.id)).name, 'Two')
  // A reload: both tabs have lost their access tokens.
  await first.call('refresh')()
  await second.call('refresh')()
  await first.call('refresh')()
  const nameIn = async ({ call }: typeof first) => (await call('api')('GET', '/auth/me')).value.organization.name
  assert.deepEqual([await nameIn(first), await nameIn(second)], ['One', 'Two'])
})

test('the code of the guide verifies access tokens in another service, and asks when it matters', async () => {
  process.env['FREEHOLD_URL'] = 'http://localhost:8000' // the PUBLIC_URL of the test app
  const { fetch } = globalThis
  // The service listens on another port here.
  globalThis.fetch = (target, options) =>
    fetch(new URL(target as string | URL).href.replace('http://localhost:8000', service), options)
  try {
    const { authenticate, authorize } = await loadGuide('verifying-tokens', 'verify')
    const { call } = await openTab()
    const { access_token, user, organization } = await call('signUp')(
      `jose-${process.pid}@example.com`,
      PASSWORD,
      'Jose',
    )
    const claims = await authenticate!(`Bearer ${access_token}`)
    assert.deepEqual([claims.sub, claims.organization_id, claims.role], [user.id, organization.id, 'owner'])
    const [head, body, signature] = access_token.split('.')
    for (const wrong of [
      undefined,
      'Basic x',
      `Bearer ${head}.${body}.${signature.slice(0, -4)}AAAA`,
      `Bearer ${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${body}.`,
      `Bearer ${tokens.sign({ ...claims, iss: undefined } as never).replace(/^[^.]*/, head.slice(1))}`,
    ])
      await assert.rejects(authenticate!(wrong))
    await authorize!(`Bearer ${access_token}`, 'projects:write')
    await assert.rejects(authorize!(`Bearer ${access_token}`, 'admin:all'), /does not include/)
    await admin.query('update sessions set revoked_at = now() where user_id = $1', [user.id])
    await authenticate!(`Bearer ${access_token}`) // the token alone does not know
    await assert.rejects(authorize!(`Bearer ${access_token}`, 'projects:write'), /has ended: 401/)
  } finally {
    globalThis.fetch = fetch
  }
})
