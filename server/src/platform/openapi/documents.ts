import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../../config/config.ts'
import { providerOriginsOf } from '../../config/social.ts'
import { isFromOperator } from '../gate/operator-access.ts'
import { Problem } from '../problems.ts'
import { developerLinks } from '../pages/developer-links.ts'
import { renderPage, sendPage } from '../pages/html.ts'
import { pagePolicyOf } from '../server/headers.ts'
import type { Services } from '../services.ts'
import { redocLook, startRedoc, startSwagger, swaggerLook } from './document-look.ts'
import { problemsPage, redocPage, swaggerPage } from './document-pages.ts'
import type { FirstStep } from './document-pages.ts'
import { describeLegacy } from './legacy.ts'
import { digestRoutes } from './routes-digest.ts'
import type { App } from '../http/route.ts'

export type DocumentOptions = Pick<Services, 'version' | 'declared' | 'cache'> & {
  config: Pick<Config, 'appName' | 'cspMode' | 'environment' | 'mail' | 'metrics' | 'publicDocuments' | 'social'>
}

const page = { access: 'public', browsed: true, schema: { hide: true } } as const
const JAVASCRIPT = 'text/javascript; charset=utf-8'
const CSS = 'text/css; charset=utf-8'

/** The OpenAPI documents, Swagger UI, ReDoc and the problem reference, all served by this process. */
export async function documentRoutes(app: App, { config, version, declared, cache }: DocumentOptions): Promise<void> {
  const { appName: name, cspMode, publicDocuments: areOpen } = config
  const { problems, formats, firstSteps } = declared
  const digest = digestRoutes(app, { name, version, problems, formats }, config.environment === 'development')
  const frame = { name, lang: 'en', links: developerLinks(config) } as const

  app.get('/problems', page, async (_request, reply) =>
    sendPage(reply, 200, { ...problemsPage(frame, problems), cspMode }),
  )

  await app.register(async (documents: App) => {
    if (!areOpen) documents.addHook('onRequest', async request => requireReader(request, config.metrics.token))

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
    for (const [path, describe, policy] of [
      ['/docs', async () => swaggerPage(frame, version, stepsIn(await app.openApi(), firstSteps)), undefined],
      ['/redoc', async () => redocPage(frame), 'worker-src blob:'],
    ] as const)
      documents.get(path, page, async (_request, reply) => {
        const allowed = pagePolicyOf(cspMode, providerOriginsOf(config.social), policy)
        if (allowed !== undefined) reply.header('content-security-policy', allowed)
        return reply.type('text/html; charset=utf-8').send(renderPage(await describe()))
      })
  })
}

/** The operations with these ids, in this order. */
function stepsIn(document: object, ids: readonly string[]): FirstStep[] {
  const { paths } = document as { paths: Record<string, Record<string, Omit<FirstStep, 'tag'> & { tags: string[] }>> }
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operationId: operation.operationId,
      summary: operation.summary,
      tag: operation.tags[0] ?? '',
    })),
  )
  return ids.flatMap(id => operations.find(({ operationId }) => operationId === id) ?? [])
}

const require = createRequire(import.meta.url)
const swaggerUi = require.resolve('swagger-ui-dist/package.json')
const redoc = require.resolve('redoc/package.json')

/** Scripts and styles of the two viewers, each with its path and read on request. */
const files: readonly (readonly [path: string, type: string, read: () => Promise<string> | string])[] = [
  ['/docs/swagger-ui.css', CSS, () => readBundle(swaggerUi, 'swagger-ui.css')],
  ['/docs/swagger-ui-bundle.js', JAVASCRIPT, () => readBundle(swaggerUi, 'swagger-ui-bundle.js')],
  ['/docs/look.css', CSS, () => swaggerLook],
  ['/docs/start.js', JAVASCRIPT, () => startSwagger],
  ['/redoc/redoc.js', JAVASCRIPT, readRedoc],
  ['/redoc/look.css', CSS, () => redocLook],
  ['/redoc/start.js', JAVASCRIPT, () => startRedoc],
]

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
