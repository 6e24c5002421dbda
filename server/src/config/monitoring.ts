import { BadValue, isLoopback, type Kind } from './kinds.ts'
import * as kinds from './kinds.ts'
import type { Variable } from './kinds.ts'
import { isExample } from './secrets.ts'

/** Where errors are reported: the parts of a Sentry DSN, `https://key@host/path/project`. */
export interface SentryProject {
  /** The URL that takes the reports. */
  url: string
  key: string
}

const dsn: Kind<string> = {
  accepts: 'the DSN of a Sentry project, such as `https://key@sentry.example.com/1`; http only on this machine',
  read: text => {
    // rules.ts decides about examples from a copied .env.
    if (!isExample(text)) readProject(text)
    return text
  },
}

/** The parts of a DSN; undefined for none, and for an example. @throws BadValue */
export const projectOf = (text: string | undefined): SentryProject | undefined =>
  text === undefined || isExample(text) ? undefined : readProject(text)

function readProject(text: string): SentryProject {
  const url = URL.parse(text.trim())
  if (url === null || !/^https?:$/.test(url.protocol)) throw new BadValue('is not an http:// or https:// URL')
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) throw new BadValue('is not https')
  if (url.username === '') throw new BadValue('has no key: it stands before an @')
  const [, folder = '', project] = /^(.*)\/(\d+)\/?$/.exec(url.pathname) ?? []
  if (project === undefined) throw new BadValue('does not end in the number of a project')
  return { url: `${url.origin}${folder}/api/${project}/envelope/`, key: url.username }
}

/** The base URL, as OpenTelemetry defines it: the path of the signal is added to it. */
const collector: Kind<string> = {
  accepts: 'an `http://` or `https://` URL without query and fragment, such as `http://localhost:4318`',
  read: text => {
    const url = kinds.page.read(text)
    if (url.endsWith('/v1/traces')) throw new BadValue('has the path /v1/traces, which is added to it')
    return url
  },
}

/** OpenTelemetry's form, like a baggage header: `name=value,name=value`, percent-encoded. */
const headerFields: Kind<Readonly<Record<string, string>>> = {
  accepts: '`name=value`, separated by commas, percent-encoded',
  read: text =>
    Object.fromEntries(
      text.split(',').map(pair => {
        const [, name, value] = /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*([\x21-\x7e]*)\s*$/.exec(pair) ?? []
        if (name === undefined || value === undefined) throw new BadValue('has an entry that is not name=value')
        try {
          return [name, decodeURIComponent(value)]
        } catch {
          throw new BadValue('has a % that does not begin an escape; write a literal % as %25')
        }
      }),
    ),
}

const share: Kind<number> = kinds.trimmed('a number from 0 to 1', text => {
  if (!/^(0|1|0?\.\d+|[01]\.0*|0\.\d+)$/.test(text)) throw new BadValue('is not a number from 0 to 1')
  return Number(text)
})

/** The variables of metrics, traces and error reports. */
export const monitoringVariables = {
  SLOW_QUERY_MS: {
    kind: kinds.integer(0, 600_000),
    default: '1000',
    about:
      'A statement that takes at least as long is logged, without its parameters. Milliseconds; 0: none is logged.',
  },
  ENABLE_METRICS: {
    kind: kinds.boolean,
    default: 'false',
    about: 'Whether the service serves metrics for Prometheus at `/metrics`, and `freehold worker` at `METRICS_PORT`.',
  },
  METRICS_TOKEN: {
    kind: kinds.bearerToken(32),
    secret: true,
    about:
      'Bearer token that gives access to metrics, health details and documents; `openssl rand -hex 32` generates one. ' +
      'Outside development it must have at least 8 different characters.',
  },
  METRICS_PORT: {
    kind: kinds.integer(1, 65535),
    default: '9464',
    about: 'The port at which `freehold worker`, which serves nothing else, serves metrics.',
  },
  PUBLIC_MONITORING: {
    kind: kinds.boolean,
    default: 'true',
    deployedDefault: 'false',
    about: 'Whether metrics and health details are public; otherwise they require `METRICS_TOKEN` or a superuser.',
  },
  PUBLIC_DOCUMENTS: {
    kind: kinds.boolean,
    default: 'true',
    deployedDefault: 'false',
    about: 'Whether the API documents are public; otherwise they require `METRICS_TOKEN` or a superuser.',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    kind: collector,
    about: 'The OpenTelemetry collector that traces are sent to, by OTLP over HTTP; without it there are none.',
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    kind: headerFields,
    secret: true,
    about: 'Header fields for the collector, such as its access token.',
  },
  OTEL_SERVICE_NAME: { kind: kinds.line, default: 'freehold', about: 'The name of the service in traces.' },
  OTEL_TRACES_SAMPLER_ARG: {
    kind: share,
    default: '1',
    about:
      'The share of traces that are recorded. A request that belongs to the trace of its client is recorded if the client ' +
      'records it.',
  },
  SENTRY_DSN: { kind: dsn, secret: true, about: 'The Sentry project to which errors are reported.' },
} as const satisfies Record<string, Variable>
