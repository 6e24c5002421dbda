import { gunzip as gunzipOf, gzip as gzipOf } from 'node:zlib'
import { promisify } from 'node:util'
import { decrypt, encrypt } from '../crypto/sealing.ts'
import type { Redis } from '../redis/redis.ts'

const [gzip, gunzip] = [promisify(gzipOf), promisify(gunzipOf)]

/** How long Redis keeps what the cache has stored since it was last empty. Seconds. */
const KEPT_SECONDS = 3600

/** The entries of one process. Names come from the code, so there are far fewer; this bounds a mistake. */
const MAX_ENTRIES = 100

export interface CacheStats {
  /** Where entries are stored: in Redis for all processes, or in the memory of this one only. */
  store: 'redis' | 'memory'
  /** The number of entries in the store. */
  entries: number
  /** How often this process has found an entry in its memory, found it in Redis, or made it, since its start. */
  hits: number
  shared_hits: number
  misses: number
}

/**
 * Texts that are expensive to make, and the same for every caller. Never anything that access depends on: a session, a
 * membership, a permission, a revocation or a signing key. An entry never changes: its name contains the version or
 * digest of what it was made from, so nothing has to be invalidated. Nothing here throws, except `make`.
 */
export interface Cache {
  /** From the memory of this process, else from Redis, else made and stored in both. */
  read(name: string, make: () => Promise<string>): Promise<string>
  stats(): Promise<CacheStats>
  /** Forgets the entries of this process and those in Redis; other processes keep theirs, which are as good as new. */
  clear(): Promise<void>
}

export function createCache(redis: Redis | undefined, key: Buffer): Cache {
  const own = new Map<string, Promise<string>>()
  const counts = { hits: 0, shared_hits: 0, misses: 0 }
  const place = `${redis?.place}cache`

  async function find(name: string): Promise<string | undefined> {
    const sealed = await redis?.send(client => client.hGet(place, name))
    if (sealed === undefined || sealed === null) return undefined
    try {
      // What others wrote into Redis cannot be opened, and what we wrote only under its own name.
      const zipped = decrypt(key, Buffer.from(sealed, 'base64'), name)
      return (await gunzip(Buffer.from(zipped, 'base64'))).toString('utf8')
    } catch {
      return undefined
    }
  }

  async function store(name: string, text: string): Promise<void> {
    const zipped = (await gzip(text)).toString('base64')
    const sealed = encrypt(key, zipped, name).toString('base64')
    await redis?.send(client => client.multi().hSet(place, name, sealed).expire(place, KEPT_SECONDS, 'NX').exec())
  }

  async function load(name: string, make: () => Promise<string>): Promise<string> {
    const shared = await find(name)
    if (shared !== undefined) {
      counts.shared_hits += 1
      return shared
    }
    counts.misses += 1
    const text = await make()
    await store(name, text)
    return text
  }

  return {
    read: (name, make) => {
      const known = own.get(name)
      if (known !== undefined) {
        counts.hits += 1
        return known
      }
      const [oldest] = own.size < MAX_ENTRIES ? [] : own.keys()
      if (oldest !== undefined) own.delete(oldest)
      const loading = load(name, make)
      own.set(name, loading)
      loading.catch(() => own.delete(name))
      return loading
    },
    stats: async () => {
      const shared = await redis?.send(client => client.hLen(place))
      return {
        store: shared === undefined ? 'memory' : 'redis',
        entries: shared ?? own.size,
        ...counts,
      }
    },
    clear: async () => {
      // What is being made is stored first, and then removed too.
      await Promise.allSettled(own.values())
      own.clear()
      await redis?.send(client => client.del(place))
    },
  }
}
