import type { Socket } from 'node:net'
import type { ClientBase } from 'pg'

/** How long statements may take once the process stops. Milliseconds. */
const LAST_STATEMENTS_MS = 20_000
/** How often what is still open is closed after that: a connection may be opened even then. Milliseconds. */
const SWEEP_MS = 500

/** The connections of a process to a database, whatever state they are in. */
export interface OpenConnections {
  /** Notes a connection that will be opened. */
  add(client: ClientBase): void
  /**
   * Limits what is in flight and what will follow: a server that is stopped, or has vanished, answers nothing and closes
   * nothing. What waits for it fails, like after the loss of a connection.
   */
  limit(): void
  /** Does not wait until the server has closed its side of the connections that were ended. */
  leave(): void
}

/** The parts of the driver's client that its types omit. */
interface Wired {
  connection: { stream: Socket }
}

export const streamOf = (client: ClientBase): Socket => (client as unknown as Wired).connection.stream

export function noteConnections(lastStatementsMs = LAST_STATEMENTS_MS): OpenConnections {
  const open = new Set<ClientBase>()
  let timer: NodeJS.Timeout | undefined
  const sweep = (): void => {
    for (const client of open) streamOf(client).destroy()
    timer = setTimeout(sweep, SWEEP_MS).unref()
  }
  return {
    add: client => {
      open.add(client)
      client.once('end', () => open.delete(client))
    },
    limit: () => void (timer ??= setTimeout(sweep, lastStatementsMs).unref()),
    leave: () => {
      clearTimeout(timer)
      for (const client of open) streamOf(client).unref()
    },
  }
}
