/** A line of a file, without its line end: its text, or its fault. Lines are counted from 1. */
export type Line = { line: number } & ({ text: string } | { fault: string })

/** About five times the longest valid line. */
const MAX_LINE_BYTES = 64 * 1024

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The lines of a stream, without blank ones; keeps only one line in memory. */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let line = 0
  let parts: Uint8Array[] = []
  let length = 0
  const add = (part: Uint8Array) => {
    length += part.length
    if (length <= MAX_LINE_BYTES) parts.push(part)
    else parts = []
  }
  const end = (): Line | undefined => {
    line++
    const result = length > MAX_LINE_BYTES ? { fault: `is longer than ${MAX_LINE_BYTES} bytes` } : decodeLine(parts)
    parts = []
    length = 0
    return 'text' in result && result.text.trim() === '' ? undefined : { line, ...result }
  }
  for await (const chunk of source) {
    let start = 0
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, start)) {
      add(chunk.subarray(start, at))
      start = at + 1
      const ended = end()
      if (ended !== undefined) yield ended
    }
    add(chunk.subarray(start))
  }
  const last = end()
  if (last !== undefined) yield last
}

function decodeLine(parts: Uint8Array[]): { text: string } | { fault: string } {
  try {
    return { text: utf8.decode(Buffer.concat(parts)) }
  } catch {
    return { fault: 'is not UTF-8' }
  }
}
