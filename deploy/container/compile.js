// Run while the image is built: loads the code of the service once, so that Node keeps it compiled in the image.
import module from 'node:module'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)
module.enableCompileCache(fileURLToPath(new URL('node_modules/.cache/compile', root)))
for (const file of ['cli/freehold', 'cli/start', 'cli/migrate', 'cli/worker', 'main', 'serve', 'work'])
  await import(new URL(`server/src/${file}.ts`, root).href)
// Otherwise loaded only if a Redis is configured.
await import(new URL('node_modules/@redis/client/dist/index.js', root).href)
module.flushCompileCache()
process.exit(0)
