import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repository } from './markdown.ts'

/** The files for Prometheus and Grafana, and the metrics that they name. */

const read = (path: string): Promise<string> => readFile(join(repository, 'deploy', path), 'utf8')

/** The expressions of the alerts. */
export async function readAlerts(): Promise<string[]> {
  const text = await read('prometheus/alerts.yml')
  return [...text.matchAll(/^\s+expr: (?:>\n((?:\s{10,}.*\n)+)|(.*)$)/gm)].map(([, folded, plain]) => folded ?? plain!)
}

interface Panel {
  targets?: readonly { expr: string }[]
}

/** The expressions of all panels of the dashboard. */
export async function readDashboard(): Promise<string[]> {
  const { panels } = JSON.parse(await read('grafana/freehold.json')) as { panels: readonly Panel[] }
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
}

/** Words of the language that can stand where a metric can. */
const WORDS = new Set(['by', 'or', 'and', 'le'])

/** The metrics that expressions name. */
export const metricsIn = (expressions: readonly string[]): Set<string> =>
  new Set(
    expressions.flatMap(expression =>
      [
        ...expression
          .replaceAll(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, ' ')
          .replaceAll(/\bby \([^)]*\)/g, ' ')
          .matchAll(/\b([a-z_][a-z0-9_]*)\b(?!\s*\()/g),
      ]
        .map(([, name]) => name!)
        .filter(name => !WORDS.has(name)),
    ),
  )

/** The metrics of a scrape that have a value. */
export const namesIn = (text: string): Set<string> =>
  new Set([...text.matchAll(/^(\w+)[{ ]/gm)].map(([, name]) => name!))
