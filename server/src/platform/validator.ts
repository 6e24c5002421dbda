import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Options, ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { TSchema } from 'typebox'
import { Email } from './schemas.ts'
import { isLine } from './texts.ts'

const options: Options = {
  allErrors: true,
  useDefaults: true,
  strict: true,
  strictTypes: false,
  keywords: ['x-names'],
  // That our schemas are schemas is looked at by a test: at run time it would cost every start the compiling of the meta-schema.
  validateSchema: false,
}

/** JSON says its types. */
export const exactValidator = new Ajv2020(options)
/** A query string and a path cannot: their texts become what the schema says. */
export const coercingValidator = new Ajv2020({ ...options, coerceTypes: true })
for (const validator of [exactValidator, coercingValidator])
  addFormats.default(validator, ['uuid', 'email', 'date-time', 'password', 'uri']).addFormat('line', isLine)

const compiled = new WeakMap<TSchema, ValidateFunction>()

/** Whether a value is as its schema says; the schema is compiled when it is first asked about. */
export function matches(schema: TSchema, value: unknown): boolean {
  let validate = compiled.get(schema)
  if (validate === undefined) compiled.set(schema, (validate = exactValidator.compile(schema)))
  return validate(value)
}

/** Whether it is an e-mail address as the API takes them, for what is no JSON. */
export const isEmail = (text: string): boolean => matches(Email, text)
