import { feature } from '../../platform/feature.ts'
import { forgetSeededAccount } from './seeded-passwords.ts'

/** Organizations for development, with people and a structure. */
export const seed = feature({
  name: 'seed',
  uses: ['users', 'sessions', 'organizations', 'passwords', 'structure'],
  sql: [new URL('seed.sql', import.meta.url)],
  erasure: ({ id }) => [forgetSeededAccount(id)],
})
