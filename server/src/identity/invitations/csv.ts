import { Problem } from '../../platform/problems.ts'
import { readLine } from '../../platform/texts.ts'

const columns = ['email', 'role', 'role_id', 'title', 'company']
const required = ['email', 'role']
const delimiters = [';', '\t', ',']

/** A byte order mark is left out; other encodings are refused rather than read as wrong letters. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws Problem unreadable-csv */
export function decodeCsv(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw unreadable('is not UTF-8: in a spreadsheet program, save it as “CSV UTF-8”', cause)
  }
}

/**
 * The rows below the header line of a CSV file, each with the values of its columns; an empty cell is left out, and a
 * blank line is no row. A row with too many cells gets a property for each, which no schema knows. Reads at most one row
 * more than `most`. @throws Problem unreadable-csv
 */
export async function readCsv(text: string, most: number): Promise<Record<string, string>[]> {
  const { parse } = await import('csv-parse/sync') // loaded only when needed
  const [line = ''] = text.trimStart().split(/[\r\n]/, 1)
  let records: string[][]
  try {
    records = parse(text, {
      delimiter: delimiters.find(delimiter => line.includes(delimiter)) ?? ',',
      record_delimiter: ['\r\n', '\n', '\r'],
      // A quote inside of a value and a row of another length are faults of that row alone.
      relax_quotes: true,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_empty_values: true,
      trim: true,
      to: most + 2,
    })
  } catch (cause) {
    const { code, lines } = cause as { code?: string; lines?: number }
    if (code === undefined) throw cause
    throw unreadable(
      code === 'CSV_QUOTE_NOT_CLOSED' ? 'has a quoted value without a closing quote' : `is not CSV in line ${lines}`,
      cause,
    )
  }
  const [names = [], ...rows] = records
  const header = names.map(name => name.toLowerCase())
  checkHeader(header)
  if (rows.length === 0) throw unreadable('has no row below the header line')
  return rows.map(cells =>
    Object.fromEntries(
      cells
        .map((cell, index): [string, string] => [header[index] ?? `column ${index + 1}`, cell])
        .filter(([, cell]) => cell !== ''),
    ),
  )
}

/** @throws Problem unreadable-csv */
function checkHeader(header: readonly string[]): void {
  const known = `${columns.slice(0, -1).join(', ')} and ${columns.at(-1)}`
  for (const [index, name] of header.entries()) {
    if (!columns.includes(name))
      throw unreadable(`has a first line with the name “${readLine(name.slice(0, 50)) ?? ''}”: it may name ${known}`)
    if (header.indexOf(name) !== index) throw unreadable(`names the column ${name} twice in its first line`)
  }
  const missing = required.find(name => !header.includes(name))
  if (missing !== undefined) throw unreadable(`does not name the column ${missing} in its first line`)
}

const unreadable = (detail: string, cause?: unknown) =>
  new Problem('unreadable-csv', { errors: [{ pointer: '', detail }], cause })
