import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isFromOperator } from '../http/operator-access.ts'
import type { Cache } from '../cache/cache.ts'
import { Problem } from '../problems.ts'
import type { ProblemTable } from '../problems.ts'
import { pagePolicyOf } from '../server/headers.ts'
import type { CspMode } from '../server/headers.ts'
import type { WireFormat } from '../http/wire-format.ts'
import { describeLegacy } from './legacy.ts'
import { digestRoutes } from './routes-digest.ts'
import type { App } from '../http/route.ts'

export interface DocumentOptions {
  name: string
  problems: ProblemTable
  formats: readonly WireFormat[]
  cspMode: CspMode
  /** The origins of sign-in providers. */
  providers: readonly string[]
  /** Whether they are public; otherwise the token or a superuser's session is required, and others get 404. */
  areOpen: boolean
  token: string | undefined
  cache: Cache
  version: string
  isDevelopment: boolean
}

const page = { access: 'public', browsed: true, schema: { hide: true } } as const
const JAVASCRIPT = 'text/javascript; charset=utf-8'
const HTML = 'text/html; charset=utf-8'

/** The OpenAPI documents, Swagger UI, ReDoc and the problem reference, all served by this process. */
export async function documentRoutes(
  app: App,
  { name, problems, formats, cspMode, providers, areOpen, token, cache, version, isDevelopment }: DocumentOptions,
): Promise<void> {
  const digest = digestRoutes(app, { name, version, problems, formats }, isDevelopment)
  app.get('/problems', page, async (_request, reply) => {
    setPolicy(reply, pagePolicyOf(cspMode, providers))
    return reply.type(HTML).send(problemPage(name, problems))
  })

  await app.register(async (documents: App) => {
    if (!areOpen) documents.addHook('onRequest', async request => requireReader(request, token))

    for (const [path, describe] of [
      ['/api/v1/openapi.json', () => app.openApi()],
      ['/api/v1/openapi.legacy.json', async () => describeLegacy(await app.openApi())],
      ...formats.map(format => [`${format.path}/openapi.json`, () => app.openApi(format)] as const),
    ] as const) {
      documents.get(path, page, async (_request, reply) =>
        reply
          .type('application/json')
          .send(await cache.read(`${path} ${digest()}`, async () => JSON.stringify(await describe()))),
      )
    }

    for (const [path, type, read] of files)
      documents.get(path, page, async (_request, reply) =>
        reply
          .type(type)
          .header('cache-control', 'private, max-age=86400')
          .send(await read()),
      )
    // ReDoc runs its search in a worker, which it creates from its own script.
    for (const [path, body, policy] of [
      ['/docs', swaggerPage, undefined],
      ['/redoc', redocPage, 'worker-src blob:'],
    ] as const)
      documents.get(path, page, async (_request, reply) => {
        setPolicy(reply, pagePolicyOf(cspMode, providers, policy))
        return reply.type(HTML).send(htmlPage(`${name} API`, body))
      })
  })
}

const require = createRequire(import.meta.url)
const swaggerUi = require.resolve('swagger-ui-dist/package.json')
const redoc = require.resolve('redoc/package.json')

/** Scripts and styles of the two viewers, each with its path and read on request. */
const files: readonly (readonly [path: string, type: string, read: () => Promise<string> | string])[] = [
  ['/docs/swagger-ui.css', 'text/css; charset=utf-8', () => readBundle(swaggerUi, 'swagger-ui.css')],
  ['/docs/swagger-ui-bundle.js', JAVASCRIPT, () => readBundle(swaggerUi, 'swagger-ui-bundle.js')],
  ['/docs/start.js', JAVASCRIPT, () => startSwagger],
  ['/redoc/redoc.js', JAVASCRIPT, readRedoc],
  ['/redoc/start.js', JAVASCRIPT, () => startRedoc],
]

const startSwagger =
  "SwaggerUIBundle({ url: '/api/v1/openapi.json', domNode: document.querySelector('main'), deepLinking: true, docExpansion: 'none', filter: true, validatorUrl: null })\n"
const startRedoc = "Redoc.init('/api/v1/openapi.json', { disableGoogleFont: true }, document.querySelector('main'))\n"
const swaggerPage =
  '<link rel="stylesheet" href="/docs/swagger-ui.css"><main></main><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>'
const redocPage = '<main></main><script src="/redoc/redoc.js"></script><script src="/redoc/start.js"></script>'

const readBundle = (manifest: string, file: string): Promise<string> => readFile(join(dirname(manifest), file), 'utf8')

/** ReDoc in one script, without the image in its footer, which it would fetch from another server. */
async function readRedoc(): Promise<string> {
  const bundle = await readBundle(redoc, 'bundles/redoc.standalone.js')
  return bundle.replaceAll('https://cdn.redoc.ly/redoc/logo-mini.svg', NO_PICTURE)
}

const NO_PICTURE = 'data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=='

/** @throws Problem not-found, so that the documents' existence is not revealed */
async function requireReader(request: FastifyRequest, token: string | undefined): Promise<void> {
  if (!(await isFromOperator(request, token))) throw new Problem('not-found')
}

function setPolicy(reply: FastifyReply, policy: string | undefined): void {
  if (policy !== undefined) reply.header('content-security-policy', policy)
}

const problemPage = (name: string, problems: ProblemTable): string => {
  const sections = Object.entries(problems).map(
    ([code, [status, title, detail]]) =>
      `<section id="${code}"><h2>${title}</h2><p><code>${code}</code>, status ${status}</p><p>${escapeHtml(detail)}</p></section>`,
  )
  const introduction =
    'Every error is <code>application/problem+json</code> (RFC 9457). Its <code>type</code> leads here.'
  return htmlPage(`${name}: problems`, `<article><h1>Problems</h1><p>${introduction}</p>${sections.join('')}</article>`)
}

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)

const style =
  'body{font:16px/1.5 system-ui,sans-serif;margin:0}article{max-width:44rem;margin:auto;padding:1rem}section{border-top:1px solid #ccc}'

const htmlPage = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title><link rel="icon" href="data:,"><style>${style}</style></head><body>${body}</body></html>\n`
