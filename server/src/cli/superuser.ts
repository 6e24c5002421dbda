import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { policyOf } from '../identity/passwords/password-policy.ts'
import { createPasswords } from '../identity/passwords/passwords.ts'
import { createSuperuser, listSuperusers, setSuperuser } from '../operations/superusers/superusers.ts'
import type { Config } from '../config/config.ts'
import { tokenKeyOf } from '../platform/tokens/one-time-tokens.ts'
import { UsageError } from './usage.ts'
import { withDatabase } from '../platform/schema/with-database.ts'

/** `freehold superuser`: gives, takes and lists the platform role. */
export async function superuser(args: string[], config: Config): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: { create: { type: 'boolean' } }, allowPositionals: true })
  const [action, email] = positionals
  return withDatabase(config, async database => {
    if (action === 'list') {
      for (const address of await listSuperusers(database)) console.log(address)
      return 0
    }
    if ((action !== 'grant' && action !== 'revoke') || email === undefined) throw new UsageError()
    const found = await setSuperuser(database, email, action === 'grant')
    if (!found && action === 'grant' && values.create) {
      const password = (await text(process.stdin)).replace(/\r?\n$/, '')
      await createSuperuser(
        {
          database,
          key: tokenKeyOf(config.secretKey),
          passwords: await createPasswords(),
          policy: policyOf(config),
        },
        { email, password },
      )
    } else if (!found)
      throw new Error(`no account has the address ${email}${action === 'grant' ? '; --create makes one' : ''}`)
    console.log(action === 'grant' ? `${email} is a superuser` : `${email} is no superuser any more`)
    return 0
  })
}
