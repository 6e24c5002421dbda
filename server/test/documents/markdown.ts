import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('../../../', import.meta.url))

/** A fenced block: its language, the words after it, and its position. */
export interface Block {
  language: string
  words: readonly string[]
  text: string
  /** For example `README.md:12`. */
  place: string
}

/** Folders that git ignores, by name. */
const notOurs = new Set(['node_modules', '.git', '.freehold', 'coverage'])

/** Every file of the repository that git does not ignore, with slashes in its path. */
export function listFiles(folder = repository): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !notOurs.has(name) && name !== '.env' && !name.endsWith('.log'))
    .flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return listFiles(path)
      return entry.isFile() ? [relative(repository, path).replaceAll(sep, '/')] : []
    })
}

export const readDocument = (path: string): string => readFileSync(join(repository, path), 'utf8')

export function blocksOf(path: string): Block[] {
  const blocks: Block[] = []
  let open: { fence: string; block: Block; lines: string[] } | undefined
  for (const [index, line] of readDocument(path).split('\n').entries()) {
    const fence = /^\s*(`{3,})(.*)$/.exec(line)
    if (open === undefined && fence !== null) {
      const [language = '', ...words] = fence[2]!.trim().split(/\s+/)
      open = { fence: fence[1]!, block: { language, words, text: '', place: `${path}:${index + 1}` }, lines: [] }
    } else if (open !== undefined && line.trim() === open.fence) {
      blocks.push({ ...open.block, text: open.lines.join('\n') })
      open = undefined
    } else open?.lines.push(line)
  }
  if (open !== undefined) throw new Error(`${open.block.place}: the block does not end`)
  return blocks
}

/** The document without its blocks and code spans, which cannot contain links. */
export const proseOf = (path: string): string =>
  readDocument(path)
    .replace(/^\s*(`{3,}).*\n[\s\S]*?^\s*\1\s*$/gm, '')
    .replace(/`[^`\n]*`/g, '')

/** The anchors of a document's headings, as common viewers create them. */
export const anchorsOf = (path: string): Set<string> =>
  new Set(
    [...readDocument(path).matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{Nd}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  )
