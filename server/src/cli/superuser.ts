import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import type { Config } from '../config/config.ts'
import { policyOf } from '../identity/passwords/password-policy.ts'
import { createPasswords } from '../identity/passwords/passwords.ts'
import { createSuperuser, listSuperusers, setSuperuser } from '../operations/superusers/superusers.ts'
import { systemFor } from '../platform/database/runners.ts'
import { inTransaction, withDatabase } from '../platform/schema/with-database.ts'
import { tokenKeyOf } from '../platform/tokens/one-time-tokens.ts'
import { UsageError } from './usage.ts'

/** `freehold superuser`: grants, revokes and lists the platform role. */
export async function superuser(args: string[], config: Config): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: { create: { type: 'boolean' } }, allowPositionals: true })
  const [action, email] = positionals
  if (action === 'list') {
    const addresses = await inTransaction(config, 'superuser', transaction => transaction.run(listSuperusers))
    for (const address of addresses) console.log(address)
    return 0
  }
  if ((action !== 'grant' && action !== 'revoke') || email === undefined) throw new UsageError()
  const found = await inTransaction(config, 'superuser', transaction =>
    setSuperuser(transaction, email, action === 'grant'),
  )
  if (!found && action === 'grant' && values.create) await create(config, email)
  else if (!found)
    throw new Error(`no account has the address ${email}${action === 'grant' ? '; --create creates one' : ''}`)
  console.log(action === 'grant' ? `${email} is a superuser` : `${email} is no longer a superuser`)
  return 0
}

/** Creates the account, with the password from standard input. */
async function create(config: Config, email: string): Promise<void> {
  const password = (await text(process.stdin)).replace(/\r?\n$/, '')
  const services = {
    keys: { oneTime: tokenKeyOf(config.secretKey) },
    passwords: await createPasswords(),
    passwordPolicy: policyOf(config),
  }
  await withDatabase(config, database =>
    createSuperuser(systemFor(database, 'superuser', 'freehold'), services, { email, password }),
  )
}
