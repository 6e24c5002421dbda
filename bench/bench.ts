import { measureGate } from './gate.ts'
import { measureRequests } from './requests.ts'
import { printFigures } from './figures.ts'
import { openTheatre } from './stage.ts'

const only = process.argv.slice(2)
const theatre = await openTheatre()
try {
  console.time('seed')
  const stage = await theatre.raise('small', 1000, 1000)
  console.timeEnd('seed')
  if (only.includes('gate')) printFigures('gate', await measureGate(theatre, stage, 5, 2))
  if (only.includes('requests')) printFigures('requests', await measureRequests(theatre, stage, 5, 3))
} finally {
  await theatre.close()
}
