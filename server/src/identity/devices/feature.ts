import { sql } from 'kysely'
import { deriveKey } from '../../platform/crypto/sealing.ts'
import { execute, tables } from '../../platform/database/statement.ts'
import { feature } from '../../platform/feature.ts'
import { deviceRoutes } from './routes.ts'

const query = tables('system', 'devices')

declare module '../../platform/services.ts' {
  interface Keys {
    /** Signs the tokens of devices. */
    device: Buffer
  }
}

/** Devices: browsers and apps in which a user has signed in. */
export const devices = feature({
  name: 'devices',
  uses: ['users', 'sessions'],
  sql: [new URL('devices.sql', import.meta.url)],
  retention: [
    {
      table: 'devices',
      key: 'id',
      isOver: ({ before }) => sql`id < ${before(365)} and last_seen_at < now() - interval '1 year'`,
    },
  ],
  erasure: ({ id }) => [execute(query.deleteFrom('devices').where('user_id', '=', id))],
  export: [
    {
      name: 'devices',
      description: 'Browsers and apps that the user has signed in with.',
      columns: sql`id, user_agent, ip, trusted_until, created_at, last_seen_at, revoked_at`,
      from: sql`devices where user_id = (select user_id from self)`,
      key: sql`id`,
    },
  ],
  provide: ({ config, keys }) => ({ keys: { ...keys, device: deriveKey(config.secretKey, 'devices') } }),
  routes: [deviceRoutes],
})
