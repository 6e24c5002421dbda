/** One line of the result: the measurement, its control and the target. */
export interface Figure {
  what: string
  /** The two medians as text, with their unit. */
  measured: string
  control: string
  ratio: number
  /** One ratio for each round, to show the spread. */
  rounds: readonly number[]
  /** Undefined for a figure that only explains the others. */
  target?: { atLeast: number } | { atMost: number } | { from: number; to: number }
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** The smallest value that the given share of the values does not exceed; NaN without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

/** A figure whose ratio is the median of the rounds' ratios: a busy moment affects both sides of a round alike. */
export function compare(
  what: string,
  unit: string,
  rounds: readonly { measured: number; control: number }[],
  target?: Figure['target'],
): Figure {
  const ratios = rounds.map(({ measured, control }) => measured / control)
  return {
    what,
    measured: `${show(median(rounds.map(round => round.measured)))} ${unit}`,
    control: `${show(median(rounds.map(round => round.control)))} ${unit}`,
    ratio: median(ratios),
    rounds: ratios,
    ...(target && { target }),
  }
}

const show = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

/** Markdown, one row for each figure. */
export function printFigures(title: string, figures: readonly Figure[]): void {
  const rows = figures.map(({ what, measured, control, ratio, rounds, target }) => {
    const spread = `${Math.min(...rounds).toFixed(2)}–${Math.max(...rounds).toFixed(2)}`
    return [
      what,
      measured,
      control,
      ratio.toFixed(2),
      spread,
      target ? words(target) : '',
      target ? verdict(ratio, target) : '',
    ]
  })
  const table = [['', 'measured', 'control', 'ratio', 'rounds', 'target', ''], ...rows]
  const widths = table[0]!.map((_cell, column) => Math.max(3, ...table.map(row => row[column]!.length)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  console.log(`\n### ${title}\n`)
  console.log([line(table[0]!), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n'))
}

const words = (target: NonNullable<Figure['target']>): string => {
  if ('from' in target) return `${target.from}–${target.to}`
  return 'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`
}

const verdict = (ratio: number, target: NonNullable<Figure['target']>): string => {
  const { from = -Infinity, to = Infinity } =
    'from' in target ? target : 'atLeast' in target ? { from: target.atLeast } : { to: target.atMost }
  return ratio >= from && ratio <= to ? 'met' : 'MISSED'
}
