// Run while the image is built: loads all code that the service may load later, so that Node keeps it compiled in the image.
import module from 'node:module'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)
module.enableCompileCache(fileURLToPath(new URL('node_modules/.cache/compile', root)))

/** Packages that a module loads only when they are needed, such as the client of Redis. */
const packages = new Set()
const sources = new URL('server/src/', root)
for (const file of readdirSync(sources, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue
  const url = new URL(file, sources)
  for (const [, name = ''] of readFileSync(url, 'utf8').matchAll(/\bimport\(\s*'([^'.][^']*)'\s*\)/g)) packages.add(name)
  await import(url.href)
}
for (const name of packages) {
  const [folder = ''] = /^(@[^/]+\/)?[^/]+/.exec(name) ?? []
  // The image has no packages of development, such as the one with the names for `freehold seed`.
  if (existsSync(new URL(`node_modules/${folder}`, root))) await import(name)
}

// Fastify loads what writes responses and logs when the first app is made.
const { default: fastify } = await import(new URL('node_modules/fastify/fastify.js', root).href)
const app = fastify({ logger: { level: 'silent' } })
app.get('/', { schema: { response: { 200: { type: 'object', properties: {} } } } }, () => ({}))
await app.ready()

module.flushCompileCache()
process.exit(0)
