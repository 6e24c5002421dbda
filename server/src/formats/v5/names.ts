/** v5 writes names in camel case, and a few of our words in its own: converted here, at its edge, and nowhere else. */

/** Our names that are another word in v5. */
const words: Readonly<Record<string, string>> = {
  given_name: 'firstName',
  family_name: 'lastName',
  organization_id: 'tenantId',
  // The step of the second factor has our names.
  mfa_token: 'mfa_token',
  recovery_code: 'recovery_code',
}

/** The name of v5 for one of ours. */
export const camelCase = (name: string): string =>
  words[name] ?? name.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())

type CamelCase<Name> = Name extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : Name

type Camelized<Fields> = { [Name in keyof Fields as CamelCase<Name>]: Fields[Name] }

/** The same fields under their names in v5. */
export const camelize = <Fields extends object>(fields: Fields): Camelized<Fields> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [camelCase(name), value])) as Camelized<Fields>

/** Our fields from those of a request, without any that are not `known`. */
export function snakeize<Fields extends object>(known: readonly (keyof Fields & string)[], given: object): Fields {
  const values = given as Readonly<Record<string, unknown>>
  const found = known.flatMap(name => {
    const value = values[camelCase(name)]
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(found) as Fields
}
