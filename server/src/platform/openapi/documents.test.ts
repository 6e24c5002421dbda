import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const DOCUMENTS = [
  '/docs',
  '/docs/swagger-ui.css',
  '/docs/look.css',
  '/docs/start.js',
  '/redoc',
  '/redoc/look.css',
  '/redoc/redoc.js',
  '/redoc/start.js',
  '/api/v1/openapi.json',
  '/api/v1/openapi.legacy.json',
  '/api/docs',
  '/api/redoc',
  '/api/openapi.json',
]
const TOKEN = 'a-token-for-the-machines-that-read-documents'

const open = await createTestApp({ GITHUB_CLIENT_ID: '', GITHUB_CLIENT_SECRET: '' })
const closed = await createTestApp({ PUBLIC_DOCUMENTS: 'false', METRICS_TOKEN: TOKEN })
const { problems } = open.services.declared

test('everyone may read the documents where they are open', async () => {
  for (const path of DOCUMENTS) assert.equal((await open.call('GET', path)).status, 200, path)
})

// Red when: readRedoc sends the bundle as it is (it fetches a picture from elsewhere).
test('the pages name no other server, and their policy allows no other', async () => {
  for (const path of ['/docs', '/redoc', '/redoc/start.js', '/docs/start.js', '/problems']) {
    const { text } = await open.call('GET', path)
    assert.doesNotMatch(text, /(src|href|url)[=:(\s]+["']?(https?:)?\/\//i, path)
  }
  assert.doesNotMatch((await open.call('GET', '/redoc/redoc.js')).text, /cdn\.redoc\.ly|fonts\.googleapis/)
  for (const path of ['/docs', '/redoc', '/problems']) {
    const policy = (await open.call('GET', path)).headers['content-security-policy'] ?? ''
    assert.match(policy, path === '/problems' ? /default-src 'none'/ : /default-src 'self'/, path)
    assert.doesNotMatch(policy, /https?:|script-src[^;]*unsafe|\*/, path)
  }
})

test('the policy of the pages follows CSP_MODE', async () => {
  const relaxed = await createTestApp({ CSP_MODE: 'relaxed' })
  assert.match((await relaxed.call('GET', '/docs')).headers['content-security-policy'] ?? '', /https:/)
  const disabled = await createTestApp({ CSP_MODE: 'disabled' })
  for (const path of ['/docs', '/redoc', '/problems', '/health'])
    assert.equal((await disabled.call('GET', path)).headers['content-security-policy'], undefined, path)
})

// Red when: requireReader is no hook of the documents.
test('closed documents are not there for those who may not read them', async () => {
  const person = await closed.signUp()
  for (const path of DOCUMENTS) {
    assert.equal((await closed.call('GET', path)).status, 404, path)
    assert.equal((await closed.call('GET', path, undefined, { authorization: `Bearer ${TOKEN}x` })).status, 404, path)
    assert.equal((await person.call('GET', path)).status, 404, path)
  }
})

test('closed documents open to the token and to a superuser, as long as they are one', async () => {
  const person = await closed.signUp()
  for (const path of DOCUMENTS)
    assert.equal((await closed.call('GET', path, undefined, { authorization: `Bearer ${TOKEN}` })).status, 200, path)
  await closed.admin.query('update users set superuser = true where id = $1', [person.user_id])
  for (const path of DOCUMENTS) assert.equal((await person.call('GET', path)).status, 200, path)
  await closed.admin.query('update users set superuser = false where id = $1', [person.user_id])
  assert.equal((await person.call('GET', '/docs')).status, 404)
})

test('the page of problems has a section for each, for every caller', async () => {
  const { status, text } = await closed.call('GET', '/problems')
  assert.equal(status, 200)
  for (const code of Object.keys(problems)) assert.ok(text.includes(`<li id="${code}">`), code)
  // Red when: problemsPage shows a detail with its backticks, which are for Markdown.
  assert.doesNotMatch(text, /`|&#96;/)
})

// Red when: developerLinks or the root names the documents wherever they are, or the start page links to nothing.
test('the start page, its answer for programs and every page for developers lead to what is there', async () => {
  const accept = 'text/html'
  for (const app of [open, closed]) {
    const { body } = await app.call('GET', '/')
    const page = await app.call('GET', '/', undefined, { accept, host: 'localhost:8000' })
    assert.match(page.headers['content-type'] ?? '', /^text\/html/)
    assert.match(page.headers['vary'] ?? '', /\bAccept\b/)
    const problemPage = await app.call('GET', '/problems')
    const links = [page, problemPage].flatMap(({ text }) =>
      [...text.matchAll(/href="(\/[^"]*)"/g)].map(([, href]) => href!),
    )
    assert.equal(new Set(links).has('/docs'), app === open)
    assert.equal('docs' in body.links, app === open)
    for (const link of new Set([...links, ...Object.values(body.links as Record<string, string>)])) {
      const { status } = await app.call('GET', link, undefined, { accept, host: 'localhost:8000' })
      assert.equal(status, 200, link)
    }
  }
})
