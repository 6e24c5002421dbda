import { AsyncLocalStorage } from 'node:async_hooks'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Attributes, Context, Span, SpanContext } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../../config/config.ts'
import { noteFailure } from '../../platform/observation/failures.ts'
import type { FailureSink } from '../../platform/observation/failures.ts'
import { answers, arrivals, jobEnds, jobStarts, sendings, statements } from '../../platform/observation/channels.ts'
import { knownMethod } from '../../platform/observation/requests.ts'
import { provideTraceParent } from '../../platform/observation/trace-parent.ts'
import { sentMethodOf } from '../../platform/server/head.ts'

export interface Tracing {
  /** Sends what has not been sent, for at most two seconds. */
  close(): Promise<void>
}

/** How long a batch of spans may take to send, and the last ones at the end. Milliseconds. */
const SEND_MS = 5000
const LAST_SPANS_MS = 2000

/** How much of a statement a span has. Characters. */
const STATEMENT_TEXT = 2000

/**
 * Records a span for each request, its statements, and each job, and sends them by OTLP. A span has names from the code
 * (the route pattern, the statement without parameters, the queue), ids of requests and jobs, and codes: no path, query,
 * header, address or parameter.
 */
export function startTracing(
  { endpoint, headers, serviceName, sampledShare }: NonNullable<Config['traces']>,
  { version, environment, log }: { version: string; environment: string; log: FailureSink },
  { sendMs = SEND_MS } = {},
): Tracing {
  const share = new TraceIdRatioBasedSampler(sampledShare)
  const exporter = new OTLPTraceExporter({
    url: `${endpoint}/v1/traces`,
    headers: { ...headers },
    timeoutMillis: sendMs,
    httpAgentOptions: protocol => openAgent(protocol, sendMs),
  })
  const provider = new TracerProvider({
    // A client can decide that its request is not recorded, but not that we record more than our share.
    sampler: new ParentBasedSampler({ root: share, remoteParentSampled: share }),
    resource: resourceFromAttributes({
      'service.name': serviceName,
      'service.version': version,
      'deployment.environment.name': environment,
    }),
    spanProcessors: [new BatchSpanProcessor({ exporter: noteFailures(exporter, log), exportTimeoutMillis: sendMs })],
  })
  const tracer = provider.getTracer('freehold', version)
  /** The context of the request or job that the code runs for. */
  const current = new AsyncLocalStorage<Context>()
  const spans = new WeakMap<object, Span>()

  function readCurrent(): string | undefined {
    const context = trace.getSpan(current.getStore() ?? ROOT_CONTEXT)?.spanContext()
    return context && writeTraceParent(context)
  }

  function beginRequest(request: FastifyRequest): Context {
    const { config } = request.routeOptions
    // Probes would hide everything else.
    if (config.rules?.perMinute === Infinity) return ROOT_CONTEXT
    const parent = contextOf(request.headers['traceparent'])
    const url = request.is404 ? undefined : request.routeOptions.url
    const method = knownMethod(sentMethodOf(request.raw))
    const attributes: Attributes = { 'http.request.method': method ?? '_OTHER', 'freehold.request_id': request.id }
    if (url !== undefined) attributes['http.route'] = url
    const name = `${method ?? 'HTTP'} ${url ?? '(none)'}`
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent)
    spans.set(request, span)
    return trace.setSpan(ROOT_CONTEXT, span)
  }

  const ends = [
    arrivals.bind(current, ({ request }) => beginRequest(request)),
    answers.subscribe(({ request, status, problem }) => {
      const span = request && spans.get(request)
      if (span === undefined) return
      span.setAttribute('http.response.status_code', status)
      if (problem !== undefined) span.setAttribute('error.type', problem)
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end()
    }),
    statements.subscribe(({ login, text, milliseconds, error }) => {
      const parent = current.getStore()
      if (parent === undefined || !trace.getSpan(parent)?.isRecording()) return
      const now = Date.now()
      const span = tracer.startSpan(
        `${/^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'SQL'} ${login}`,
        {
          kind: SpanKind.CLIENT,
          startTime: now - milliseconds,
          attributes: {
            'db.system.name': 'postgresql',
            'db.query.text': text.replaceAll(/\s+/g, ' ').slice(0, STATEMENT_TEXT),
            'freehold.login': login,
          },
        },
        parent,
      )
      if (error !== undefined) {
        span.setAttribute('error.type', codeOf(error))
        span.setStatus({ code: SpanStatusCode.ERROR })
      }
      span.end(now)
    }),
    jobStarts.bind(current, started => {
      const { queue, id, traceparent } = started
      const attributes = { 'freehold.queue': queue, 'freehold.job_id': id }
      const span = tracer.startSpan(`job ${queue}`, { kind: SpanKind.CONSUMER, attributes }, contextOf(traceparent))
      spans.set(started.data, span)
      return trace.setSpan(ROOT_CONTEXT, span)
    }),
    jobEnds.subscribe(({ data, error }) => {
      const span = spans.get(data)
      if (error !== undefined) span?.setStatus({ code: SpanStatusCode.ERROR }).setAttribute('error.type', codeOf(error))
      span?.end()
    }),
    provideTraceParent(readCurrent),
    sendings.subscribe(({ to, headers: fields }) => {
      // Servers that someone else has chosen learn nothing about our traces.
      const traceparent = to === 'operator' ? readCurrent() : undefined
      if (traceparent !== undefined) fields.set('traceparent', traceparent)
    }),
  ]
  return {
    close: async () => {
      ends.forEach(end => end())
      const stopped = provider.shutdown().catch((error: unknown) => noteFailure(log, 'traces could not be sent', error))
      const { promise: late, resolve } = Promise.withResolvers<void>()
      setTimeout(resolve, LAST_SPANS_MS).unref()
      await Promise.race([stopped, late])
    },
  }
}

/**
 * Makes a connection for each batch, and closes it after that time whatever the collector does: the library waits for as
 * long as the collector goes on to send something.
 */
function openAgent(protocol: string, sendMs: number): HttpAgent {
  const agent = protocol === 'https:' ? new HttpsAgent() : new HttpAgent()
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (...given) => {
    const socket = connect(...given)
    const timer = setTimeout(() => socket?.destroy(), sendMs)
    socket?.once('close', () => clearTimeout(timer))
    return socket
  }
  return agent
}

/** The same exporter, which logs what it cannot send. */
const noteFailures = (exporter: SpanExporter, log: FailureSink): SpanExporter => ({
  export: (spans, done) =>
    exporter.export(spans, result => {
      if (result.error !== undefined)
        noteFailure(log, 'traces could not be sent to OTEL_EXPORTER_OTLP_ENDPOINT', result.error)
      done(result)
    }),
  forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  shutdown: () => exporter.shutdown(),
})

/**
 * The context of a trace that others have begun (W3C Trace Context), or the root if there is none that is valid. Their
 * `tracestate`, which may be any text, goes nowhere.
 */
function contextOf(traceparent: unknown): Context {
  const [, version, traceId = '', spanId = '', flags = '', rest] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(String(traceparent)) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && rest !== undefined)) return ROOT_CONTEXT
  const context: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & 1,
    isRemote: true,
  }
  // The tracer ignores ids that consist of zeros.
  return trace.setSpanContext(ROOT_CONTEXT, context)
}

const writeTraceParent = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`

/** The code of a database's or problem's error, or the name of its class; messages can quote values. */
const codeOf = (error: unknown): string => {
  const { code, name } = error as { code?: unknown; name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'error'
}
