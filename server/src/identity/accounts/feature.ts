import { sql } from 'kysely'
import { execute, tables } from '../../platform/database/statement.ts'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { verifyEmailToken } from './email.ts'
import { identityLinked, identityUnlinked } from './identities.ts'
import { mails, tokenMails } from './mails.ts'

const query = tables('system', 'identities')

const problems = {
  'identity-taken': [
    409,
    'Identity taken',
    'This account at the provider is linked to another user. Sign in with it, or unlink it from that user first.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** The creation of accounts: the user, the first organization, the address, and linked identities. */
export const accounts = feature({
  name: 'accounts',
  uses: ['users', 'sessions', 'organizations', 'changes'],
  sql: [new URL('identities.sql', import.meta.url), new URL('addresses.sql', import.meta.url)],
  problems,
  tokens: [verifyEmailToken],
  events: [identityLinked, identityUnlinked],
  mails,
  tokenMails,
  erasure: ({ id }) => [execute(query.deleteFrom('identities').where('user_id', '=', id))],
  export: [
    {
      name: 'identities',
      description: 'Accounts at providers that the user signs in with.',
      columns: sql`id, provider, issuer, subject, email, created_at, last_used_at`,
      from: sql`identities where user_id = (select user_id from self)`,
      key: sql`id`,
    },
  ],
  signInMethod: user_id =>
    sql<boolean>`(exists (select from users where id = ${user_id} and password_hash is not null)
      or exists (select from identities where user_id = ${user_id}))`,
})
