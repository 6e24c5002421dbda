import { channel } from 'node:diagnostics_channel'
import type { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyRequest } from 'fastify'

/**
 * What happens in this process, for health, metrics, traces, error reports and the log of slow statements. The platform
 * publishes on these channels (node:diagnostics_channel) and knows no listener; without one, nothing is measured.
 */

/** A channel with the type of its messages. */
export interface Channel<Message extends object> {
  /** Whether anybody listens; if not, the message need not be made. */
  readonly isHeard: boolean
  publish(message: Message): void
  /** Calls the listener, which must not throw, with each message. @returns a function that ends that */
  subscribe(listener: (message: Message) => void): () => void
  /** Publishes the message, and does `work` within the stores that are bound to the channel. */
  within<Result>(message: Message, work: () => Result): Result
  /** Gives the store a value, made of the message, while `within` works. @returns a function that ends that */
  bind<Value>(store: AsyncLocalStorage<Value>, valueOf: (message: Message) => Value): () => void
}

function openChannel<Message extends object>(name: string): Channel<Message> {
  const inner = channel(`freehold:${name}`)
  return {
    get isHeard() {
      return inner.hasSubscribers
    },
    publish: message => inner.publish(message),
    subscribe: listener => {
      const hear = (message: unknown) => listener(message as Message)
      inner.subscribe(hear)
      return () => {
        inner.unsubscribe(hear)
      }
    },
    within: (message, work) => (inner.hasSubscribers ? inner.runStores(message, work) : work()),
    bind: (store, valueOf) => {
      const bound = store as AsyncLocalStorage<unknown>
      inner.bindStore(bound, message => valueOf(message as unknown as Message))
      return () => {
        inner.unbindStore(bound)
      }
    },
  }
}

/** A request has arrived; the rest of it runs within this message. */
export const arrivals = openChannel<{ request: FastifyRequest }>('request-arrival')

export interface AnsweredRequest {
  /** Undefined if the parser has refused the request. */
  request?: FastifyRequest
  /** As sent by the client, so any text. */
  method: string
  /** The pattern of the route; undefined if no route matches. */
  route: string | undefined
  status: number
  milliseconds: number
  /** The length of the body that the client has announced, and of the response's. Bytes; undefined if not known. */
  received: number | undefined
  sent: number | undefined
  /** The code of the problem, if it is the answer. */
  problem: string | undefined
}

/** A request has been answered, or its client has disconnected. */
export const answers = openChannel<AnsweredRequest>('request-answer')

/** A round trip to PostgreSQL has ended. */
export interface RunStatement {
  login: 'tenant' | 'system'
  /** The text, which never contains a parameter. */
  text: string
  milliseconds: number
  request_id: string
  /** Undefined if it was successful. */
  error: unknown
}

export const statements = openChannel<RunStatement>('statement')

/** A request, job or command has waited for a connection. */
export const connections = openChannel<{ login: 'tenant' | 'system'; milliseconds: number }>('connection')

export interface StartedJob {
  queue: string
  id: string
  data: Readonly<Record<string, string>>
  /** The trace of the request that caused it, in the form of W3C Trace Context. */
  traceparent: string | undefined
}

/** A job begins, and runs within this message. */
export const jobStarts = openChannel<StartedJob>('job-start')

/** An attempt at a job has ended. */
export const jobEnds = openChannel<StartedJob & { milliseconds: number; error: unknown }>('job-end')

/** A request to another server is about to be sent; a listener may add header fields. */
export const sendings = openChannel<{ to: 'operator' | 'other'; headers: Headers }>('outbound-request')

export interface Fault {
  /**
   * `fatal`: nothing has caught it, and the process stops. `error`: a fault in the code, or an unexpected failure.
   * `warning`: an expected one, as in an outage.
   */
  level: 'fatal' | 'error' | 'warning'
  message: string
  error: unknown
  request?: FastifyRequest
  /** Ids and words. */
  details?: object
}

/** An error was logged. */
export const faults = openChannel<Fault>('fault')
