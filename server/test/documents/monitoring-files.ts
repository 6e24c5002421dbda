import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { repository } from './markdown.ts'

/** The files for Prometheus and Grafana, and the metrics that they name. */

const read = (path: string): Promise<string> => readFile(join(repository, 'deploy', path), 'utf8')

/** The expressions of the alerts. */
export async function readAlerts(): Promise<string[]> {
  const text = await read('prometheus/alerts.yml')
  return [...text.matchAll(/^\s+expr: (?:>\n((?:\s{10,}.*\n)+)|(.*)$)/gm)].map(([, folded, plain]) => folded ?? plain!)
}

/** The names of the alerts. */
export const nameAlerts = async (): Promise<string[]> =>
  [...(await read('prometheus/alerts.yml')).matchAll(/^\s+- alert: (\w+)$/gm)].map(([, name]) => name!)

/** For each alert, how many tests expect that it fires, and that it does not. */
export async function countAlertTests(): Promise<Record<string, { fires: number; rests: number }>> {
  interface AlertTest {
    alertname: string
    exp_alerts: readonly object[]
  }
  const file = parse(await read('prometheus/alerts.test.yml')) as { tests: { alert_rule_test: AlertTest[] }[] }
  const counts: Record<string, { fires: number; rests: number }> = {}
  for (const { alertname, exp_alerts } of file.tests.flatMap(({ alert_rule_test }) => alert_rule_test)) {
    const count = (counts[alertname] ??= { fires: 0, rests: 0 })
    count[exp_alerts.length > 0 ? 'fires' : 'rests']++
  }
  return counts
}

interface Panel {
  targets?: readonly { expr: string }[]
}

/** The expressions of all panels of the dashboard. */
export async function readDashboard(): Promise<string[]> {
  const { panels } = JSON.parse(await read('grafana/freehold.json')) as { panels: readonly Panel[] }
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
}

/** The panels as a file of rules, which promtool can check; Grafana fills in the variables. */
export const asRules = (expressions: readonly string[]): string =>
  stringify({
    groups: [
      {
        name: 'panels',
        rules: expressions.map((expression, index) => ({
          record: `panel:${index}`,
          expr: expression.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, 'x'),
        })),
      },
    ],
  })

/** A metric with the labels that an expression asks for. */
export interface Selector {
  metric: string
  labels: Readonly<Record<string, string>>
}

/** Labels that Prometheus adds to each series, and that of the bounds of a histogram. */
const ADDED = new Set(['job', 'instance', 'le'])

/** The selectors of the expressions, one for each alternative: `type=~"a|b"` becomes two. */
export const selectorsIn = (expressions: readonly string[]): Selector[] =>
  expressions.flatMap(expression =>
    [...expression.matchAll(/([a-z_][a-z0-9_]*)\{([^}]*)\}/g)].flatMap(([, metric = '', inside = '']) => {
      let selectors: Selector[] = [{ metric, labels: {} }]
      for (const [, label = '', values = ''] of inside.matchAll(/(\w+)=~?"([^"]*)"/g))
        if (!ADDED.has(label))
          selectors = selectors.flatMap(({ labels }) =>
            values.split('|').map(value => ({ metric, labels: { ...labels, [label]: value } })),
          )
      return selectors
    }),
  )

/** The labels that each expression groups by, with the metrics that it names. */
export const groupingsIn = (expressions: readonly string[]): { labels: string[]; metrics: Set<string> }[] =>
  expressions.map(expression => ({
    labels: [...expression.matchAll(/\bby \(([^)]*)\)/g)]
      .flatMap(([, inside = '']) => inside.split(/,\s*/))
      .filter(label => !ADDED.has(label)),
    metrics: metricsIn([expression]),
  }))

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

/** The series of a scrape: the metric, and its labels. */
export const seriesIn = (text: string): { metric: string; labels: Record<string, string> }[] =>
  [...text.matchAll(/^(\w+)(?:\{([^}]*)\})? /gm)].map(([, metric = '', inside = '']) => ({
    metric,
    labels: Object.fromEntries([...inside.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label!, value!])),
  }))

/** The metrics of a scrape that have a value. */
export const namesIn = (text: string): Set<string> =>
  new Set([...text.matchAll(/^(\w+)[{ ]/gm)].map(([, name]) => name!))
