import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { readFile } from 'node:fs/promises'
import swaggerUi from '@fastify/swagger-ui'
import { problems } from '../core/problems.ts'
import { pagePolicy } from './headers.ts'
import type { App } from './route.ts'

const page = { access: 'public', schema: { hide: true } } as const

/** The OpenAPI document, Swagger UI, ReDoc and the problem reference, all served from this machine. */
export async function documentRoutes(app: App, { name }: { name: string }): Promise<void> {
  app.get('/api/v1/openapi.json', page, async (_request, reply) => reply.type('application/json').send(app.swagger()))

  await app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { url: '/api/v1/openapi.json', deepLinking: true, persistAuthorization: false },
    theme: { title: `${name} API` },
    uiHooks: {
      onRequest: (_request, reply, next) => {
        reply.header('content-security-policy', pagePolicy())
        next()
      },
    },
  })

  const bundle = join(dirname(createRequire(import.meta.url).resolve('redoc/package.json')), 'bundles/redoc.standalone.js')
  app.get('/redoc/redoc.js', page, async (_request, reply) => reply.type('text/javascript; charset=utf-8').header('cache-control', 'public, max-age=86400').send(await readFile(bundle)))
  app.get('/redoc/start.js', page, async (_request, reply) =>
    reply.type('text/javascript; charset=utf-8').send("Redoc.init('/api/v1/openapi.json', { disableGoogleFont: true, hideDownloadButtons: false }, document.body)\n"),
  )
  app.get('/redoc', page, async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', pagePolicy('; worker-src blob:'))
      .send(html(`${name} API`, '<script src="/redoc/redoc.js"></script><script src="/redoc/start.js"></script>')),
  )

  const reference = html(
    `${name}: problems`,
    `<main><h1>Problems</h1><p>Every error is <code>application/problem+json</code> (RFC 9457). Its <code>type</code> leads here.</p>${Object.entries(problems)
      .map(([code, [status, title, detail]]) => `<section id="${code}"><h2>${title}</h2><p><code>${code}</code>, status ${status}</p><p>${escapeHtml(detail)}</p></section>`)
      .join('')}</main>`,
  )
  app.get('/problems', page, async (_request, reply) => reply.type('text/html; charset=utf-8').header('content-security-policy', pagePolicy()).send(reference))
}

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)

const html = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title><style>body{font:16px/1.5 system-ui,sans-serif;margin:0}main{max-width:44rem;margin:auto;padding:1rem}section{border-top:1px solid #ccc}</style></head><body>${body}</body></html>\n`
