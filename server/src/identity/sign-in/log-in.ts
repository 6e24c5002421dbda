import type { Database, Origin } from '../../platform/database/database.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { find, query, statement } from '../../platform/database/statement.ts'
import { withAttempt } from '../lockout/attempts.ts'
import type { GuessedAccount, Lockout } from '../lockout/attempts.ts'
import { signIn } from './sign-in.ts'
import type { SecondFactorNeeded, SignedIn, SignInRules } from './sign-in.ts'
import type { Passwords } from '../passwords/passwords.ts'

interface Tools {
  database: Database
  passwords: Passwords
  lockout: Lockout
}

export interface Credentials {
  email?: string | undefined
  username?: string | undefined
  password: string
  organization_id?: string | undefined
  device_id?: string | undefined
}

/** By password. @throws Problem invalid-credentials, rate-limited, busy, and what signIn throws */
export async function logIn(
  tools: Tools,
  rules: SignInRules,
  origin: Origin,
  { email, username = '', password, organization_id, device_id }: Credentials,
): Promise<SignedIn | SecondFactorNeeded> {
  const who = email === undefined ? { username } : { email }
  const account = await withAttempt(
    tools,
    origin,
    { who, counter: 'password', failed: 'login-failed', device_id },
    found => tools.passwords.verify(found?.password_hash, password),
  )
  if (account === undefined) throw new Problem('invalid-credentials')
  const known = { ...origin, user_id: account.user_id }
  const password_hash = await renewHash(tools, known, account, password)
  return tools.database.system.transaction({ origin: known }, transaction =>
    signIn(transaction, rules, origin, {
      user_id: account.user_id,
      password_hash,
      methods: ['password'],
      isTwoFactor: false,
      organization_id,
      device_id,
    }),
  )
}

/** The hash that the account has from now on: what another system made, or we with other parameters, is replaced. */
async function renewHash(
  { database: { system }, passwords }: Tools,
  origin: Origin,
  { user_id, password_hash }: GuessedAccount,
  password: string,
): Promise<string> {
  const former = password_hash ?? ''
  const renewed = await passwords.renew(former, password)
  if (renewed === undefined) return former
  const users = query.updateTable('users').set({ password_hash: renewed }).returning('id')
  const replaced = await system.run(
    { origin },
    find(users.where('id', '=', user_id).where('password_hash', '=', former)),
  )
  if (replaced !== undefined) return renewed
  // A second sign-in at the same time was faster, or the password has just been changed.
  const current = await system.run(
    { origin },
    find(query.selectFrom('users').select('password_hash').where('id', '=', user_id)),
  )
  if (await passwords.verify(current?.password_hash, password)) return current?.password_hash ?? ''
  throw new Problem('invalid-credentials')
}

/** Another of one's organizations, which becomes the one that the next sign-in goes to. @throws Problem invalid-fields, email-unverified */
export const switchOrganization = (rules: SignInRules, id: string) =>
  statement(
    query
      .with('hint', hint =>
        hint
          .updateTable('users')
          .set({ last_organization_id: id })
          .where('users.id', '=', eb =>
            eb
              .selectFrom('own_organizations')
              .select('own_organizations.user_id')
              .where('own_organizations.id', '=', id),
          )
          .returning('users.id'),
      )
      .selectFrom('own_organizations')
      .innerJoin('users', 'users.id', 'own_organizations.user_id')
      .selectAll('own_organizations')
      .select('users.email_verified')
      .where('own_organizations.id', '=', id),
    ([organization]) => {
      if (organization === undefined) throw invalidField('/organization_id', 'names no organization of yours')
      if (rules.unverifiedAccess === 'own' && !organization.email_verified) throw new Problem('email-unverified')
      return organization
    },
  )
