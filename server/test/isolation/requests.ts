// Builds a request to any operation from the values of its caller.

import { randomBytes, randomUUIDv7 } from 'node:crypto'
import type { Operation, Place, Resource } from './operations.ts'
import { randomWord, words } from './values.ts'
import type { Kind } from './values.ts'
import type { World } from './world.ts'

export interface Request {
  method: string
  path: string
  body: Record<string, unknown> | undefined
  headers: Record<string, string>
}

/**
 * The request that creates a resource: its places are looked up, everything else comes from the schemas' examples. If a
 * word is given, every text contains it, so that the row can be found wherever it appears.
 */
export function buildCreation(
  { kind, create }: Resource,
  own: Readonly<Record<Kind, string>>,
  word?: string,
): { path: string; body: Record<string, unknown> } {
  let { path } = create
  const body: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(create.plain ?? {}))
    body[name] = word !== undefined && create.texts.has(name) ? `${String(value)} ${word}` : value
  for (const place of create.places) {
    if (place.where !== 'path' && place.where !== 'body') continue
    if (isOptionalParent(create, place, kind)) continue
    const value = own[place.kind] ?? newWord(place.kind, `${kind}-${word ?? randomWord()}`)
    if (value === undefined)
      throw new Error(`${create.id} takes a ${place.kind} (${place.name}), and the isolation attack has none`)
    if (place.where === 'path') path = path.replace(`{${place.name}}`, value)
    else body[place.name] = value
  }
  return { path, body }
}

/** Places in a path and a body must be given; a filter or a header only if the request is about it. */
const isNeeded = ({ where }: Place): boolean => where === 'path' || where === 'body'

/** A body may name another resource of the same kind, such as the one above it; the resource itself would be a cycle. */
const isOptionalParent = ({ schemas }: Operation, { where, name, kind }: Place, own: Kind | undefined): boolean =>
  where === 'body' && kind === own && schemas[name]?.required === false && schemas[name].nullable

/** A request of that caller in which the `given` places hold these values and all others the caller's own. */
export function buildRequest(operation: Operation, world: World, given: ReadonlyMap<Place, string>): Request {
  const { id, method, path, places, plain, plainQuery, alternatives } = operation
  const own = places.findLast(({ where }) => where === 'path')?.kind
  const chosen =
    alternatives.find(name => [...given.keys()].some(place => place.where === 'body' && place.name === name)) ??
    alternatives[0]
  const headers: Record<string, string> = {}
  const query = new URLSearchParams()
  const body: Record<string, unknown> = {}
  let filled = path
  if ('limit' in plainQuery) query.set('limit', '100')
  const isLeftOut = (name: string) => alternatives.includes(name) && name !== chosen
  for (const [name, value] of Object.entries(plain ?? {}))
    if (!isLeftOut(name)) body[name] = typeof value === 'function' ? (value as (world: World) => unknown)(world) : value
  for (const place of places) {
    if (!given.has(place) && (!isNeeded(place) || isOptionalParent(operation, place, own))) continue
    if (place.where === 'body' && isLeftOut(place.name)) continue
    const value = given.get(place) ?? ownValue(id, place, world)
    if (place.where === 'path') filled = filled.replace(`{${place.name}}`, encodeURIComponent(value))
    else if (place.where === 'query') query.set(place.name, value)
    else if (place.where === 'body') body[place.name] = place.isList ? [value] : value
    else headers[place.name.toLowerCase()] = value
    if (place.kind === 'cursor') query.set('limit', '1')
  }
  return {
    method,
    path: filled + (query.size > 0 ? `?${query}` : ''),
    body: plain === undefined ? undefined : body,
    headers,
  }
}

/** An address or a name that is not used yet. */
function newWord(kind: Kind, word: string): string | undefined {
  if (kind === 'email') return `${word}@example.com`
  if (kind === 'code') return word.replace(/^[a-z]+-/, '').toUpperCase()
  return kind === 'slug' || kind === 'username' ? word : undefined
}

/** What the caller would send, so that the operation succeeds. */
function ownValue(id: string, { kind }: Place, world: World): string {
  switch (kind) {
    case 'user':
      return world.member_id
    case 'email':
      return id === 'logIn' || id === 'v5LogIn' ? world.email : `new-${randomWord()}@example.com`
    case 'username':
      return id === 'logIn' ? world.username : `new-${randomWord()}`
    case 'slug':
      return `new-${randomWord()}`
    case 'code':
      return `NEW-${randomWord()}`.toUpperCase()
    default: {
      const own = world.own[kind]
      if (own === undefined) throw new Error(`${id} needs a ${kind}, and its caller has none`)
      return own
    }
  }
}

/** A value that does not exist, in the form of the foreign value `like`. */
export function randomLike({ kind }: Place, like: string): string {
  if (!words.includes(kind)) return randomUUIDv7()
  switch (kind) {
    case 'email':
      return `nobody-${randomWord()}@example.com`
    case 'code':
      return `ABSENT-${randomWord()}`.toUpperCase()
    case 'tag':
      return like.replace(/^"[^.]+/, () => `"${randomUUIDv7()}`)
    case 'cursor':
      return randomBytes(Buffer.from(like, 'base64url').length).toString('base64url')
    default:
      return `absent-${randomWord()}`
  }
}
