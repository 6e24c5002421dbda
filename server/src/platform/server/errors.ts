import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Notices } from '../pages/notice.ts'
import { isNavigation, sendProblemPage } from '../pages/problem-page.ts'
import { readAddress } from '../addresses.ts'
import { answers as answered } from '../observation/channels.ts'
import { formatOf } from '../http/wire-format.ts'
import type { ProblemBody, WireFormat } from '../http/wire-format.ts'
import { Problem } from '../problems.ts'
import type { FieldError, ProblemCode, ProblemTable } from '../problems.ts'
import { noteFailure, reportFault } from '../observation/failures.ts'
import { recordRefusal } from './logging.ts'
import { methodsOfRefused, pathOfRefused } from './unrouted.ts'
import type { RouteTable } from './unrouted.ts'

/** Our problems for the errors of Fastify before a handler runs. */
const frameworkProblems: Record<string, ProblemCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
}

/** Our problems for the errors of the HTTP parser; all others are `malformed-request`. */
const parserProblems: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
}

/**
 * Answers every error without internal information: with problem details (RFC 9457), in the format of the path if that
 * has one of its own, or a browser that navigates with a page.
 */
export function answerErrors(app: FastifyInstance, answers: Answers): void {
  const { problems } = answers

  // An unknown expectation is ignored (RFC 9110, section 10.1.1); Node would answer with an empty 417.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))

  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = problemOf(error)
    const status = statusOf(problems, problem.code)
    if (status === 500) reportFault(request, 'unexpected error', error)
    else if (status > 500 && problem.cause !== undefined) noteFailure(app.log, problem.code, problem.cause)
    return sendProblem(reply, request, problem, answers)
  })

  // unrouted.ts has already refused requests without a route; the ones here were given up by their route.
  app.setNotFoundHandler((request, reply) => sendProblem(reply, request, new Problem('not-found'), answers))
}

export function problemOf(error: FastifyError): Problem {
  if (error instanceof Problem) return error
  const code = frameworkProblems[error.code]
  if (code !== undefined) return new Problem(code)
  // Other errors that Fastify attributes to the request: malformed JSON, a wrong length, a key such as __proto__.
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return new Problem('malformed-request')
  if (error.statusCode === 503) return new Problem('shutting-down', { retryAfter: 1 })
  return new Problem('internal-error', { cause: error })
}

interface Answers {
  problems: ProblemTable
  formats: readonly WireFormat[]
  publicUrl: string
  notices: Notices
}

/** The status of a code, as a feature's table declares it. */
export const statusOf = (problems: ProblemTable, code: ProblemCode): number => problems[code]?.[0] ?? 500

const bodyOf = (
  code: ProblemCode,
  { problems, publicUrl }: Omit<Answers, 'notices'>,
  request_id: string,
  errors?: readonly FieldError[],
  extension?: Readonly<Record<string, unknown>>,
): ProblemBody => {
  const [status, title, detail] = problems[code] ?? [500, code, '']
  const type = `${publicUrl}/problems#${code}`
  return { type, title, status, detail, code, request_id, ...(errors && { errors }), ...extension }
}

function sendProblem(
  reply: FastifyReply,
  request: FastifyRequest,
  { code, errors, retryAfter, extension }: Problem,
  answers: Answers,
): FastifyReply {
  recordRefusal(request, code)
  const status = statusOf(answers.problems, code)
  if (status === 401) reply.header('www-authenticate', challengeOf(answers.problems, code))
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
  reply.removeHeader('etag').removeHeader('location')
  const format = formatOf(answers.formats, request.originalUrl)
  if (format === undefined && isNavigation(request)) return sendProblemPage(answers.notices, reply, status, code)
  const { type, body } = inFormat(format, bodyOf(code, answers, request.id, errors, extension))
  return reply.code(status).header('cache-control', 'no-store').type(type).serializer(JSON.stringify).send(body)
}

/** The content of the response in the format of its path. */
const inFormat = (format: WireFormat | undefined, problem: ProblemBody): { type: string; body: object } =>
  format === undefined
    ? { type: 'application/problem+json', body: problem }
    : { type: 'application/json', body: format.errors.bodyOf(problem) }

/** RFC 6750, section 3: a request without a token gets no error code; RFC 9470 for a step-up. */
function challengeOf(problems: ProblemTable, code: ProblemCode): string {
  if (code === 'not-signed-in' || code === 'invalid-credentials') return 'Bearer'
  return `Bearer error="${code === 'step-up-required' ? 'insufficient_user_authentication' : 'invalid_token'}", error_description="${problems[code]?.[1]}"`
}

/** Input that the parser refuses never becomes a request, but it also gets a problem and a line in the log. */
export const answerUnreadable =
  ({
    headers,
    log,
    routes,
    ...answers
  }: Answers & {
    headers: Readonly<Record<string, string>>
    log: FastifyBaseLogger
    /** Undefined while there is no server yet. */
    routes: () => RouteTable | undefined
  }) =>
  (error: Error & { code?: string; rawPacket?: unknown }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const { problems, formats } = answers
    const url = pathOfRefused(error.rawPacket)
    const allowed = error.code === 'HPE_INVALID_METHOD' ? methodsOfRefused(routes(), formats, url) : []
    const code = allowed.length > 0 ? 'method-not-allowed' : (parserProblems[error.code ?? ''] ?? 'malformed-request')
    const [status, title] = problems[code] ?? [400, code]
    const request_id = randomUUID()
    log.info(
      { method: null, route: null, status, request_id, ip: readAddress(socket.remoteAddress ?? '') ?? '' },
      'request',
    )
    answered.publish({
      method: '',
      route: undefined,
      status,
      milliseconds: 0,
      received: undefined,
      sent: undefined,
      problem: code,
    })
    const { type, body: content } = inFormat(
      url === undefined ? undefined : formatOf(formats, url),
      bodyOf(code, answers, request_id),
    )
    const body = JSON.stringify(content)
    const fields = {
      ...headers,
      ...(allowed.length > 0 && { allow: allowed.join(', ') }),
      'x-request-id': request_id,
      'cache-control': 'no-store',
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    }
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.end(`HTTP/1.1 ${status} ${title}\r\n${lines.join('')}\r\n${body}`)
  }
