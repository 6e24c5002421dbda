import pg from 'pg'

// Times stay text (RFC 3339, UTC, with the database's microseconds), because nothing computes with them.
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, value => value.replace(' ', 'T').replace('+00', 'Z'))
pg.types.setTypeParser(pg.types.builtins.DATE, value => value)
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

// The driver's parser reads one character after the other, which takes fifteen times as long for 45 permissions.
const TEXT_ARRAY = 1009 as TypeId
const parseQuoted = pg.types.getTypeParser(TEXT_ARRAY) as (value: string) => unknown
pg.types.setTypeParser(TEXT_ARRAY, value => {
  if (value === '{}') return []
  const isPlain = !value.includes('"') && !value.includes('NULL') && !value.includes('{', 1)
  return isPlain ? value.slice(1, -1).split(',') : parseQuoted(value)
})

/** The settings that the gate and the audit log read, in this order; '' if not set. */
export type SettingValues = readonly [
  session_id: string,
  organization_id: string,
  permission: string,
  context: string,
  support_id: string,
  requires: string,
]

const SETTINGS_NAME = 'settings'
const READ_SETTINGS_NAME = 'read settings'
// set_config never returns null, so this evaluates all calls and returns no row.
const SETTINGS =
  "select where set_config('app.session_id', $1, true) is null or set_config('app.organization_id', $2, true) is null or set_config('app.permission', $3, true) is null or set_config('app.context', $4, true) is null or set_config('app.support_id', $5, true) is null or set_config('app.requires', $6, true) is null"

const READ_SETTINGS = `${SETTINGS} or set_config('transaction_read_only', 'on', true) is null`

/** Prepares the settings once for each connection, so that a round trip only has to bind them. */
export const prepareSettings = (client: pg.ClientBase): Promise<unknown> =>
  client.query({ name: SETTINGS_NAME, text: SETTINGS, values: ['', '', '', '', '', ''] })

/** Prepares the settings of a read on a connection that also carries changes: its transaction refuses them. */
export const prepareReadSettings = (client: pg.ClientBase): Promise<unknown> =>
  client.query({ name: READ_SETTINGS_NAME, text: READ_SETTINGS, values: ['', '', '', '', '', ''] })

interface Wire {
  parse(message: { name: string; text: string; types: readonly number[] }): void
  bind(message: {
    statement: string
    portal: string
    values: readonly string[]
    binary: boolean
    valueMapper: (value: string) => string
  }): void
  describe(message: { type: string; name: string }): void
  execute(message: { portal: string; rows: number }): void
  close(message: { type: string; name: string }): void
  sync(): void
  /** The statements that the driver considers prepared on this connection: text by name. */
  parsedStatements: Record<string, unknown>
}

type Fields = readonly (string | null)[]

type TypeId = Parameters<typeof pg.types.getTypeParser>[0]

interface Column {
  name: string
  parse: (text: string) => unknown
}

/** How many statements stay prepared on a connection: each costs PostgreSQL memory for as long as the connection lives. */
export const MAX_PREPARED = 400

/**
 * The prepared statements of each connection, the most recently used last, with the columns of each. Each is described
 * only once, because PostgreSQL refuses to run a prepared statement whose columns have changed (0A000).
 */
const described = new WeakMap<Wire, { columns: Map<string, readonly Column[] | undefined>; undescribed: Wire }>()

/** How many SQL texts keep their name; a text that was forgotten gets a new name. */
const MAX_NAMES = 5000
const names = new Map<string, string>()
let named = 0

/** The name of an SQL text, the same for as long as the text is remembered. */
export function nameOf(text: string): string {
  let name = names.get(text)
  if (name === undefined) {
    names.set(text, (name = `s${named++}`))
    const [oldest] = names.keys()
    if (names.size > MAX_NAMES && oldest !== undefined) names.delete(oldest)
  }
  return name
}

/** How many SQL texts this process has prepared so far. */
export const countTexts = (): number => named

export type Row = Record<string, unknown>

export interface TripOptions {
  /** A prepared statement's name; without one the text is parsed each time, as old transaction poolers require. */
  name: string | undefined
  text: string
  values: readonly unknown[]
  /** Undefined inside an explicit transaction, whose first round trip has set them. */
  settings: SettingValues | undefined
  /** Refuse changes; only for a connection with prepared read settings. */
  isRead?: boolean
  /** Open an explicit transaction in the same round trip. */
  begin: boolean
  /** Commit in the same round trip, unless the statement fails. */
  commit?: boolean
}

/**
 * One round trip: the settings, local to the transaction, and the statement are sent before ONE Sync, so both run in
 * the same transaction; without `begin` it is implicit and commits at the Sync. Overrides `prepare` and the message
 * handlers of the driver's query; the driver's version is pinned, and the leak test checks this.
 */
export class TripQuery extends pg.Query {
  // A property of the driver's class, which its types omit.
  declare name: string | undefined
  declare values: readonly unknown[]
  readonly #trip: TripOptions
  readonly #done: (error: Error | null, rows: Row[]) => void
  readonly #rows: Fields[] = []
  #columns: readonly Column[] = []
  /** Stores the statement's columns for its next run on this connection. */
  #remember: (columns: readonly Column[]) => void = () => {}
  /** How many commands still have to complete before the caller's own. */
  #ahead: number

  constructor(trip: TripOptions, done: (error: Error | null, rows: Row[]) => void) {
    // Not passed as one configuration object, because the driver would copy it.
    super(trip.text, error => done(error ?? null, []))
    this.name = trip.name
    this.values = trip.values
    this.#trip = trip
    this.#done = done
    this.#ahead = (trip.begin ? 1 : 0) + (trip.settings === undefined ? 0 : 1)
  }

  requiresPreparation(): boolean {
    return true
  }

  prepare(connection: Wire): void {
    const { name, settings, isRead = false, begin } = this.#trip
    if (begin) sendCommand(connection, 'begin')
    if (settings !== undefined) {
      if (name === undefined) connection.parse({ name: '', text: SETTINGS, types: [] })
      const statement = name === undefined ? '' : isRead ? READ_SETTINGS_NAME : SETTINGS_NAME
      connection.bind({ statement, portal: '', values: settings, binary: false, valueMapper: value => value })
      connection.execute({ portal: '', rows: 0 })
    }
    if (name === undefined) return seams.prepare.call(this, connection)

    let known = described.get(connection)
    if (known === undefined) {
      const undescribed = Object.create(connection, { describe: { value: () => {} } }) as Wire
      described.set(connection, (known = { columns: new Map(), undescribed }))
    }
    const { columns, undescribed } = known
    const told = columns.get(name)
    // Remove it and add it at the end, so that the least recently used one is first.
    columns.delete(name)
    columns.set(name, told)
    const [oldest] = columns.keys()
    if (columns.size > MAX_PREPARED && oldest !== undefined) {
      columns.delete(oldest)
      delete connection.parsedStatements[oldest]
      connection.close({ type: 'S', name: oldest })
    }
    this.#columns = told ?? []
    this.#remember = now => columns.set(name, now)
    seams.prepare.call(this, told === undefined ? connection : undescribed)
  }

  /** Executes the bound statements. If one fails, PostgreSQL skips the rest up to the Sync. */
  _getRows(connection: Wire): void {
    connection.execute({ portal: '', rows: 0 })
    if (this.#trip.commit === true) sendCommand(connection, 'commit')
    connection.sync()
  }

  handleRowDescription({ fields }: { fields: readonly { name: string; dataTypeID: TypeId }[] }): void {
    this.#columns = fields.map(({ name, dataTypeID }) => ({ name, parse: pg.types.getTypeParser(dataTypeID, 'text') }))
    this.#remember(this.#columns)
  }

  handleDataRow({ fields }: { fields: Fields }): void {
    this.#rows.push(fields)
  }

  handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.#ahead > 0) this.#ahead--
    else seams.handleCommandComplete.call(this, message, connection)
  }

  handleReadyForQuery(): void {
    let rows
    try {
      rows = this.#rows.map(fields => readRow(this.#columns, fields))
    } catch (error) {
      return this.#done(error as Error, [])
    }
    this.#done(null, rows)
  }
}

function sendCommand(connection: Wire, text: 'begin' | 'commit'): void {
  connection.parse({ name: '', text, types: [] })
  connection.bind({ statement: '', portal: '', values: [], binary: false, valueMapper: value => value })
  connection.execute({ portal: '', rows: 0 })
}

function readRow(columns: readonly Column[], fields: Fields): Row {
  const row: Row = {}
  for (let index = 0; index < columns.length; index++) {
    const { name, parse } = columns[index] as Column
    const text = fields[index] as string | null
    row[name] = text === null ? null : parse(text)
  }
  return row
}

/** The overridden methods of the driver's query, which its types do not declare. */
const seams = pg.Query.prototype as unknown as {
  prepare(this: TripQuery, connection: Wire): void
  handleCommandComplete(this: TripQuery, message: unknown, connection: Wire): void
}
