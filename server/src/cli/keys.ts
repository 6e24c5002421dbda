import type { Config } from '../config/config.ts'
import { listSigningKeys, removeSigningKey, rotateSigningKeys } from '../platform/gate/signing-keys.ts'
import { inTransaction } from '../platform/schema/with-database.ts'
import { UsageError } from './usage.ts'

/** `freehold keys`: generates, lists and removes the keys that sign access tokens. */
export async function keys([action, id]: string[], config: Config): Promise<number> {
  if (action === 'generate') {
    const made = await inTransaction(config, 'signing-keys', transaction =>
      rotateSigningKeys(transaction, config.secretKey, config.jwtAlgorithm),
    )
    console.log(`new key ${made}; it signs tokens after half a minute, when every process has read it`)
  } else if (action === 'remove' && id !== undefined) {
    await inTransaction(config, 'signing-keys', transaction => transaction.run(removeSigningKey(id)))
    console.log(`${id} is removed; every process refuses its tokens within seconds`)
  } else if (action === 'list') {
    const known = await inTransaction(config, 'signing-keys', transaction => transaction.run(listSigningKeys))
    for (const key of known)
      console.log(
        `${key.id}  ${key.algorithm}  made ${key.created_at}${key.retired_at === null ? '' : `  retired ${key.retired_at}`}`,
      )
  } else throw new UsageError()
  return 0
}
