import { Type } from 'typebox'
import { publicKeySet } from '../../platform/gate/signing-keys.ts'
import { OneOf, Time } from '../../platform/schemas.ts'
import { createNotices } from '../../platform/pages/notice.ts'
import { isNavigation } from '../../platform/pages/problem-page.ts'
import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { sendStartPage } from './start-page.ts'
import { createProbe, databaseStates, requireConnected, requireStaying } from './health.ts'

const Word = Type.String({ maxLength: 200 })
const Documents = Type.Optional(
  Type.String({ maxLength: 200, description: 'Missing where the documents are not public.' }),
)
const Root = Type.Object(
  {
    name: Word,
    version: Word,
    links: Type.Object({
      openapi: Documents,
      docs: Documents,
      redoc: Documents,
      health: Word,
      problems: Word,
    }),
  },
  { title: 'Root' },
)
const Health = Type.Object(
  {
    status: OneOf(['healthy', 'unhealthy']),
    version: Word,
    environment: Word,
    database: OneOf(databaseStates),
    timestamp: Time,
  },
  { title: 'Health' },
)
const Ready = Type.Object({ status: Type.Literal('ready') }, { title: 'Ready' })
const KeySet = Type.Object(
  { keys: Type.Array(Type.Record(Word, Type.String({ maxLength: 1000 })), { maxItems: 20 }) },
  { title: 'KeySet' },
)

export function healthRoutes(
  app: App,
  { config, version, signingKeys, declared }: Pick<Services, 'config' | 'version' | 'signingKeys' | 'declared'>,
): void {
  const { appName: name, environment } = config
  const probe = createProbe({ config, declared })
  const tags = ['System']

  const notices = createNotices(config)
  const documents = config.publicDocuments ? { openapi: '/api/v1/openapi.json', docs: '/docs', redoc: '/redoc' } : {}
  app.get(
    '/',
    {
      access: 'public',
      browsed: true,
      schema: {
        operationId: 'getRoot',
        summary: 'Get the name of the service and its links',
        description: 'A browser that navigates here gets a page.',
        tags,
        response: {
          200: {
            description: 'OK',
            content: {
              'application/json': { schema: Root },
              'text/html': {
                schema: Type.String({ maxLength: 100_000, examples: ['<!doctype html><title>Acme</title>'] }),
              },
            },
          },
        },
      },
    },
    async (request, reply) => {
      reply.header('vary', [reply.getHeader('vary'), 'Accept'].flat().filter(Boolean).join(', '))
      if (isNavigation(request)) return sendStartPage(notices, reply, config)
      return { name, version, links: { ...documents, health: '/health', problems: '/problems' } }
    },
  )

  app.get(
    '/health',
    {
      access: 'public',
      perMinute: Infinity,
      schema: {
        operationId: 'getHealth',
        summary: 'Get the health of the service',
        tags,
        response: { 200: Health, 503: Health },
      },
    },
    async ({ visitor }, reply) => {
      const { state } = await probe(visitor)
      return reply.code(state === 'connected' ? 200 : 503).send({
        status: state === 'connected' ? 'healthy' : 'unhealthy',
        version,
        environment,
        database: state,
        timestamp: new Date().toISOString(),
      })
    },
  )

  app.get(
    '/ready',
    {
      access: 'public',
      perMinute: Infinity,
      problems: ['database-outdated'],
      schema: {
        operationId: 'getReady',
        summary: 'Check whether the service is ready for requests',
        tags,
        response: { 200: Ready },
      },
    },
    async ({ visitor }) => {
      requireStaying(app)
      requireConnected(await probe(visitor))
      return { status: 'ready' as const }
    },
  )

  app.get(
    '/.well-known/jwks.json',
    {
      access: 'public',
      schema: {
        operationId: 'getKeySet',
        summary: 'Get the public keys of access tokens',
        tags,
        response: { 200: KeySet },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=60').header('access-control-allow-origin', '*')
      return publicKeySet(signingKeys())
    },
  )
}
