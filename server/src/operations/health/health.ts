import { setTimeout as delay } from 'node:timers/promises'
import type { SystemRunner } from '../../platform/database/database.ts'
import { find, tables } from '../../platform/database/statement.ts'

/** How long a probe of the database may take. Milliseconds. */
const PROBE_MS = 2000

const probe = find(tables('system').selectNoFrom(eb => eb.lit(1).as('one')))

/** Whether the database answers, soon: a probe that waits for a busy pool would have a busy process killed. */
export const probeDatabase = (visitor: SystemRunner): Promise<unknown> =>
  Promise.race([
    // system: whether the database answers belongs to no user
    visitor.run(probe),
    delay(PROBE_MS, undefined, { ref: false }).then(() =>
      Promise.reject(new Error('the database did not answer in time')),
    ),
  ])
