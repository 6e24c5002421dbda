import { tmpdir } from 'node:os'
import { pino } from 'pino'
import { createTokens } from '../src/platform/gate/access-tokens.ts'
import { createApp } from '../src/app.ts'
import { loadConfig } from '../src/config/config.ts'
import { openDatabase } from '../src/platform/database/database.ts'
import type { App } from '../src/platform/http/route.ts'
import { version } from '../src/version.ts'

/** The whole service for reading what it declares: it opens no socket, and its pools never connect. */
export async function createDescribedApp(): Promise<App> {
  const config = loadConfig({ SECRET_KEY: 'describes, never serves', PUBLIC_URL: 'http://localhost:8000' }, tmpdir())
  const nowhere = 'postgresql://nobody@127.0.0.1:1/nothing'
  const database = openDatabase({ ...config.database, tenantUrl: nowhere, systemUrl: nowhere, onError: () => {} })
  const tokens = createTokens({ issuer: config.publicUrl, accessTokenSeconds: config.accessTokenSeconds })
  const passwords = { hash: async () => '', verify: async () => false, renew: async () => undefined }
  const app = await createApp({
    config,
    version,
    database,
    tokens,
    passwords,
    signingKeys: () => [],
    log: pino({ level: 'silent' }),
  })
  await app.ready()
  return app
}
