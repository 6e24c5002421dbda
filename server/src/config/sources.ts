import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual, parseEnv } from 'node:util'
import { BadValue, type Kind, type Variable } from './kinds.ts'
import type { SecretFile } from './secrets.ts'
import { type VariableName, variables } from './variables.ts'

type ValueOf<V extends Variable> = ReturnType<V['kind']['read']> | (V extends { default: string } ? never : undefined)

/** The value of each variable; undefined only if it has no default. */
type Values = { [Name in VariableName]: ValueOf<(typeof variables)[Name]> }

export interface Reading {
  values: Values
  /** The variables that were set, valid or not, each with the name that was used. */
  given: ReadonlyMap<VariableName, string>
  faults: string[]
  warnings: string[]
  /** The files that secrets were read from. */
  files: SecretFile[]
}

type Texts = Readonly<Record<string, string | undefined>>

export const variableList = Object.entries<Variable>(variables) as [VariableName, Variable][]

/** All names of a variable, its own first. */
export const namesOf = (name: string, variable: Variable): { name: string; kind: Kind<unknown> }[] => [
  { name, kind: variable.kind },
  ...(variable.aliases ?? []).map(alias => (typeof alias === 'string' ? { name: alias, kind: variable.kind } : alias)),
]

const allNames = variableList.flatMap(([name, variable]) =>
  namesOf(name, variable).flatMap(({ name: one }) => (variable.secret ? [one, `${one}_FILE`] : [one])),
)

/** Reads every variable from the environment or, if not set there, from `.env` in the working directory. */
export function readVariables(environment: Texts, workingDirectory: string): Reading {
  const faults: string[] = []
  const file = readEnvFile(workingDirectory, faults)
  const files: SecretFile[] = [{ name: '.env', path: join(workingDirectory, '.env') }]
  // Empty means not set: compose files and shells pass `NAME=` for variables without a value.
  const isSet = ([, text]: [string, string | undefined]) => text !== undefined && text.trim() !== ''
  const texts: Texts = Object.fromEntries([...Object.entries(file), ...Object.entries(environment)].filter(isSet))

  const given = new Map<VariableName, string>()
  const found = new Map<VariableName, { as: string; value: unknown }>()
  for (const [name, variable] of variableList) {
    for (const { as, kind, text, path } of textsOf(name, variable, texts, workingDirectory)) {
      if (path !== undefined) files.push({ name: as, path })
      given.set(name, given.get(name) ?? as)
      if (typeof text !== 'string') {
        faults.push(`${as}: ${text.fault}`)
        continue
      }
      try {
        const value = kind.read(text)
        const first = found.get(name)
        if (!first) found.set(name, { as, value })
        else if (!isDeepStrictEqual(first.value, value)) {
          faults.push(`${first.as} and ${as} say different things: keep one of them`)
        }
      } catch (error) {
        if (!(error instanceof BadValue)) throw error
        faults.push(`${as}: ${error.message}; accepted: ${kind.accepts.replaceAll('`', '')}`)
      }
    }
  }

  const environmentName = found.get('ENVIRONMENT')?.value ?? variables.ENVIRONMENT.default
  const isDeployed = environmentName !== 'development'
  const values = variableList.map(([name, variable]) => {
    const own = found.get(name)
    return [name, own ? own.value : readDefault(variable, isDeployed)]
  })
  const warnings = [...suspectNames(Object.keys(file)), ...idleVariables(given, found)]
  return { values: Object.fromEntries(values) as Values, given, faults, warnings, files }
}

function readDefault(variable: Variable, isDeployed = false): unknown {
  const text = isDeployed ? (variable.deployedDefault ?? variable.default) : variable.default
  return text === undefined ? undefined : variable.kind.read(text)
}

function* textsOf(name: string, variable: Variable, texts: Texts, workingDirectory: string) {
  for (const { name: as, kind } of namesOf(name, variable)) {
    const text = texts[as]
    if (text !== undefined) yield { as, kind, text, path: undefined }
    const file = variable.secret ? texts[`${as}_FILE`] : undefined
    if (file === undefined) continue
    const path = resolve(workingDirectory, file)
    yield { as: `${as}_FILE`, kind, text: readSecretFile(path), path }
  }
}

/** Without the byte-order mark that some editors write in front of it. */
const readText = (path: string): string => readFileSync(path, 'utf8').replace(/^\uFEFF/, '')

function readSecretFile(path: string): string | { fault: string } {
  try {
    const text = readText(path).replace(/\r?\n$/, '')
    if (text.includes('\0')) return { fault: 'the file is not UTF-8: save it as UTF-8 without a byte-order mark' }
    return text.trim() === '' ? { fault: 'the file is empty' } : text
  } catch (error) {
    // The path is not shown, because it may be a secret that was set instead of its file's name.
    return { fault: `the file cannot be read (${codeOf(error)})` }
  }
}

function readEnvFile(workingDirectory: string, faults: string[]): Texts {
  let text
  try {
    text = readText(join(workingDirectory, '.env'))
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') faults.push(`.env cannot be read (${codeOf(error)})`)
    return {}
  }
  // Everything after a # is a comment, so an unquoted password with one would be truncated silently.
  for (const [, name = ''] of text.matchAll(
    /^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*[^\s"'`#][^\n#]*(?<=[^\s])#/gm,
  )) {
    if (allNames.includes(name)) faults.push(`${name} in .env has a #: put the value in quotes, or a space before it`)
  }
  return parseEnv(text)
}

const codeOf = (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown')

function idleVariables(given: ReadonlyMap<VariableName, string>, found: ReadonlyMap<VariableName, { value: unknown }>) {
  const changed = variableList.filter(([name, variable]) => {
    const value = found.get(name)?.value
    return value !== undefined && value !== false && !isDeepStrictEqual(value, readDefault(variable))
  })
  const later = changed.filter(([, variable]) => variable.later).map(([name]) => given.get(name))
  return [
    ...changed.flatMap(([name, { ignored }]) => (ignored ? [`${given.get(name)} changes nothing: ${ignored}`] : [])),
    ...(later.length > 0 ? [`no effect yet, their features arrive with a later version: ${later.join(', ')}`] : []),
  ]
}

/** Unknown names in .env that are similar to a known one; names of other programs are ignored. */
function suspectNames(names: string[]): string[] {
  return names.flatMap(name => {
    if (allNames.includes(name)) return []
    if (allNames.includes(name.replace(/_FILE$/, '')))
      return [`${name} in .env is not read: only secrets may be in a file`]
    const tolerance = name.length < 8 ? 1 : 2
    const [nearest] = allNames
      .map(known => ({ known, distance: editDistance(name.toUpperCase(), known) }))
      .filter(({ distance }) => distance <= tolerance)
      .sort((a, b) => a.distance - b.distance)
    return nearest ? [`${name} in .env is not read: did you mean ${nearest.known}?`] : []
  })
}

/** Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment). */
function editDistance(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > 2) return Infinity
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)]
  const at = (row: number, column: number) => rows[row]?.[column] ?? Infinity
  for (let row = 1; row <= from.length; row++) {
    rows[row] = [row]
    for (let column = 1; column <= to.length; column++) {
      const [here, before] = [from[row - 1], from[row - 2]]
      const isSwap = here === to[column - 2] && before === to[column - 1]
      rows[row]![column] = Math.min(
        at(row - 1, column) + 1,
        at(row, column - 1) + 1,
        at(row - 1, column - 1) + (here === to[column - 1] ? 0 : 1),
        isSwap ? at(row - 2, column - 2) + 1 : Infinity,
      )
    }
  }
  return at(from.length, to.length)
}
