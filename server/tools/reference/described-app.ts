import { tmpdir } from 'node:os'
import { pino } from 'pino'
import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/config.ts'
import { features } from '../../src/features.ts'
import { openDatabase } from '../../src/platform/database/database.ts'
import { declare } from '../../src/platform/declarations.ts'
import type { App } from '../../src/platform/http/route.ts'
import { createServices } from '../../src/services.ts'

/** The whole service, only for reading its declarations: it opens no socket, and its pools never connect. */
export async function createDescribedApp(declared = declare(features)): Promise<App> {
  const config = loadConfig({ SECRET_KEY: 'describes, never serves', PUBLIC_URL: 'http://localhost:8000' }, tmpdir())
  const nowhere = 'postgresql://nobody@127.0.0.1:1/nothing'
  const database = openDatabase({ ...config.database, tenantUrl: nowhere, systemUrl: nowhere, onError: () => {} })
  const services = await createServices({ config, declared, log: pino({ level: 'silent' }) })
  const app = await createApp(services, database)
  await app.ready()
  return app
}
