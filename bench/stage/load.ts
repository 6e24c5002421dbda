import { Agent, get } from 'node:http'
import autocannon from 'autocannon'
import type { Request } from 'autocannon'
import { percentile } from './figures.ts'

export interface Load {
  perSecond: number
  count: number
  /** Milliseconds. */
  p50: number
  p99: number
}

export interface LoadOptions {
  url: string
  connections: number
  seconds: number
  /** Distributed among the connections, each of which repeats its own. */
  requests: readonly Request[]
}

/** As many requests as the server can answer: one at a time per connection. @throws Error on any status but 2xx */
export async function saturate({ url, connections, seconds, requests }: LoadOptions): Promise<Load> {
  const latencies: number[] = []
  const refused = new Map<number, number>()
  let dealt = 0
  const running = autocannon({
    url,
    connections,
    duration: seconds,
    setupClient: client => {
      const turn = dealt++
      const own = requests.filter((_request, index) => index % connections === turn % connections)
      client.setRequests(own.length > 0 ? own : [requests[turn % requests.length]!])
    },
  })
  const startedAt = performance.now()
  let endedAt = startedAt
  void running.on('response', (_client, status, _bytes, milliseconds) => {
    if (status < 200 || status > 299) refused.set(status, (refused.get(status) ?? 0) + 1)
    latencies.push(milliseconds)
    endedAt = performance.now()
  })
  const { errors } = await running
  if (errors > 0 || refused.size > 0)
    throw new Error(`${url} failed under load: ${errors} errors, answers ${JSON.stringify([...refused])}`)
  return summarize(latencies, (endedAt - startedAt) / 1000)
}

/** One request after the other, without pause, from a thread of its own. @throws Error on any status but 2xx */
export async function burden(url: string, requests: readonly Request[], seconds: number): Promise<void> {
  const { errors, non2xx } = await autocannon({ url, connections: 1, duration: seconds, requests, workers: 1 })
  if (errors + non2xx > 0) throw new Error(`${url} failed under load: ${errors} errors, ${non2xx} refused`)
}

/** One request every few milliseconds, without waiting for responses. @throws Error on any status but 200 */
export async function probe(
  url: string,
  requests: readonly Request[],
  everyMs: number,
  seconds: number,
): Promise<Load> {
  const agent = new Agent({ keepAlive: true })
  const latencies: number[] = []
  const pending: Promise<void>[] = []
  const send = ({ path, headers = {} }: Request) =>
    new Promise<void>((resolve, reject) => {
      const startedAt = performance.now()
      get(url + path, { agent, headers }, response => {
        response.resume().on('end', () => {
          latencies.push(performance.now() - startedAt)
          if (response.statusCode === 200) resolve()
          else reject(new Error(`${path} answered ${response.statusCode}`))
        })
      }).on('error', reject)
    })
  const startedAt = performance.now()
  await new Promise<void>(resolve => {
    const timer = setInterval(() => {
      // Catches up after a late timer, so that the rate does not depend on how busy this process is.
      const due = Math.floor((performance.now() - startedAt) / everyMs)
      while (pending.length < due) pending.push(send(requests[pending.length % requests.length]!))
      if (performance.now() - startedAt < seconds * 1000) return
      clearInterval(timer)
      resolve()
    }, everyMs)
  })
  await Promise.all(pending)
  agent.destroy()
  return summarize(latencies, seconds)
}

const summarize = (latencies: readonly number[], seconds: number): Load => ({
  perSecond: latencies.length / seconds,
  count: latencies.length,
  p50: percentile(latencies, 0.5),
  p99: percentile(latencies, 0.99),
})
