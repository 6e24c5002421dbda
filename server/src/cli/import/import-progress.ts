import type { UnimportedRow } from '../../identity/import/import.ts'

const EVERY_MS = 10_000
const EVERY_MS_ON_A_TERMINAL = 500

/** Counts the results of the lines, and shows progress on standard error. `share`: the part read so far, if known. */
export function showProgress(isDryRun: boolean, share: () => number | undefined) {
  const { isTTY } = process.stderr
  const began = performance.now()
  let shown = began
  let lines = 0
  let exist = 0
  let refused = 0
  const count = (number: number) => number.toLocaleString('en')
  const summarize = () =>
    `${count(lines)} lines: ${count(lines - exist - refused)} ${isDryRun ? 'would be imported' : 'imported'}, ${count(exist)} exist already, ${count(refused)} refused`
  const show = (text: string) => process.stderr.write(isTTY ? `\r${text}\x1b[K` : `${text}\n`)
  return {
    add(batch: number, unimported: readonly UnimportedRow[]): void {
      lines += batch
      for (const { outcome } of unimported) {
        if (outcome === 'exists') exist++
        else refused++
      }
      const now = performance.now()
      if (now - shown < (isTTY ? EVERY_MS_ON_A_TERMINAL : EVERY_MS)) return
      shown = now
      const part = share()
      const percent = part === undefined ? '' : `${Math.floor(part * 100)} %, `
      show(`${percent}${summarize()} (${count(Math.round((lines / (now - began)) * 1000))} a second)`)
    },
    /** The results of all lines. */
    end(): { unimported: number; refused: number; summary: string } {
      if (isTTY && shown !== began) show('')
      return { unimported: exist + refused, refused, summary: summarize() }
    },
  }
}
