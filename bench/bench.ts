// Measures the service against controls in the same run: `npm run bench`, or `npm run bench -- gate requests` for parts.
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { measureEnumeration } from './enumeration.ts'
import { printFigures } from './figures.ts'
import type { Figure } from './figures.ts'
import { measureGate } from './gate.ts'
import { measureLogins } from './logins.ts'
import { measureRequests } from './requests.ts'
import { measureSizes } from './sizes.ts'
import { openTheatre } from './stage.ts'
import type { Theatre } from './stage.ts'
import { measureStarts } from './starts.ts'

const parts: Record<string, (theatre: Theatre, rounds: number) => Promise<Figure[]>> = {
  requests: async (theatre, rounds) => measureRequests(theatre, await theatre.stage('thousand', 1000), rounds, 3),
  gate: async (theatre, rounds) => measureGate(theatre, await theatre.stage('thousand', 1000), rounds, 2),
  logins: async (theatre, rounds) => measureLogins(await theatre.stage('thousand', 1000), rounds, 5),
  sizes: async (theatre, rounds) =>
    measureSizes(await theatre.stage('hundred', 100), await theatre.stage('ten_thousand', 10_000), rounds, 3),
  enumeration: async (theatre, rounds) => measureEnumeration(await theatre.stage('names', 500), rounds),
  starts: (_theatre, rounds) => measureStarts(rounds),
}

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '5' } },
  allowPositionals: true,
})
const unknown = positionals.filter(name => !(name in parts))
const rounds = Number(values.rounds)
if (unknown.length > 0 || !(rounds >= 1)) {
  console.error(`bench: the parts are ${Object.keys(parts).join(', ')}; --rounds is a number, 5 when left out`)
  process.exit(2)
}

const theatre = await openTheatre()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void theatre.close().finally(() => process.exit(130)))
}
try {
  console.log(
    `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GB; ${process.platform} ${process.arch}; ` +
      `Node ${process.versions.node}, PostgreSQL ${theatre.version}; ${rounds} rounds; load ${loadavg()[0]?.toFixed(1)} at the start`,
  )
  for (const name of positionals.length > 0 ? positionals : Object.keys(parts))
    printFigures(name, await parts[name]!(theatre, rounds))
  console.log(`\nload ${loadavg()[0]?.toFixed(1)} at the end`)
} finally {
  await theatre.close()
}
