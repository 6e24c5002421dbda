/** Why Redis cannot be used. `gone`: it does not answer; `settings`: the URL is wrong; `full`: it takes no changes. */
export interface RedisFault {
  kind: 'gone' | 'settings' | 'full'
  /** One line for an operator, with the remedy and without secrets. */
  words: string
}

/** Explains an error of the client library, the system or Redis. */
export function describeRedisFault(error: unknown, url: string): RedisFault {
  const { hostname: host, port, protocol } = new URL(url)
  const place = `${host}:${port === '' ? 6379 : port}`
  const message = messageOf(error)
  const known = faults.find(({ when }) => when.test(message))
  if (known !== undefined) return { kind: known.kind, words: `REDIS_URL: ${known.words(place, host)}` }
  const isSilent = /timeout|no answer/i.test(message)
  const hint = protocol === 'rediss:' && isSilent ? '; does it offer TLS? If not, use redis://' : ''
  return { kind: 'gone', words: `REDIS_URL: no Redis answers at ${place} (${message.slice(0, 200)})${hint}` }
}

/** If a host has several addresses, their failures come in one error without a message: the first one counts. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  const message = error.message.replace(/^Socket timeout\b.*?(\d+)ms\.?$/, 'no answer within $1 ms')
  return code === undefined || message.includes(code) ? message : `${code}: ${message}`
}

type Words = (place: string, host: string) => string

/** The first that matches is used. */
const faults: readonly { when: RegExp; kind: RedisFault['kind']; words: Words }[] = [
  {
    when: /^WRONGPASS|invalid (username-)?password/,
    kind: 'settings',
    words: place => `Redis at ${place} refuses the password: correct it (special characters percent-encoded)`,
  },
  {
    when: /^NOAUTH/,
    kind: 'settings',
    words: place => `Redis at ${place} requires a password: set REDIS_PASSWORD, or put it into the URL`,
  },
  {
    when: /AUTH.*without any password configured/,
    kind: 'settings',
    words: place => `Redis at ${place} has no password, and the URL has one: set requirepass there, or remove it here`,
  },
  {
    when: /^NOPERM/,
    kind: 'settings',
    words: place =>
      `the user of the URL may not run a command at ${place}: it needs +@read +@write +@scripting +@connection for the keys freehold:*`,
  },
  {
    when: /DB index is out of range/,
    kind: 'settings',
    words: place => `Redis at ${place} has no database of that number: correct it, or raise \`databases\` there`,
  },
  {
    when: /RESP type|Protocol error/,
    kind: 'settings',
    words: place => `the server at ${place} is no Redis: correct host and port`,
  },
  {
    when: /^MOVED|^CROSSSLOT|^ASK /,
    kind: 'settings',
    words: place => `Redis at ${place} is part of a cluster, which is not supported: use a single Redis`,
  },
  {
    when: /^(ENOTFOUND|EAI_AGAIN)|getaddrinfo/,
    kind: 'settings',
    words: (_place, host) => `no address is known for the host ${host}: correct the host, or the name server`,
  },
  {
    when: /self[- ]signed|unable to (verify|get)|certificate|CERT_|ALTNAME/i,
    kind: 'settings',
    words: place =>
      `the certificate of Redis at ${place} is not trusted here or is for another name: name your authority's file in NODE_EXTRA_CA_CERTS`,
  },
  {
    when: /wrong version number|packet length|EPROTO|ERR_SSL/i,
    kind: 'settings',
    words: place => `Redis at ${place} does not offer TLS: use redis://, or turn on TLS there`,
  },
  {
    when: /^OOM/,
    kind: 'full',
    words: place => `Redis at ${place} is full: raise maxmemory, or set maxmemory-policy to allkeys-lru`,
  },
  {
    when: /^READONLY/,
    kind: 'full',
    words: place => `Redis at ${place} is a replica, which takes no changes: use the primary`,
  },
  {
    when: /^MISCONF/,
    kind: 'full',
    words: place => `Redis at ${place} takes no changes because it cannot save its data: see its log`,
  },
]
