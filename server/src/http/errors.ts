import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { Problem, problems } from '../core/problems.ts'
import type { ProblemCode } from '../core/problems.ts'

/** What the framework refuses before a handler runs, in our words. */
const frameworkProblems: Record<string, ProblemCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_MAX_PARAM_LENGTH: 'path-too-long',
  FST_ERR_ROUTE_MISSING_PARAM: 'not-found',
}

/** One place answers every error, as RFC 9457 problem details; nothing internal leaves. */
export function answerErrors(app: FastifyInstance, publicUrl: string): void {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', route => void routes.push(route))

  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = problemOf(error)
    if (problem.status === 500) request.log.error({ err: error }, 'unexpected error')
    else if (problem.cause !== undefined) request.log.warn({ err: problem.cause }, problem.code)
    return sendProblem(reply, request, problem, publicUrl)
  })

  app.setNotFoundHandler((request, reply) => {
    const allowed = methodsAt(routes, request)
    if (allowed.length === 0) return sendProblem(reply, request, new Problem('not-found'), publicUrl)
    reply.header('allow', allowed.join(', '))
    return sendProblem(reply, request, new Problem('method-not-allowed'), publicUrl)
  })
}

function problemOf(error: FastifyError): Problem {
  if (error instanceof Problem) return error
  const code = frameworkProblems[error.code]
  if (code !== undefined) return new Problem(code)
  // Whatever else the framework blames on the request: broken JSON, a wrong length, a poisoned key.
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) return new Problem('malformed-request')
  if (error.statusCode === 503) return new Problem('shutting-down', { retryAfter: 1 })
  return new Problem('internal-error', { cause: error })
}

export function sendProblem(reply: FastifyReply, request: FastifyRequest, problem: Problem, publicUrl: string): FastifyReply {
  const { code, errors, retryAfter } = problem
  const [status, title, detail] = problems[code]
  if (status === 401) reply.header('www-authenticate', challengeOf(code))
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
  const body = { type: `${publicUrl}/problems#${code}`, title, status, detail, code, request_id: request.id, ...(errors && { errors }) }
  return reply.code(status).header('cache-control', 'no-store').type('application/problem+json').serializer(JSON.stringify).send(body)
}

/** RFC 6750, section 3: a request without a token gets no error code; RFC 9470 for a step-up. */
function challengeOf(code: ProblemCode): string {
  if (code === 'not-signed-in' || code === 'invalid-credentials') return 'Bearer'
  return `Bearer error="${code === 'step-up-required' ? 'insufficient_user_authentication' : 'invalid_token'}", error_description="${problems[code][1]}"`
}

/** The methods that some route answers at this path. */
function methodsAt(routes: readonly RouteOptions[], request: FastifyRequest): string[] {
  const path = request.url.split('?', 1)[0] ?? ''
  const there = routes.filter(({ url }) => new RegExp(`^${url.replace(/:\w+/g, '[^/]+').replace('*', '.*')}$`).test(path))
  return [...new Set(there.flatMap(({ method }) => method))].sort()
}

/** What the parser refuses never becomes a request; it still gets a problem. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const code = error.code === 'HPE_HEADER_OVERFLOW' ? 'headers-too-large' : 'malformed-request'
  const [status, title, detail] = problems[code]
  const body = JSON.stringify({ type: 'about:blank', title, status, detail, code })
  socket.end(`HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`)
}
