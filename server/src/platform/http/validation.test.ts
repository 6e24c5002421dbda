import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import { Ajv2020 } from 'ajv/dist/2020.js'
import Fastify from 'fastify'
import type { RouteOptions } from 'fastify'
import { createTestApp } from '../../../test/test-app.ts'
import type { App } from './route.ts'
import { compileValidator, schemaController } from './validation.ts'

const { services } = await createTestApp()
const app: App = Fastify({ schemaController })
after(() => app.close())
const routes: RouteOptions[] = []
app.addHook('onRoute', route => void routes.push(route))
for (const { name, routes: own = [], rootRoutes = [] } of services.declared.features)
  for (const register of [...own, ...rootRoutes])
    await app.register(async (scope: App) => register(scope, services), { prefix: `/${name}` })

// Red when: a schema names a keyword or a format that is not known, or is no schema.
test('every schema of every route compiles, though a start compiles none', () => {
  const ajv = new Ajv2020()
  const compile = SerializerSelector()({}, {})
  let compiled = 0
  for (const { method, url, schema } of routes) {
    const place = `${String(method)} ${url}`
    for (const httpPart of ['body', 'querystring', 'params', 'headers'] as const) {
      const given = schema?.[httpPart] as { content?: Record<string, { schema: object }> } | undefined
      if (given === undefined) continue
      // A body of several types has a schema for each.
      const parts = given.content === undefined ? [given] : Object.values(given.content).map(one => one.schema)
      for (const part of parts) {
        compiled++
        assert.ok(ajv.validateSchema(part), `${place}, ${httpPart}: ${ajv.errorsText()}`)
        compileValidator({ schema: part, method: String(method), url, httpPart })({})
      }
    }
    for (const [status, response] of Object.entries((schema?.response ?? {}) as Record<string, object>)) {
      // One that refers to the components of the document is serialized by its route.
      if ('content' in response || JSON.stringify(response).includes('"$ref"')) continue
      compiled++
      assert.ok(ajv.validateSchema(response), `${place}, ${status}: ${ajv.errorsText()}`)
      assert.doesNotThrow(
        () => compile({ schema: response, method: 'GET', url, httpStatus: status }),
        `${place}, ${status}`,
      )
    }
  }
  assert.ok(compiled > 100, `only ${compiled} schemas`)
})
