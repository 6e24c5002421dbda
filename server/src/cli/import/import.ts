import { randomUUID } from 'node:crypto'
import { closeSync, createReadStream, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Config } from '../../config/config.ts'
import { beginImport, IMPORT_CONNECTIONS, ImportedUser } from '../../identity/import/import.ts'
import type { ImportRow, UnimportedRow } from '../../identity/import/import.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { listFaults } from '../../platform/http/validation.ts'
import { withDatabase } from '../../platform/schema/with-database.ts'
import { tokenKeyOf } from '../../platform/tokens/one-time-tokens.ts'
import { readLines } from './import-lines.ts'
import type { Line } from './import-lines.ts'
import { showProgress } from './import-progress.ts'
import { UsageError } from '../usage.ts'

/** How many lines are looked up together. */
const BATCH = 500

/** `freehold import users FILE`: creates accounts for another system's users. @returns 1 if a line was refused */
export async function importAccounts(args: string[], config: Config): Promise<number> {
  const options = { 'dry-run': { type: 'boolean', default: false }, report: { type: 'string' } } as const
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
  const [what, path, ...others] = positionals
  if (what !== 'users' || path === undefined || others.length > 0) throw new UsageError()
  const { 'dry-run': isDryRun, report: reportPath = path === '-' ? 'import.report.jsonl' : `${path}.report.jsonl` } =
    values
  const input = path === '-' ? process.stdin.fd : openSync(path, 'r')
  const { size } = fstatSync(input)
  const report = openReport(reportPath, fstatSync(input))
  const source = createReadStream('', { fd: input, autoClose: false })
  const progress = showProgress(isDryRun, () => (size > 0 ? source.bytesRead / size : undefined))

  // The tenant login is not used here, so its share of the pool stays empty.
  await withDatabase(
    config,
    async database => {
      const system = systemFor(database, `import-${randomUUID()}`, 'freehold')
      const importRows = beginImport(system, { keys: { oneTime: tokenKeyOf(config.secretKey) } }, isDryRun)
      const flush = async (batch: readonly (ImportRow | UnimportedRow)[]) => {
        const rows = batch.filter(row => 'user' in row)
        const unimported = [...batch.filter(row => 'outcome' in row), ...(await importRows(rows))]
        unimported.sort((one, other) => one.line - other.line)
        writeSync(report, unimported.map(row => `${JSON.stringify(row)}\n`).join(''))
        progress.add(batch.length, unimported)
      }
      let batch: (ImportRow | UnimportedRow)[] = []
      try {
        for await (const line of readLines(source)) {
          if (batch.push(readRow(line)) < BATCH) continue
          await flush(batch)
          batch = []
        }
        await flush(batch)
      } catch (error) {
        console.error('freehold import: stopped; the same command continues from here')
        throw error
      }
    },
    4 * IMPORT_CONNECTIONS,
  )
  closeSync(report)
  const { unimported, refused, summary } = progress.end()
  console.log(unimported > 0 ? `${summary}; ${reportPath} says which and why` : summary)
  return refused > 0 ? 1 : 0
}

/** Readable by its owner only; an existing file is overwritten. */
function openReport(path: string, input: Stats): number {
  const there = statSync(path, { throwIfNoEntry: false })
  if (there !== undefined && there.dev === input.dev && there.ino === input.ino)
    throw new Error(`the report would overwrite the file that is imported: set another with --report`)
  return openSync(path, 'w', 0o600)
}

const faultsOf = listFaults(ImportedUser)

function readRow(line: Line): ImportRow | UnimportedRow {
  const refuse = (errors: UnimportedRow['errors']) => ({ line: line.line, outcome: 'refused' as const, errors })
  if ('fault' in line) return refuse([{ pointer: '', detail: line.fault }])
  let value: unknown
  try {
    value = withoutNulls(JSON.parse(line.text), 2)
  } catch (error) {
    // The message quotes the line, which may contain a password hash.
    const [position] = /position \d+/.exec(String(error)) ?? []
    return refuse([{ pointer: '', detail: `is not JSON${position === undefined ? '' : ` (${position})`}` }])
  }
  const faults = faultsOf(value)
  return faults.length === 0 ? { line: line.line, user: value as ImportRow['user'] } : refuse(faults)
}

/** Exports use null for missing values. Only two levels, like a row, because a hostile line may be nested very deep. */
function withoutNulls(value: unknown, levels: number): unknown {
  if (levels === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const fields = Object.entries(value).filter(([, field]) => field !== null)
  return Object.fromEntries(fields.map(([name, field]) => [name, withoutNulls(field, levels - 1)]))
}
