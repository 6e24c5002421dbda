import type { Config } from '../config/config.ts'
import { listSigningKeys, removeSigningKey, rotateSigningKeys } from '../platform/gate/signing-keys.ts'
import { addFileKey, listFileKeys, PUBLISHED_DAYS, removeFileKey } from '../product/license-files/file-keys.ts'
import { inTransaction } from '../platform/schema/with-database.ts'
import { UsageError } from './usage.ts'

/** `freehold keys`: generates, lists and removes the keys that sign access tokens and license files. */
export async function keys([action, id, when]: string[], config: Config): Promise<number> {
  if (action === 'generate' && id === '--license-files') {
    if (when !== undefined && when !== '--now') throw new UsageError()
    const made = await inTransaction(config, 'license-file-keys', transaction =>
      transaction.run(addFileKey(config.secretKey, when === '--now' ? 'now' : 'later')),
    )
    console.log(`new key ${made}; it signs license files ${when === '--now' ? 'now' : `in ${PUBLISHED_DAYS} days`}`)
  } else if (action === 'generate' && id === undefined) {
    const made = await inTransaction(config, 'signing-keys', transaction =>
      rotateSigningKeys(transaction, config.secretKey, config.jwtAlgorithm),
    )
    console.log(`new key ${made}; it signs tokens after half a minute, when every process has read it`)
  } else if (action === 'remove' && id !== undefined) {
    const ofFiles = await inTransaction(config, 'signing-keys', async transaction => {
      const isFileKey = (await transaction.run(listFileKeys)).some(key => key.id === id)
      await transaction.run(isFileKey ? removeFileKey(id) : removeSigningKey(id))
      return isFileKey
    })
    console.log(
      ofFiles
        ? `${id} is removed; programs that read the public keys again refuse its license files`
        : `${id} is removed; every process refuses its tokens within seconds`,
    )
  } else if (action === 'list') {
    const known = await inTransaction(config, 'signing-keys', transaction => transaction.run(listSigningKeys))
    const ofFiles = await inTransaction(config, 'license-file-keys', transaction => transaction.run(listFileKeys))
    for (const key of ofFiles)
      console.log(`${key.id}  license files  made ${key.created_at}  signs from ${key.signs_at}`)
    for (const key of known)
      console.log(
        `${key.id}  ${key.algorithm}  made ${key.created_at}${key.retired_at === null ? '' : `  retired ${key.retired_at}`}`,
      )
  } else throw new UsageError()
  return 0
}
