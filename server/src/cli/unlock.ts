import type { Config } from '../config/config.ts'
import { unlockByName } from '../identity/lockout/lockout.ts'
import { inTransaction } from '../platform/schema/with-database.ts'
import { UsageError } from './usage.ts'

/** `freehold unlock`: ends the lockout of an account. */
export async function unlock([name, ...rest]: string[], config: Config): Promise<number> {
  if (name === undefined || rest.length > 0) throw new UsageError()
  const wasLocked = await inTransaction(config, 'unlock', transaction => unlockByName(transaction, name))
  if (wasLocked === undefined) throw new Error(`no account has the email address or username ${name}`)
  console.log(wasLocked ? `${name} can sign in again` : `${name} was not locked`)
  return 0
}
