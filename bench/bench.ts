// Measures the service against controls in the same run: `npm run bench`, or `npm run bench -- gate requests` for parts.
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { measureEnumeration } from './service/enumeration.ts'
import { printFigures } from './stage/figures.ts'
import type { Figure } from './stage/figures.ts'
import { measureFormats } from './service/formats.ts'
import { measureGate } from './database/gate.ts'
import { measureLanes } from './database/lanes.ts'
import { measureLicenses } from './service/licenses.ts'
import { measureLogins } from './service/logins.ts'
import { measureOperators } from './database/operators.ts'
import { measureMonitoring } from './service/monitoring.ts'
import { measureOrganizations } from './database/organizations.ts'
import { measureRedis } from './service/redis.ts'
import { measureRequests } from './service/requests.ts'
import { measureSizes } from './database/sizes.ts'
import { startBenchEnvironment } from './stage/stage.ts'
import type { BenchEnvironment } from './stage/stage.ts'
import { measureStarts } from './service/starts.ts'
import { measureStructure } from './database/structure.ts'

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
  licenses: async (bench, rounds) =>
    measureLicenses(await bench.stage('licenses', 100), await bench.stage('many_licenses', 1000), rounds, 2),
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
