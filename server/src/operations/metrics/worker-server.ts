import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { SystemRunner } from '../../platform/database/database.ts'
import { hasToken } from '../../platform/gate/operator-access.ts'
import type { Services } from '../../platform/services.ts'

/**
 * Serves `/metrics` of a process that serves nothing else, as `freehold worker`, at METRICS_PORT.
 * @throws Error that names METRICS_PORT if the port is taken
 */
export async function serveMetrics(
  { config, metrics, log }: Pick<Services, 'config' | 'metrics' | 'log'>,
  system: SystemRunner,
): Promise<Server | undefined> {
  if (metrics === undefined) return undefined
  const { port, token } = config.metrics
  const server = createServer((request, response) => {
    const answer = (status: number, text: string, type = 'text/plain; charset=utf-8') =>
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text)
    if (request.url?.split('?', 1)[0] !== '/metrics' || request.method !== 'GET')
      return void answer(404, 'This process serves only GET /metrics.\n')
    if (!config.publicMonitoring && !hasToken(request.headers.authorization, token))
      return void answer(401, 'METRICS_TOKEN is required as a bearer token.\n')
    void metrics.render(system).then(
      text => answer(200, text, metrics.type),
      () => answer(500, 'The metrics could not be read.\n'),
    )
  })
  server.listen(port, config.host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new Error(
      `METRICS_PORT: the metrics cannot be served at ${config.host}:${port} (${(cause as NodeJS.ErrnoException).code}); choose a free port`,
      { cause },
    )
  }
  log.info(`metrics are served at http://${config.host}:${port}/metrics`)
  return server
}
