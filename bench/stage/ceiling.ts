// The maximum for this runtime and driver: node:http, a token check, settings and query in one round trip, JSON.
// No framework, validation, log or additional headers.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { loadSigningKeys } from '../../server/src/platform/gate/signing-keys.ts'
import { createAccessTokens } from '../../server/src/platform/gate/access-tokens.ts'
import { openDatabase } from '../../server/src/platform/database/database.ts'
import { systemFor } from '../../server/src/platform/database/runners.ts'
import { contextOf, oneTrip, openPool, statements } from './driver.ts'
import { ISSUER, SYSTEM_POOL_SIZE, TENANT_POOL_SIZE } from './stage.ts'

const { PORT, SECRET_KEY = '', DATABASE_TENANT_URL = '', DATABASE_SYSTEM_URL = '' } = process.env
const database = openDatabase({
  tenantUrl: DATABASE_TENANT_URL,
  systemUrl: DATABASE_SYSTEM_URL,
  poolSize: 2,
  poolTimeoutSeconds: 10,
  connectionMaxAgeSeconds: 0,
  pooler: 'none',
  onError: () => {},
})
const tokens = createAccessTokens({ issuer: ISSUER, accessTokenSeconds: 86_400 })
tokens.useKeys(await loadSigningKeys(systemFor(database, 'bench'), SECRET_KEY, 'EdDSA'))
await database.close()
const pool = openPool(DATABASE_TENANT_URL, TENANT_POOL_SIZE)

// Both statements take the organization first; the list's second value is its page size plus one.
const routes: Record<
  string,
  { name: string; text: string; permission: string; values: (organization_id: string) => readonly unknown[] }
> = {
  '/api/v1/auth/me': { name: 'me', text: statements.me.text, permission: '', values: id => [id] },
  '/api/v1/projects?limit=20': {
    name: 'projects',
    text: statements.projects.text,
    permission: 'projects:read',
    values: id => [id, 21],
  },
}

const HEALTH = `select current_setting('transaction_read_only') as is_read_only`
const licenses = openPool(DATABASE_SYSTEM_URL, SYSTEM_POOL_SIZE)

createServer((request, response) => {
  const url = request.url ?? ''
  const answered = url.startsWith('/api/v1/licenses/')
    ? lookUpLicense(request)
    : answer(url, request.headers.authorization ?? '')
  void answered.then(
    body =>
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
        .end(body),
    (error: unknown) => response.writeHead(500).end(String(error)),
  )
}).listen(Number(PORT), '127.0.0.1')

async function answer(url: string, authorization: string): Promise<string> {
  if (url === '/ready') return 'ok'
  if (url === '/health') {
    const [found] = await oneTrip(pool, 'health', HEALTH, [], ['', '', '', contextOf('', ''), '', ''])
    return JSON.stringify({ status: 'healthy', database: found, timestamp: new Date().toISOString() })
  }
  const { name, text, permission, values } = routes[url]!
  const { sub, sid, organization_id = '' } = tokens.verify(authorization.slice(7))
  const rows = await oneTrip(pool, name, text, values(organization_id), [
    sid,
    permission === '' ? '' : organization_id,
    permission,
    contextOf(sub, ''),
    '',
    '',
  ])
  if (rows.length === 0) throw new Error('the gate is closed')
  return JSON.stringify({ items: rows })
}

/** A license by the hash of its key, and nothing else: the maximum for every request of a program. */
async function lookUpLicense(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const part of request) body += String(part)
  const { key } = JSON.parse(body) as { key: string }
  const { rows } = await licenses.query({
    name: 'license',
    text: 'select id, organization_id, status, expires_at, entitlements from licenses where key_hash = $1',
    values: [createHash('sha256').update(key).digest()],
  })
  if (rows.length !== 1) throw new Error('no license has this key')
  return JSON.stringify(rows[0])
}
