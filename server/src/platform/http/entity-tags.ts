import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Condition } from '../database/conditional.ts'

/** A strong entity tag (RFC 9110, section 8.8.3): id and version, so tags of other resources never match. */
const entityTag = (id: string, version: number): string => `"${id}.${version}"`

/** Sends a resource with its tag, or 304 if the client has it; the route's schema omits the version from the body. */
export function sendTagged<Resource extends { version: number }>(
  reply: FastifyReply,
  id: string,
  resource: Resource,
): Resource {
  const tag = entityTag(id, resource.version)
  reply.header('etag', tag)
  const { method, headers } = reply.request
  if (method !== 'GET' || !isKnown(headers['if-none-match'], tag)) return resource
  // Fastify accepts a returned reply; the type that the route declared is still the resource.
  return reply.code(304).send() as unknown as Resource
}

/** Compared weakly (RFC 9110, section 13.1.2): a proxy that compresses makes tags weak. */
const isKnown = (known: string | undefined, tag: string): boolean =>
  known !== undefined && (known.trim() === '*' || known.split(',').some(one => one.trim().replace(/^W\//, '') === tag))

/** The versions that If-Match accepts for this resource; a tag that is weak, foreign or malformed accepts none. */
export function conditionOf(request: FastifyRequest, id: string): Condition {
  const header = request.headers['if-match']
  if (header === undefined || header.trim() === '*') return undefined
  return header.split(',').flatMap(tag => {
    const version = new RegExp(`^"${id}\\.(\\d{1,9})"$`, 'i').exec(tag.trim())?.[1]
    return version === undefined ? [] : [Number(version)]
  })
}
