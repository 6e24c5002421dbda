import pg from 'pg'
import type { QueryArrayConfig, QueryResult } from 'pg'

/** The four settings that the gate and history read, in this order, '' where there is none. */
export type SettingValues = readonly [session_id: string, organization_id: string, permission: string, context: string]

const SETTINGS_NAME = 'settings'
const SETTINGS =
  "select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', $3, true), set_config('app.context', $4, true)"

/** Prepares the settings once a connection, so that a trip only has to bind them. */
export const prepareSettings = (client: pg.ClientBase): Promise<unknown> =>
  client.query({ name: SETTINGS_NAME, text: SETTINGS, values: ['', '', '', ''] })

interface Wire {
  parse(message: { name: string; text: string; types: readonly number[] }): void
  bind(message: { statement: string; portal: string; values: readonly string[]; binary: boolean; valueMapper: (value: string) => string }): void
  execute(message: { portal: string; rows: number }): void
}

export interface TripOptions {
  /** A prepared statement's name; without one everything is parsed anew, as old transaction poolers need. */
  name: string | undefined
  text: string
  values: readonly unknown[]
  settings: SettingValues
  /** Open an explicit transaction in the same trip. */
  begin: boolean
}

/**
 * One round trip: the settings, local to the transaction, and the statement travel before ONE Sync, so both run in the
 * same transaction; without `begin` it is an implicit one, which commits at the Sync. Extends the driver's query at its
 * seams (`prepare` and three message handlers): the driver's version is pinned, and the leak test stands guard.
 */
export class TripQuery extends pg.Query {
  readonly #settings: SettingValues
  readonly #named: boolean
  readonly #begin: boolean
  /** Commands still to complete before the caller's own. */
  #ahead: number

  constructor(trip: TripOptions, callback: (error: Error | null, result: QueryResult) => void) {
    const config = { text: trip.text, values: trip.values as unknown[], ...(trip.name === undefined ? {} : { name: trip.name }) }
    // The driver's own signature takes a callback that its types leave out.
    super(config as QueryArrayConfig, callback as never)
    this.#settings = trip.settings
    this.#named = trip.name !== undefined
    this.#begin = trip.begin
    this.#ahead = trip.begin ? 2 : 1
  }

  requiresPreparation(): boolean {
    return true
  }

  prepare(connection: Wire): void {
    if (this.#begin) {
      connection.parse({ name: '', text: 'begin', types: [] })
      connection.bind({ statement: '', portal: '', values: [], binary: false, valueMapper: value => value })
      connection.execute({ portal: '', rows: 0 })
    }
    if (!this.#named) connection.parse({ name: '', text: SETTINGS, types: [] })
    const statement = this.#named ? SETTINGS_NAME : ''
    connection.bind({ statement, portal: '', values: this.#settings, binary: false, valueMapper: value => value })
    connection.execute({ portal: '', rows: 0 })
    seams.prepare.call(this, connection)
  }

  handleDataRow(message: unknown): void {
    if (this.#ahead === 0) seams.handleDataRow.call(this, message)
  }

  handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.#ahead > 0) this.#ahead--
    else seams.handleCommandComplete.call(this, message, connection)
  }
}

/** What the driver's query does itself at each seam; its types declare none of them. */
const seams = pg.Query.prototype as unknown as {
  prepare(this: TripQuery, connection: Wire): void
  handleDataRow(this: TripQuery, message: unknown): void
  handleCommandComplete(this: TripQuery, message: unknown, connection: Wire): void
}
