import { Ajv2020 } from 'ajv/dist/2020.js'
import type { KeywordDefinition, Options, ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { TSchema } from 'typebox'
import { Email } from './schemas.ts'
import { isLine } from './texts.ts'

/** `x-one-of`: exactly one of these properties is given. With `oneOf`, a fault would be reported for each variant. */
const oneOfProperties: KeywordDefinition = { keyword: 'x-one-of', type: 'object', validate: hasOne }

function hasOne(names: readonly string[], data: object): boolean {
  const given = names.filter(name => Object.hasOwn(data, name))
  const message = `give exactly one of ${names.join(', ')}`
  Object.assign(hasOne, { errors: [{ keyword: 'x-one-of', params: { property: given[1] ?? names[0] }, message }] })
  return given.length === 1
}

const options: Options = {
  allErrors: true,
  useDefaults: true,
  strict: true,
  strictTypes: false,
  keywords: ['x-names', oneOfProperties],
  // A test checks that our schemas are valid; at run time, every start would have to compile the meta-schema.
  validateSchema: false,
}

/** RFC 9562, section 4, without the prefix of a URN, which PostgreSQL does not read. */
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i

/** For JSON, which has types. */
export const exactValidator = new Ajv2020(options)
/** For query strings and paths, whose texts are converted to the types of the schema. */
export const coercingValidator = new Ajv2020({ ...options, coerceTypes: true })
for (const validator of [exactValidator, coercingValidator])
  addFormats
    .default(validator, ['email', 'date-time', 'date', 'password', 'uri'])
    .addFormat('line', isLine)
    .addFormat('uuid', UUID)

const compiled = new WeakMap<TSchema, ValidateFunction>()

/** Whether a value matches its schema, which is compiled at the first call. */
export function matches(schema: TSchema, value: unknown): boolean {
  let validate = compiled.get(schema)
  if (validate === undefined) compiled.set(schema, (validate = exactValidator.compile(schema)))
  return validate(value)
}

/** Whether a text is an email address that the API accepts, for input that is not JSON. */
export const isEmail = (text: string): boolean => matches(Email, text)
