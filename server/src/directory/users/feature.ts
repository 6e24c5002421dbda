import { sql } from 'kysely'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { retireNames } from './retired-names.ts'
import { userRoutes } from './routes.ts'
import { forgetFormerAddresses, overwriteUser } from './users.ts'

const problems = {
  'email-taken': [409, 'Email address taken', 'An account with this email address exists. Sign in instead.'],
  'username-taken': [409, 'Username taken', 'Choose another username.'],
  'last-superuser': [
    409,
    'Last superuser',
    'The service needs at least one superuser. First make another user a superuser: `freehold superuser grant EMAIL`.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** Users: an account belongs to the user, not to an organization. */
export const users = feature({
  name: 'users',
  tables: [new URL('users.sql', import.meta.url)],
  sql: [new URL('users-policies.sql', import.meta.url)],
  tags: { People: 'The current user, and the people of the organization.' },
  problems,
  // Runs after all other features: this row marks the account as erased.
  erase: async (transaction, { id, email, username }, { config, keys }) => {
    if (!config.deletion.reuseNames) await transaction.run(retireNames(keys.oneTime, { email, username }))
    await transaction.run(forgetFormerAddresses(id))
    await transaction.run(overwriteUser(id))
  },
  export: [
    {
      name: 'former_addresses',
      description: 'Addresses that the account had before.',
      columns: sql`email, held_until`,
      from: sql`former_addresses where user_id = (select user_id from self)`,
      key: sql`held_until`,
    },
  ],
  routes: [userRoutes],
})
