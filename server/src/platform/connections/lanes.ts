import { Connection } from './connection.ts'
import { isBroken, isLockTimeout } from './error-codes.ts'
import { changingFunctions } from './functions.gen.ts'
import { streamOf } from './open-connections.ts'
import type { OpenConnections } from './open-connections.ts'
import { gatherRuns, NotGathered } from './gathering.ts'
import type { GatheredRun } from './gathering.ts'
import { nameOf, prepareReadSettings, prepareSettings, TripQuery } from './trip-query.ts'
import type { Row, SettingValues } from './trip-query.ts'

/** How many statements are in flight on each at most. */
const DEPTH = 16
/** A lane takes no more statements while its oldest one has been in flight for longer. Milliseconds. */
const MAX_AGE_MS = 5
/** A statement whose recent runs took longer than this, on average, runs on a connection of its own. Milliseconds. */
const SLOW_MS = 4
/** A single run of an organization that took longer keeps the statement of that organization out. Milliseconds. */
const VERY_SLOW_MS = 20
/** On a busy machine everything takes longer: the limits are at least this multiple of what a statement takes now. */
const MULTIPLE = { age: 2 * DEPTH, slow: 8, verySlow: 40 }
/** For how long. Milliseconds. */
const KEPT_OUT_MS = 30_000
/** How many texts and slow runs are remembered. */
const MAX_REMEMBERED = 5000
/** A lane that has carried nothing for so long is closed. Milliseconds. */
const IDLE_MS = 60_000
/** How long a connection may take to end. Milliseconds. */
const END_MS = 10_000
/** For how long a statement on a lane waits for a lock, and all behind it; it then runs on a connection of its own. Milliseconds. */
const LOCK_MS = 5

/**
 * What must not wait behind others, or be repeated: changes, functions that make them, and locks that another transaction
 * can hold. Whether the server takes changes is asked elsewhere, too, because a read on a lane never does.
 */
const CHANGES = new RegExp(
  String.raw`\b(?:insert|update|delete|merge|lock)\b|_lock\b|\bfor (?:share|key share)\b|transaction_read_only|\b(?:${changingFunctions.join('|')})\b`,
  'i',
)

export interface LaneOptions {
  /** How many connections carry several statements at once. */
  count: number
  connectionString: string
  connectionTimeoutMillis: number
  maxLifetimeSeconds: number
  application_name: string
  noted?: OpenConnections
  onError: (error: Error) => void
  /** How long a connection may take to end: 10 s by default. */
  endMs?: number
}

interface LaneStatement {
  sql: string
  parameters: readonly unknown[]
  repeatable?: boolean
  gathered?: boolean
}

/**
 * Several statements in flight on each of a few connections. Each is a transaction of its own, with its own settings
 * and its own Sync, so an error ends only the statement that caused it. Answers come in order: a slow statement would
 * delay those behind it, so only short ones are carried, and none waits long for a lock. They are reads, whose transactions
 * are read-only, and the changes that are declared repeatable. All other statements run on a connection of their own.
 */
export interface Lanes {
  /** The rows, or undefined if no lane takes the statement now. A rejection for which `isUncarried` is true may be repeated. */
  carry(statement: LaneStatement, settings: SettingValues): Promise<Row[]> | undefined
  /** Notes how long a statement has run on a connection of its own. */
  note(statement: LaneStatement, settings: SettingValues, milliseconds: number): void
  /** Waits for the statements in flight. */
  close(): Promise<void>
}

class Lane {
  /** When each statement in flight was sent, the oldest first. */
  readonly #sent: number[] = []
  #answeredAt = performance.now()
  #isCorked = false
  readonly bornAt = performance.now()
  readonly #client: Connection

  constructor(client: Connection) {
    this.#client = client
  }

  get load(): number {
    return this.#sent.length
  }

  get idleSince(): number {
    return this.load === 0 ? this.#answeredAt : Infinity
  }

  takes(now: number, maxAge: number): boolean {
    const [oldest] = this.#sent
    return oldest === undefined || (this.load < DEPTH && now - oldest <= maxAge)
  }

  /** `answered` gets the time that the server took for this statement alone. */
  send(
    { sql: text, parameters: values, repeatable = false }: LaneStatement,
    settings: SettingValues,
    answered: (milliseconds: number) => void,
  ): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      const sentAt = performance.now()
      this.#sent.push(sentAt)
      this.#cork()
      this.#client.query(
        new TripQuery(
          { name: nameOf(text), text, values, settings, isRead: !repeatable, begin: false },
          (error, rows) => {
            const now = performance.now()
            this.#sent.shift()
            answered(now - Math.max(sentAt, this.#answeredAt))
            this.#answeredAt = now
            if (error === null) resolve(rows)
            else reject(error)
          },
        ),
      )
    })
  }

  /** Waits for the statements in flight, but not for a server that has stopped answering. */
  async end(endMs: number): Promise<void> {
    const limit = setTimeout(() => streamOf(this.#client).destroy(), endMs)
    await this.#client.end().finally(() => clearTimeout(limit))
  }

  /** Everything that is sent in one turn of the event loop goes out in one write. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    const stream = streamOf(this.#client)
    stream.cork()
    setImmediate(() => {
      this.#isCorked = false
      stream.uncork()
    })
  }
}

export function openLanes({ count, onError, maxLifetimeSeconds, endMs = END_MS, ...options }: LaneOptions): Lanes {
  const lanes: (Lane | 'opening' | undefined)[] = Array.from({ length: count })
  const leaving = new Set<Promise<void>>()
  /** By text: the average time of the last runs in milliseconds, or Infinity for what changes something. */
  const times = new Map<string, number>()
  /** Until when a text of one organization is kept out. */
  const keptOut = new Map<string, number>()
  /** What a statement takes now, on average. Milliseconds. */
  let typical = 0
  let isClosed = false
  let openNotBefore = 0

  const sweep = setInterval(() => {
    const now = performance.now()
    for (const [place, lane] of lanes.entries())
      if (lane instanceof Lane && now - lane.idleSince > IDLE_MS) retire(place, lane)
  }, IDLE_MS / 2).unref()

  /** Takes the lane out; the statements in flight are still answered. */
  function retire(place: number, lane: Lane): void {
    if (lanes[place] !== lane) return
    lanes[place] = undefined
    const end = lane.end(endMs).catch(() => {})
    leaving.add(end)
    void end.finally(() => leaving.delete(end))
  }

  async function open(place: number): Promise<void> {
    lanes[place] = 'opening'
    const client = new Connection({ ...options, keepAlive: true, pipeline: true } as never)
    let lane: Lane | undefined
    client.on('error', error => {
      if (lane === undefined || lanes[place] !== lane) return
      lanes[place] = undefined
      onError(error)
    })
    try {
      await client.connect()
      await prepareSettings(client)
      await prepareReadSettings(client)
      await client.query(`set lock_timeout = ${LOCK_MS}`)
      lane = new Lane(client)
      lanes[place] = lane
      if (isClosed) retire(place, lane)
    } catch {
      // The statement that wanted the lane runs on the pool, and reports the fault if there is one.
      lanes[place] = undefined
      openNotBefore = performance.now() + 1000
      await client.end().catch(() => {})
    }
  }

  /** The less busy one of the two lanes that an organization can use, so that it cannot fill all of them. */
  function pick(organization: string, now: number): number | undefined {
    const number = numberOf(organization)
    const first = number % count
    const second = (first + 1 + (Math.floor(number / count) % Math.max(1, count - 1))) % count
    const maxAge = Math.max(MAX_AGE_MS, MULTIPLE.age * typical)
    let found: { place: number; load: number } | undefined
    for (const place of [first, second]) {
      const lane = lanes[place]
      if (lane === undefined && now >= openNotBefore && !isClosed) void open(place)
      if (!(lane instanceof Lane) || !lane.takes(now, maxAge)) continue
      if (maxLifetimeSeconds > 0 && now - lane.bornAt > maxLifetimeSeconds * 1000) retire(place, lane)
      else if (found === undefined || lane.load < found.load) found = { place, load: lane.load }
    }
    return found?.place
  }

  const note: Lanes['note'] = ({ sql, repeatable }, settings, milliseconds) => {
    typical = typical * 0.98 + milliseconds * 0.02
    const before = times.get(sql)
    if (before === Infinity) return
    if (before === undefined && repeatable !== true && CHANGES.test(sql)) return remember(times, sql, Infinity)
    remember(times, sql, before === undefined ? milliseconds : before * 0.9 + milliseconds * 0.1)
    const owner = ownerOf(settings)
    if (owner !== '' && milliseconds > Math.max(VERY_SLOW_MS, MULTIPLE.verySlow * typical))
      remember(keptOut, `${owner} ${nameOf(sql)}`, performance.now() + KEPT_OUT_MS)
  }

  /** `runs`: how many runs the statement makes. */
  function sendOn(statement: LaneStatement, settings: SettingValues, runs = 1): Promise<Row[]> | undefined {
    const place = pick(ownerOf(settings), performance.now())
    const lane = place === undefined ? undefined : lanes[place]
    if (place === undefined || !(lane instanceof Lane)) return undefined
    return lane
      .send(statement, settings, milliseconds => note(statement, settings, milliseconds / runs))
      .catch((error: unknown) => {
        if (isBroken(error)) {
          // 25006: it calls a function that changes something. In all other cases the lane is not usable any more.
          if ('code' in error && error.code === '25006') remember(times, statement.sql, Infinity)
          else retire(place, lane)
        }
        throw error
      })
  }

  const gather = gatherRuns<LaneStatement & GatheredRun>((statement, runs) => sendOn(statement, NO_SETTINGS, runs))

  return {
    note,
    carry: (statement, settings) => {
      const { sql } = statement
      // The first run of a text is on a connection of its own, to learn its time.
      if ((times.get(sql) ?? Infinity) > Math.max(SLOW_MS, MULTIPLE.slow * typical)) return undefined
      if (keptOut.size > 0 && (keptOut.get(`${ownerOf(settings)} ${nameOf(sql)}`) ?? 0) > performance.now())
        return undefined
      return isGathered(statement) ? gather(statement) : sendOn(statement, settings)
    },
    close: async () => {
      isClosed = true
      clearInterval(sweep)
      for (const [place, lane] of lanes.entries()) if (lane instanceof Lane) retire(place, lane)
      await Promise.all(leaving)
    },
  }
}

const ownerOf = ([session_id, organization_id]: SettingValues): string =>
  organization_id === '' ? session_id : organization_id

const isGathered = (statement: LaneStatement): statement is LaneStatement & GatheredRun => statement.gathered === true

/** What gathered runs share: none of theirs. */
const NO_SETTINGS: SettingValues = ['', '', '', '', '', '']

/** Whether a lane has not carried out the statement, or may not have, so that it runs on a connection of its own. */
export const isUncarried = (error: unknown): boolean =>
  error instanceof NotGathered || isBroken(error) || isLockTimeout(error)

/** A number from the random end of a UUID. */
const numberOf = (id: string): number => Number.parseInt(id.slice(-7), 16) || 0

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  const [oldest] = map.size < MAX_REMEMBERED || map.has(key) ? [] : map.keys()
  if (oldest !== undefined) map.delete(oldest)
  map.set(key, value)
}
