import type { WireFormat } from '../http/wire-format.ts'
import type { ProblemCode, ProblemTable } from '../problems.ts'
import { exampleOfProblem, problemSchemaOf, reference } from './components.ts'
import type { Json } from './components.ts'

/** How a document describes errors: as problems, or in the wire format of its paths. */
export interface ErrorStyle {
  mediaType: string
  /** With a title, under which the document names it. */
  schema: Json
  /** The schema of a response that can have only these problems. */
  schemaFor: (codes: readonly ProblemCode[]) => Json
  /** The extension that lists the codes of an operation. */
  listedAs: 'x-problems' | 'x-errors'
  /** The code in this style for a problem. */
  codeOf: (code: ProblemCode) => string
  /** The summary of a code, and an example. */
  exampleOf: (code: ProblemCode) => { summary: string; value: object }
}

/** Errors as problem details (RFC 9457). */
export const problemStyle = (problems: ProblemTable): ErrorStyle => ({
  mediaType: 'application/problem+json',
  schema: problemSchemaOf(problems),
  schemaFor: codes => ({ allOf: [reference('schemas', 'Problem'), { properties: { code: { enum: codes } } }] }),
  listedAs: 'x-problems',
  codeOf: code => code,
  exampleOf: code => exampleOfProblem(problems, code),
})

/** Errors in a wire format: several problems can have one code, and the first of them gives the example. */
export const formatStyle = ({ errors }: WireFormat, problems: ProblemTable): ErrorStyle => ({
  mediaType: 'application/json',
  schema: errors.schema as unknown as Json,
  schemaFor: () => reference('schemas', String((errors.schema as { title?: string }).title)),
  listedAs: 'x-errors',
  codeOf: code => errors.codeOf({ code, status: problems[code]?.[0] ?? 500 }),
  exampleOf: code => {
    const { summary, value } = exampleOfProblem(problems, code)
    return { summary, value: errors.bodyOf(value) }
  },
})
