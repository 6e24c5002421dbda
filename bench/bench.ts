// Measures the service against controls in the same run: `npm run bench`, or `npm run bench -- gate requests` for parts.
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { measureEnumeration } from './enumeration.ts'
import { printFigures } from './figures.ts'
import type { Figure } from './figures.ts'
import { measureFormats } from './formats.ts'
import { measureGate } from './gate.ts'
import { measureLanes } from './lanes.ts'
import { measureLogins } from './logins.ts'
import { measureOperators } from './operators.ts'
import { measureMonitoring } from './monitoring.ts'
import { measureOrganizations } from './organizations.ts'
import { measureRedis } from './redis.ts'
import { measureRequests } from './requests.ts'
import { measureSizes } from './sizes.ts'
import { startBenchEnvironment } from './stage.ts'
import type { BenchEnvironment } from './stage.ts'
import { measureStarts } from './starts.ts'
import { measureStructure } from './structure.ts'

const parts: Record<string, (bench: BenchEnvironment, rounds: number) => Promise<Figure[]>> = {
  requests: async (bench, rounds) => measureRequests(bench, await bench.stage('thousand', 1000), rounds, 3),
  monitoring: async (bench, rounds) => measureMonitoring(await bench.stage('thousand', 1000), rounds, 3),
  gate: async (bench, rounds) => measureGate(bench, await bench.stage('thousand', 1000), rounds, 2),
  lanes: async (bench, rounds) => measureLanes(bench, await bench.stage('thousand', 1000), rounds, 3),
  logins: async (bench, rounds) => measureLogins(await bench.stage('thousand', 1000), rounds, 5),
  sizes: async (bench, rounds) =>
    measureSizes(await bench.stage('hundred', 100), await bench.stage('ten_thousand', 10_000), rounds, 3),
  structure: async (bench, rounds) => measureStructure(await bench.stage('hundred', 100), rounds),
  organizations: async (bench, rounds) => measureOrganizations(await bench.stage('people', 10), rounds, 1),
  operators: async (bench, rounds) =>
    measureOperators(await bench.stage('operators_few', 10), await bench.stage('operators_many', 10), rounds, 1),
  enumeration: async (bench, rounds) => measureEnumeration(await bench.stage('names', 500), rounds),
  v5: async (bench, rounds) => measureFormats(await bench.stage('thousand', 1000), rounds, 3),
  redis: async (bench, rounds) => measureRedis(await bench.stage('thousand', 1000), rounds, 3),
  starts: (_bench, rounds) => measureStarts(rounds),
}

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '5' } },
  allowPositionals: true,
})
const unknown = positionals.filter(name => !(name in parts))
const rounds = Number(values.rounds)
if (unknown.length > 0 || !(rounds >= 1)) {
  console.error(`bench: the parts are ${Object.keys(parts).join(', ')}; --rounds is a number, by default 5`)
  process.exit(2)
}

const bench = await startBenchEnvironment()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void bench.close().finally(() => process.exit(130)))
}
try {
  console.log(
    `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GB; ${process.platform} ${process.arch}; ` +
      `Node ${process.versions.node}, PostgreSQL ${bench.version}; ${rounds} rounds; load ${loadavg()[0]?.toFixed(1)} at the start`,
  )
  for (const name of positionals.length > 0 ? positionals : Object.keys(parts))
    printFigures(name, await parts[name]!(bench, rounds))
  console.log(`\nload ${loadavg()[0]?.toFixed(1)} at the end`)
} finally {
  await bench.close()
}
