import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Condition } from '../core/conditional.ts'

/** A strong entity tag (RFC 9110, section 8.8.3): the resource's id and version, so one of another resource never fits. */
export const entityTag = (id: string, version: number): string => `"${id}.${version}"`

/** Sends a resource with its tag, leaving its version out of the body. */
export function sendTagged<Resource extends { version: number }>(reply: FastifyReply, id: string, resource: Resource): Resource {
  reply.header('etag', entityTag(id, resource.version))
  return resource
}

/** The versions that If-Match accepts for this resource; a tag that is weak, foreign or malformed accepts none. */
export function conditionOf(request: FastifyRequest, id: string): Condition {
  const header = request.headers['if-match']
  if (header === undefined || header.trim() === '*') return undefined
  return header.split(',').flatMap(tag => {
    const version = new RegExp(`^"${id}\\.(\\d{1,9})"$`).exec(tag.trim())?.[1]
    return version === undefined ? [] : [Number(version)]
  })
}
