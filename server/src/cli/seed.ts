import { parseArgs } from 'node:util'
import { isLoopback } from '../config/kinds.ts'
import type { Config } from '../config/config.ts'
import { createPasswords } from '../identity/passwords/passwords.ts'
import { planSeed } from '../operations/seed/plan.ts'
import { alone, TENANT_PASSWORD } from '../operations/seed/scenarios.ts'
import { seedOrganization } from '../operations/seed/seed.ts'
import { runnerOf, systemFor } from '../platform/database/runners.ts'
import { withDatabase } from '../platform/schema/with-database.ts'
import { UsageError } from './usage.ts'

/** `freehold seed`: creates organizations for development. Their passwords are public, so it refuses anything else. */
export async function seed(args: string[], config: Config): Promise<number> {
  const { positionals } = parseArgs({ args, allowPositionals: true })
  if (positionals.length > 0) throw new UsageError()
  refuseExposure(config)
  const plans = planSeed(await loadFaker())
  const began = performance.now()
  const { written, people } = await withDatabase(config, async database => {
    const passwords = await createPasswords()
    const origin = { request_id: 'seed', ip: '', user_agent: 'freehold' }
    const services = {
      passwords,
      system: systemFor(database, 'seed', 'freehold'),
      openGate: (session_id: string, organization_id: string) =>
        runnerOf(database.tenant, { session_id, organization_id, permission: 'structure:write' as const, origin }),
    }
    const done = { written: 0, people: 0 }
    for (const plan of plans) {
      const { name, users, companies, branches, departments } = plan
      const isNew = await seedOrganization(services, plan)
      if (isNew) done.written++
      if (isNew) done.people += users.length
      const counts = [
        count(users.length, 'person', 'people'),
        count(companies.length, 'company', 'companies'),
        count(branches.length, 'branch', 'branches'),
        count(departments.length, 'department', 'departments'),
      ]
      console.log(
        `${isNew ? 'created' : 'kept   '} ${name}: ${plan.kind === 'team' ? counts.join(', ') : users[0]?.email}`,
      )
    }
    return done
  })
  if (written === 0) console.log('Everything exists already, and nothing was changed.')
  else {
    console.log(`Created ${people} accounts in ${((performance.now() - began) / 1000).toFixed(1)} s.`)
    console.log(`Sign in as ceo@techstart.com with ${TENANT_PASSWORD}; docs/guides/seed-data.md lists the others.`)
  }
  return 0
}

const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`

/** @throws Error if anyone but this machine may sign in with the public passwords */
function refuseExposure({ environment, host }: Config): void {
  if (environment !== 'development')
    throw new Error(
      `ENVIRONMENT is ${environment}: seed data has public passwords such as ${alone[1].password}, and is only for development`,
    )
  if (!isLoopback(host))
    throw new Error(
      `HOST is ${host}: seed data has public passwords, and other machines could sign in with them; set HOST=127.0.0.1`,
    )
}

/** Only development has this package: `npm ci --omit=dev` leaves it out. */
async function loadFaker() {
  try {
    return (await import('@faker-js/faker/locale/en')).faker
  } catch (error) {
    throw new Error(
      'the package @faker-js/faker, which gives the names, is not installed: run npm ci without --omit=dev',
      {
        cause: error,
      },
    )
  }
}
