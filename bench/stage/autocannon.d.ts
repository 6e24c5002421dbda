declare module 'autocannon' {
  import type { EventEmitter } from 'node:events'

  interface Request {
    method?: 'GET' | 'POST'
    path: string
    headers?: Record<string, string>
    body?: string
  }

  /** Only what the benchmark uses; the package ships no types. */
  interface Options {
    url: string
    connections: number
    /** Seconds. */
    duration: number
    setupClient?: (client: { setRequests(requests: readonly Request[]): void }) => void
    requests?: readonly Request[]
    /** Threads that send the requests, apart from this one. */
    workers?: number
  }

  interface Instance
    extends EventEmitter, Promise<{ errors: number; non2xx: number; timeouts: number; duration: number }> {
    on(
      event: 'response',
      listener: (client: unknown, statusCode: number, bytes: number, milliseconds: number) => void,
    ): this
  }

  export default function autocannon(options: Options): Instance
}
