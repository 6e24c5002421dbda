import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { decrypt, deriveKey, encrypt } from '../../platform/crypto/sealing.ts'
import { affect, execute, find, many, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import type { FileKey } from './sealing.ts'

const query = tables('system', 'license_file_keys')

/** A new key is published for so long before it signs, so that programs with stored keys learn it in time. */
export const PUBLISHED_DAYS = 14
/** The longest life of a license file; a key stays published for as long after its last signature. */
export const MAX_FILE_DAYS = 366

const wrappingKey = (secretKey: string): Buffer => deriveKey(secretKey, 'license file keys')

/** Runs one statement on the system login. */
type Run = <Result>(statement: Statement<'system', Result>) => Promise<Result>

/** The key that signs now; the first file creates the first key. @throws Error if SECRET_KEY is not the one that encrypted it */
export async function getSigningKey(run: Run, secretKey: string): Promise<FileKey> {
  const key = (await run(currentKey)) ?? (await run(addFileKey(secretKey, 'now')), await run(currentKey))
  if (key === undefined) throw new Error('the key that signs license files was removed while it was used')
  return { id: key.id, privateKey: createPrivateKey(decrypt(wrappingKey(secretKey), key.private_key, key.id)) }
}

const currentKey = find(
  query
    .selectFrom('license_file_keys')
    .select(['id', 'private_key'])
    .where('signs_at', '<=', sql<string>`now()`)
    .orderBy('signs_at', 'desc')
    .limit(1),
)

/**
 * Adds a key, which signs after PUBLISHED_DAYS; `now` at once, after a leak or if there is none. Two keys for the same
 * moment are one: the second is not added.
 */
export function addFileKey(secretKey: string, when: 'later' | 'now') {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const id = randomBytes(12).toString('base64url')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const days = when === 'now' ? 0 : PUBLISHED_DAYS
  // To the minute, so that two processes without a key do not create two.
  const signs_at = sql<string>`date_trunc('minute', now()) + make_interval(days => ${days})`
  return execute(
    query
      .insertInto('license_file_keys')
      .values({
        id,
        public_key: publicKey.export({ format: 'jwk' }).x as string,
        private_key: encrypt(wrappingKey(secretKey), pem, id),
        signs_at,
      })
      .onConflict(conflict => conflict.column('signs_at').doNothing())
      .returning('id'),
  )
}

/** For a leaked key: programs that read the public keys again refuse its files. @throws Problem not-found */
export const removeFileKey = (id: string) =>
  affect(query.deleteFrom('license_file_keys').where('id', '=', id).returning('id'))

/** All keys without their private halves, in the order in which they sign. */
export const listFileKeys = many(
  query.selectFrom('license_file_keys').select(['id', 'public_key', 'signs_at', 'created_at']).orderBy('signs_at'),
)

/** The keys that verify files that may still be valid, as a JSON Web Key Set (RFC 7517). */
export function publicFileKeys(
  keys: readonly { id: string; public_key: string; signs_at: string }[],
  now = Date.now(),
) {
  const verifies = keys.filter((_key, index) => {
    const successor = keys[index + 1]
    return successor === undefined || now < Date.parse(successor.signs_at) + MAX_FILE_DAYS * 86_400_000
  })
  return {
    keys: verifies.map(({ id, public_key }) => ({
      kid: id,
      kty: 'OKP',
      crv: 'Ed25519',
      x: public_key,
      alg: 'EdDSA',
      use: 'sig',
    })),
  }
}
