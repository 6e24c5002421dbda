import type { TSchema } from 'typebox'
import type { Routes } from '../feature.ts'
import type { ProblemCode } from '../problems.ts'

/** A problem as the body of its response (RFC 9457). */
export interface ProblemBody {
  type: string
  title: string
  status: number
  detail: string
  code: ProblemCode
  request_id: string
  errors?: readonly { pointer: string; detail: string }[]
  /** Additional members, such as `mfa_token`. */
  [extension: string]: unknown
}

/** Operations with a wire format of their own: at their own paths, with their own errors and OpenAPI document. */
export interface WireFormat {
  /** The base path of its routes, such as `/api/v5`. Errors of every path below it have its format. */
  path: string
  /** A second base path for the same routes; limits count both as one. */
  alias: string
  /** The description of its OpenAPI document. */
  description: string
  routes: readonly Routes[]
  errors: {
    /** The schema of an error response; its title is its name in the OpenAPI document. */
    schema: TSchema
    /** The format's own code for a problem, from a small documented list. */
    codeOf(problem: Pick<ProblemBody, 'code' | 'status'>): string
    /** The error response for a problem. */
    bodyOf(problem: ProblemBody): object
  }
}

const isBelow = (base: string, url: string): boolean =>
  url.startsWith(base) && (url.length === base.length || url[base.length] === '/' || url[base.length] === '?')

/** The format of the path, which may begin with either base path; undefined: our own. */
export const formatOf = (formats: readonly WireFormat[], url: string): WireFormat | undefined =>
  formats.find(({ path, alias }) => isBelow(path, url) || isBelow(alias, url))

/** The path below the first base path of its format. */
export function mainPathOf(formats: readonly WireFormat[], url: string): string {
  const format = formats.find(({ alias }) => isBelow(alias, url))
  return format === undefined ? url : format.path + url.slice(format.alias.length)
}
