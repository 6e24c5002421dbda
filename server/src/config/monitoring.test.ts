import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertFault, faultsOf, load, production } from '../../test/environments.ts'

// Red when: the DSN is taken apart otherwise, or one of the checks goes, such as that of a token that no client can send.
test('a Sentry DSN, a collector and a metrics token are checked, and never shown', () => {
  assert.deepEqual(load({ SENTRY_DSN: 'https://abc@sentry.example.com/7' }).sentry, {
    url: 'https://sentry.example.com/api/7/envelope/',
    key: 'abc',
  })
  assert.equal(
    load({ SENTRY_DSN: 'http://k@127.0.0.1:9000/own/42/' }).sentry?.url,
    'http://127.0.0.1:9000/own/api/42/envelope/',
  )
  const example = load({ SENTRY_DSN: 'https://your-sentry-dsn' })
  assert.equal(example.sentry, undefined)
  assert.deepEqual(example.warnings, ['SENTRY_DSN is an example: errors are only logged'])
  for (const [SENTRY_DSN, fault] of [
    ['https://sentry.example.com/7', /has no key/],
    ['https://key-of-mine@sentry.example.com/', /does not end in the number of a project/],
    ['http://key-of-mine@sentry.example.com/7', /is not https/],
    ['sentry.example.com', /is not an http/],
  ] as const) {
    assertFault({ SENTRY_DSN }, fault)
    assert.doesNotMatch(faultsOf({ SENTRY_DSN }).join(), /key-of-mine/)
  }
  assertFault({ METRICS_TOKEN: 'x'.repeat(31) }, /^METRICS_TOKEN: has 31 characters; accepted: at least 32 characters/)
  for (const unsendable of ['a b', 'ä', '\u0000'])
    assertFault({ METRICS_TOKEN: unsendable.repeat(32) }, /^METRICS_TOKEN: has a space or a character outside ASCII/)
  assert.equal(load({ METRICS_TOKEN: ` ${'x'.repeat(32)} ` }).metrics.token, 'x'.repeat(32))
  assertFault({ ...production, METRICS_TOKEN: 'x'.repeat(32) }, /^METRICS_TOKEN: has too few different characters/)
  assertFault({ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' }, /^OTEL_EXPORTER_OTLP_ENDPOINT: does not begin with/)
  for (const end of ['', '/'])
    assertFault(
      { OTEL_EXPORTER_OTLP_ENDPOINT: `http://localhost:4318/v1/traces${end}` },
      /^OTEL_EXPORTER_OTLP_ENDPOINT: has the path \/v1\/traces, which is added to it/,
    )
  assertFault(
    { OTEL_EXPORTER_OTLP_HEADERS: 'my-secret' },
    /^OTEL_EXPORTER_OTLP_HEADERS: has an entry that is not name=value/,
  )
  for (const OTEL_TRACES_SAMPLER_ARG of ['2', '-1', 'half', ''.padStart(2, '.')])
    assertFault({ OTEL_TRACES_SAMPLER_ARG }, /^OTEL_TRACES_SAMPLER_ARG: is not a number from 0 to 1/)
  assert.deepEqual(
    load({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318/',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x, tenant=a',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    }).traces,
    {
      endpoint: 'http://localhost:4318',
      headers: { authorization: 'Bearer x', tenant: 'a' },
      serviceName: 'freehold',
      sampledShare: 0.25,
    },
  )
})
