import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { decrypt, deriveKey, encrypt } from '../../platform/crypto/sealing.ts'
import { affect, find, many, statement, tables } from '../../platform/database/statement.ts'
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
  const key = (await run(currentKey)) ?? (await run(addFileKey(secretKey, 'first')), await run(currentKey))
  if (key === undefined) throw new Error('the key that signs license files was removed while it was used')
  return { id: key.id, privateKey: createPrivateKey(openPrivateKey(secretKey, key)) }
}

function openPrivateKey(secretKey: string, { id, private_key }: { id: string; private_key: Buffer }): string {
  try {
    return decrypt(wrappingKey(secretKey), private_key, id)
  } catch (cause) {
    const remedy = `set that one, or remove the key with \`freehold keys remove ${id}\``
    throw new Error(`SECRET_KEY is not the one that encrypted the key ${id} of license files: ${remedy}`, { cause })
  }
}

const currentKey = find(
  query
    .selectFrom('license_file_keys')
    .select(['id', 'private_key'])
    .where('signs_at', '<=', sql<string>`now()`)
    .orderBy('signs_at', 'desc')
    .limit(1),
)

/** When a new key signs: after PUBLISHED_DAYS, at once (after a leak), or before all others, as the first key. */
const beginnings = {
  later: sql<string>`now() + make_interval(days => ${PUBLISHED_DAYS})`,
  now: sql<string>`now()`,
  // The same for all processes that find no key, so that one of them succeeds.
  first: sql<string>`to_timestamp(0)`,
} as const

/** Adds a key. @returns its id; undefined if another process has added the first key */
export function addFileKey(secretKey: string, when: keyof typeof beginnings) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const id = randomBytes(12).toString('base64url')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  return statement(
    query
      .insertInto('license_file_keys')
      .values({
        id,
        public_key: publicKey.export({ format: 'jwk' }).x as string,
        private_key: encrypt(wrappingKey(secretKey), pem, id),
        signs_at: beginnings[when],
      })
      .onConflict(conflict => conflict.column('signs_at').doNothing())
      .returning('id'),
    ([row]) => row?.id,
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
      kty: 'OKP' as const,
      crv: 'Ed25519' as const,
      x: public_key,
      alg: 'EdDSA' as const,
      use: 'sig' as const,
    })),
  }
}
