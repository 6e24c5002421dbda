import type { Config } from '../config/config.ts'
import { systemFor } from '../platform/database/database.ts'
import { listSigningKeys, removeSigningKey, rotateSigningKeys } from '../platform/gate/signing-keys.ts'
import { withDatabase } from '../platform/schema/with-database.ts'
import { UsageError } from './usage.ts'

/** `freehold keys`: makes, lists and removes the keys that sign access tokens. */
export async function keys(args: string[], config: Config): Promise<number> {
  const [action, id] = args
  return withDatabase(config, async database => {
    const system = systemFor(database, 'signing-keys')
    if (action === 'generate')
      console.log(
        `new key ${await rotateSigningKeys(system, config.secretKey, config.jwtAlgorithm)}; it signs in half a minute, when every process has read it`,
      )
    else if (action === 'remove' && id !== undefined) {
      await removeSigningKey(system, id)
      console.log(`${id} is gone; every process refuses its tokens within seconds`)
    } else if (action === 'list') {
      for (const key of await listSigningKeys(system))
        console.log(
          `${key.id}  ${key.algorithm}  made ${key.created_at}${key.retired_at === null ? '' : `  retired ${key.retired_at}`}`,
        )
    } else throw new UsageError()
    return 0
  })
}
