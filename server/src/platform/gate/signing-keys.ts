import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { SystemRunner, Transaction } from '../database/database.ts'
import { decrypt, deriveKey, encrypt } from '../crypto/sealing.ts'
import { affect, execute, many, raw, tables } from '../database/statement.ts'
import { MAX_TOKEN_SECONDS } from './access-tokens.ts'

const query = tables('system', 'signing_keys')

export type SigningAlgorithm = 'EdDSA' | 'ES256' | 'RS256' | 'HS256'

export interface SigningKey {
  /** The token's `kid`. */
  id: string
  algorithm: SigningAlgorithm
  /** SPKI PEM; undefined for HS256. */
  publicKey: string | undefined
  /** PKCS#8 PEM, or the shared secret of HS256. */
  privateKey: string
  /** Whether it may sign: every process has had time to read it, and it has not been retired. */
  signs: boolean
}

/** A new key signs only after every process has read it; seconds. Processes read the keys every KEY_POLL_SECONDS. */
const SETTLE_SECONDS = 30
const KEY_POLL_SECONDS = 5

/** The keys that tokens of this algorithm may still be signed with, oldest first; creates the first one if needed. */
export const loadSigningKeys = (
  system: SystemRunner,
  secretKey: string,
  algorithm: SigningAlgorithm,
): Promise<SigningKey[]> => {
  const current = many(usable(algorithm))
  // system: the tenant login may not read private keys
  return system.transaction(async transaction => {
    let rows = await transaction.run(current)
    if (rows.length === 0) {
      // Two processes that start at the same time create one key.
      await transaction.run(lockFirstKey)
      if ((await transaction.run(current)).length === 0) await insertKey(transaction, secretKey, algorithm)
      rows = await transaction.run(current)
    }
    return rows.map(({ id, public_key, private_key, signs }) => ({
      id,
      algorithm,
      publicKey: public_key ?? undefined,
      privateKey: openPrivateKey(private_key, secretKey, id),
      signs,
    }))
  })
}

const lockFirstKey = execute(raw(query, sql`select pg_advisory_xact_lock(lock_key('signing-keys', 'first'))`))

export interface FollowedKeys {
  current: () => readonly SigningKey[]
  stop(): void
}

/**
 * Reads the keys now and every few seconds, because other processes add and remove keys. Calls `use` only after a
 * change, because it clears the cache of verified tokens.
 */
export async function followSigningKeys(
  system: SystemRunner,
  { secretKey, jwtAlgorithm }: { secretKey: string; jwtAlgorithm: SigningAlgorithm },
  use: (keys: readonly SigningKey[]) => void,
  onError: (error: unknown) => void,
): Promise<FollowedKeys> {
  let current: readonly SigningKey[] = []
  let isStopped = false
  const read = async () => {
    const keys = await loadSigningKeys(system, secretKey, jwtAlgorithm)
    if (isStopped || JSON.stringify(keys) === JSON.stringify(current)) return
    use(keys)
    current = keys
  }
  await read()
  // The next read waits for the previous one: two at once could finish in the wrong order.
  let next: NodeJS.Timeout | undefined
  const follow = (): void => {
    if (isStopped) return
    next = setTimeout(() => void read().catch(report).finally(follow), KEY_POLL_SECONDS * 1000)
  }
  const report = (error: unknown): void => (isStopped ? undefined : onError(error))
  follow()
  return {
    current: () => current,
    // A read may be in flight, and must not be followed by another one.
    stop: () => {
      isStopped = true
      clearTimeout(next)
    },
  }
}

/**
 * Creates a new key and retires the present ones: they sign until every process has read the new key, and verify until
 * their last token has expired. Returns the new key's id.
 */
export async function rotateSigningKeys(
  transaction: Transaction<'system'>,
  secretKey: string,
  algorithm: SigningAlgorithm,
): Promise<string> {
  const retired_at = sql<string>`now() + make_interval(secs => ${SETTLE_SECONDS})`
  await transaction.run(
    execute(query.updateTable('signing_keys').set({ retired_at }).where('retired_at', 'is', null).returning('id')),
  )
  return insertKey(transaction, secretKey, algorithm)
}

/** For a leaked key: each process refuses its tokens when it has read the keys again, within KEY_POLL_SECONDS. */
export const removeSigningKey = (id: string) =>
  affect(query.deleteFrom('signing_keys').where('id', '=', id).returning('id'))

/** All keys in the database, without their private halves. */
export const listSigningKeys = many(
  query.selectFrom('signing_keys').select(['id', 'algorithm', 'created_at', 'retired_at']).orderBy('created_at'),
)

/** A JSON Web Key Set (RFC 7517) of the public halves. */
export function publicKeySet(keys: readonly SigningKey[]): { keys: Record<string, string>[] } {
  return {
    keys: keys.flatMap(({ id, algorithm, publicKey }) =>
      publicKey === undefined
        ? []
        : [
            {
              ...(createPublicKey(publicKey).export({ format: 'jwk' }) as Record<string, string>),
              kid: id,
              alg: algorithm,
              use: 'sig',
            },
          ],
    ),
  }
}

const usable = (algorithm: SigningAlgorithm) =>
  query
    .selectFrom('signing_keys')
    .select(['id', 'public_key', 'private_key'])
    .select(
      sql<boolean>`created_at < now() - make_interval(secs => ${SETTLE_SECONDS}) and (retired_at is null or retired_at > now())`.as(
        'signs',
      ),
    )
    .where('algorithm', '=', algorithm)
    .where(sql<boolean>`(retired_at is null or retired_at > now() - make_interval(secs => ${MAX_TOKEN_SECONDS}))`)
    .orderBy('created_at')

async function insertKey(
  transaction: Transaction<'system'>,
  secretKey: string,
  algorithm: SigningAlgorithm,
): Promise<string> {
  const id = randomBytes(12).toString('base64url')
  const { publicKey, privateKey } = generateKey(algorithm)
  const row = {
    id,
    algorithm,
    public_key: publicKey ?? null,
    private_key: encrypt(wrappingKey(secretKey), privateKey, id),
  }
  await transaction.run(affect(query.insertInto('signing_keys').values(row).returning('id')))
  return id
}

function generateKey(algorithm: SigningAlgorithm): { publicKey?: string; privateKey: string } {
  const pem = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  } as const
  switch (algorithm) {
    case 'EdDSA':
      return generateKeyPairSync('ed25519', pem)
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256', ...pem })
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 3072, ...pem })
    case 'HS256':
      return { privateKey: randomBytes(32).toString('base64url') }
  }
}

const wrappingKey = (secretKey: string): Buffer => deriveKey(secretKey, 'signing keys')

function openPrivateKey(sealed: Buffer, secretKey: string, id: string): string {
  try {
    return decrypt(wrappingKey(secretKey), sealed, id)
  } catch (cause) {
    throw new Error(
      `SECRET_KEY is not the one that this database was set up with (signing key ${id} cannot be decrypted): set that one, it cannot be changed yet. ` +
        'If it is lost, remove each key that `freehold keys list` shows (`freehold keys remove ID`): sessions, authenticator apps, ' +
        'recovery codes, known devices and links in emails are then lost; passwords, passkeys and all other rows are not',
      { cause },
    )
  }
}
