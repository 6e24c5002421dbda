import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import mustache from 'mustache'
import type { Declarations } from '../declarations.ts'
import { locales } from '../locales.ts'
import { isPiece, valuesOf } from './mails.ts'
import type { MailTable } from './mails.ts'

/** Mustache sources by path, such as `en/sign-up.txt` or `layout.html`, with the pieces that they include inserted. */
export type Templates = ReadonlyMap<string, string>

const ours = fileURLToPath(new URL('templates/', import.meta.url))

/**
 * The templates of all emails that the features declare; files in the operator's `directory` replace ours.
 * @throws Error with a message for the operator that lists all faults
 */
export function loadTemplates(
  { mails, mailDirectories }: Pick<Declarations, 'mails' | 'mailDirectories'>,
  directory?: string,
): Templates {
  const sources = new Map(
    [ours, ...mailDirectories.map(url => fileURLToPath(url))].flatMap(place => [...readDirectory(place)]),
  )
  requireAll(mails, sources)
  const faults: string[] = []
  for (const [path, source] of directory === undefined ? [] : readOperatorsOwn(directory)) {
    const found = faultsOfTags(mails, path, source)
    faults.push(...found)
    if (found.length === 0) sources.set(path, source)
  }
  const templates = new Map([...sources].map(([path, source]) => [path, includePieces(path, source, sources)]))
  if (directory !== undefined)
    for (const [path, source] of templates) faults.push(...faultsOfWhole(mails, path, source))
  if (faults.length === 0) return templates
  throw new Error(`MAIL_TEMPLATES: ${directory} cannot be used:\n${faults.map(fault => `- ${fault}`).join('\n')}`)
}

/** Every declared email needs a template in every language. */
function requireAll(mails: MailTable, sources: Templates): void {
  for (const name of Object.keys(mails))
    for (const path of locales.map(locale => `${locale}/${name}.txt`))
      if (!sources.has(path))
        throw new Error(
          `the email ${name} has no ${path}: add it to the directory of emails of the feature that declares it`,
        )
}

function readDirectory(directory: string): Map<string, string> {
  const list = (below: string): string[] =>
    readdirSync(join(directory, below))
      // Files that begin with a dot belong to editors, or to Kubernetes volumes.
      .filter(name => !name.startsWith('.'))
      .flatMap(name => {
        const path = posix.join(below, name)
        return statSync(join(directory, path)).isDirectory() ? list(path) : [path]
      })
  return new Map(
    list('').map(path => [
      path,
      readFileSync(join(directory, path), 'utf8')
        .replace(/^\uFEFF/, '')
        .replaceAll('\r\n', '\n'),
    ]),
  )
}

function readOperatorsOwn(directory: string): Map<string, string> {
  try {
    return readDirectory(directory)
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new Error(
      `MAIL_TEMPLATES: ${directory} cannot be read (${reason}): set a directory of templates that can be read, or remove the variable`,
      { cause: error },
    )
  }
}

const inclusion = /\{\{>\s*([\w-]+)\s*\}\}/g

const includePieces = (path: string, source: string, sources: Templates): string =>
  source.replace(inclusion, (_tag, piece: string) => sources.get(pathOfPiece(path, piece))?.trimEnd() ?? '')

const pathOfPiece = (path: string, piece: string) => `${posix.dirname(path)}/${piece}.txt`

type Tag = [type: string, value: string, start: number, end: number, children?: Tag[] | string]

const flatten = (tags: Tag[]): Tag[] => tags.flatMap(tag => (Array.isArray(tag[4]) ? [tag, ...flatten(tag[4])] : [tag]))

/** The faults in one file: values that this email does not have, or that would not be escaped. */
function faultsOfTags(mails: MailTable, path: string, source: string): string[] {
  const values = valuesOf(mails, path)
  if (values === undefined)
    return [
      `${path} belongs to no email; files are layout.html and {en,de}/<mail>.{txt,html}, with the emails ${Object.keys(mails).join(', ')}`,
    ]
  if (source.includes('\uFFFD')) return [`${path} is not UTF-8`]
  let tags: Tag[]
  try {
    tags = flatten(mustache.parse(source) as Tag[])
  } catch (error) {
    return [`${path} is not well-formed: ${error instanceof Error ? error.message : String(error)}`]
  }
  return tags.flatMap(([type, value]) => {
    const isShown = values.includes(value)
    if (type === 'text' || type === '!') return []
    if (type === '>') {
      const isKnown = path.endsWith('.txt') && !isPiece(path) && isPiece(pathOfPiece(path, value))
      return isKnown ? [] : [`${path} includes {{> ${value}}}, which is not a piece that it can include`]
    }
    if (type === '&' && value !== 'body') return [`${path} shows ${value} unescaped: write {{${value}}}`]
    if (type === '=') return [`${path} changes the delimiters of tags: only {{ and }} are allowed`]
    return isShown ? [] : [`${path} uses {{${value}}}, which it does not have: there are ${values.join(', ')}`]
  })
}

/** The faults of an email with all its pieces inserted. */
function faultsOfWhole(mails: MailTable, path: string, source: string): string[] {
  if (isPiece(path)) return []
  if (path === 'layout.html') return /\{\{\{ *body *\}\}\}/.test(source) ? [] : [`${path} has no {{{body}}}`]
  const faults: string[] = []
  const isText = path.endsWith('.txt')
  if (isText && !/^\S.*\n\n+\S/.test(source)) {
    faults.push(`${path} does not begin with a subject, an empty line and a text`)
  }
  const hasLink = isText ? /^\{\{ *link *\}\}$/m.test(source) : source.includes('{{link}}')
  if (valuesOf(mails, path)?.includes('link') && !hasLink) {
    faults.push(isText ? `${path} has no line that is only {{link}}` : `${path} has no {{link}}`)
  }
  return faults
}
