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

// Red when: lowerIdsOf leaves out a way in which a schema holds another one.
test('ids in upper case become the ids that the database returns, wherever a schema has one', () => {
  const id = { type: 'string', format: 'uuid' }
  const properties = {
    id,
    parent: { type: ['string', 'null'], format: 'uuid' },
    ids: { type: 'array', items: id },
    rows: { type: 'array', items: { type: 'object', properties: { id } } },
    name: { type: 'string' },
  }
  const one = { anyOf: [{ type: 'object', properties: { place: id } }] }
  const other = { oneOf: [{ type: 'object', properties: { owner: id } }, { type: 'null' }] }
  const schema = { type: 'object', properties, allOf: [one, other] }
  const validate = compileValidator({ schema, method: 'POST', url: '/', httpPart: 'body' })
  const lower = '01a2266f-4738-7b89-bc08-bc1b99406148'
  const bodyOf = (given: string) => ({
    id: given,
    parent: given,
    ids: [given],
    rows: [{ id: given }],
    name: 'ABC',
    place: given,
    owner: given,
  })
  const nulls = { ...bodyOf(lower), parent: null }
  assert.deepEqual(validate(bodyOf(lower.toUpperCase())), { value: bodyOf(lower) })
  assert.deepEqual(validate(nulls), { value: nulls })
})
