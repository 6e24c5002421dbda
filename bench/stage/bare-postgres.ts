// Only the embedded PostgreSQL, for which every start has to wait.
import { createServer } from 'node:http'
import { startEmbeddedPostgres } from '../../server/src/platform/embedded/embedded-postgres.ts'

const { PORT, DATA_DIR = '' } = process.env
const postgres = await startEmbeddedPostgres({ dataDir: DATA_DIR, log: () => {} })
const server = createServer((_request, response) => response.end('ok')).listen(Number(PORT), '127.0.0.1')
process.on('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
  void postgres.stop()
})
