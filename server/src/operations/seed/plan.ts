import { createHash } from 'node:crypto'
import type { Faker } from '@faker-js/faker'
import { personalOrganizationId, personalSlug } from '../../directory/organizations/personal-organization.ts'
import { idOfDigest } from '../../platform/database/ids.ts'
import { alone, scenarios, TENANT_PASSWORD } from './scenarios.ts'
import type { DepartmentScenario, Scenario } from './scenarios.ts'

interface SeededUser {
  id: string
  email: string
  given_name: string
  family_name: string
  full_name: string
  superuser: boolean
  created_at: string
  role: 'owner' | 'admin' | 'member' | 'viewer'
  title: string | null
  /** The department that the person works in, if any. */
  department_id: string | null
}

interface SeededPlace {
  id: string
  code: string
  name: string
}

/** Everything that the seed writes for one organization. */
export interface SeededOrganization {
  id: string
  kind: 'personal' | 'team'
  name: string
  slug: string
  created_at: string
  /** The owner first. */
  users: SeededUser[]
  password: string
  session_id: string
  companies: SeededPlace[]
  branches: (SeededPlace & { company_id: string })[]
  /** Each after the one above it. */
  departments: (SeededPlace & { branch_id: string; parent_id: string | null })[]
}

const DAY = 86_400_000

/** A UUIDv7 (RFC 9562) whose random bits are a digest of the name, so that it is the same at every run. */
function idOf(time: number, name: string): string {
  const digest = createHash('sha256').update(`freehold seed ${name}`).digest()
  digest.writeUIntBE(time, 0, 6)
  return idOfDigest(digest, 7)
}

const timeOf = (time: number): string => new Date(time).toISOString()

/** All rows of the seed data. The same names, ids and times at every run; `faker` gives the names. */
export function planSeed(faker: Faker): SeededOrganization[] {
  faker.seed(20_261_128)
  return [...scenarios.map(scenario => planTeam(faker, scenario)), ...alone.map(planPersonal)]
}

function planPersonal({ email, name, password, superuser }: (typeof alone)[number]): SeededOrganization {
  const founded = Date.parse('2024-01-01')
  const [given_name = '', family_name = ''] = name.split(' ')
  const id = idOf(founded, email)
  const organization_id = personalOrganizationId(id)
  const created_at = timeOf(founded)
  const names = { given_name, family_name, full_name: name }
  return {
    id: organization_id,
    kind: 'personal',
    name,
    slug: personalSlug(organization_id),
    created_at,
    users: [{ id, email, ...names, superuser, created_at, role: 'owner', title: null, department_id: null }],
    password,
    session_id: idOf(founded, `session of ${email}`),
    companies: [],
    branches: [],
    departments: [],
  }
}

function planTeam(faker: Faker, scenario: Scenario): SeededOrganization {
  const { name, slug, domain, since } = scenario
  const founded = Date.parse(since)
  const places = planPlaces(scenario, founded)
  return {
    id: idOf(founded, slug),
    kind: 'team',
    name,
    slug,
    created_at: timeOf(founded),
    users: planUsers(faker, scenario, founded, places.departments),
    password: TENANT_PASSWORD,
    session_id: idOf(founded, `session of ${domain}`),
    ...places,
  }
}

/** The ids of later rows are later, so that lists show the rows in the order of the scenario. */
function planPlaces({ slug, companies }: Scenario, founded: number) {
  const planned: Pick<SeededOrganization, 'companies' | 'branches' | 'departments'> = {
    companies: [],
    branches: [],
    departments: [],
  }
  let minutes = 0
  const place = (code: string, name: string, path: string) => ({
    id: idOf(founded + ++minutes * 60_000, `${slug} ${path}`),
    code,
    name,
  })
  const addDepartments = (
    list: readonly DepartmentScenario[],
    prefix: string,
    branch_id: string,
    parent_id: string | null,
  ): void => {
    for (const { code, name, below = [] } of list) {
      const added = { ...place(`${prefix}-${code}`, name, `department ${prefix}-${code}`), branch_id, parent_id }
      planned.departments.push(added)
      addDepartments(below, prefix, branch_id, added.id)
    }
  }
  for (const company of companies) {
    const { id: company_id } = place(company.code, company.name, `company ${company.code}`)
    planned.companies.push({ id: company_id, code: company.code, name: company.name })
    for (const { code, name, departments } of company.branches) {
      const branch = { ...place(code, name, `branch ${code}`), company_id }
      planned.branches.push(branch)
      addDepartments(departments, code, branch.id, null)
    }
  }
  return planned
}

/** Hired one after the other, from the foundation to the middle of 2026; everyone but the owner works in a department. */
function planUsers(
  faker: Faker,
  { slug, domain, people }: Scenario,
  founded: number,
  departments: SeededOrganization['departments'],
): SeededUser[] {
  const pace = Math.floor((Date.parse('2026-07-01') - founded) / people / DAY) * DAY || DAY
  const taken = new Set<string>()
  return Array.from({ length: people }, (_, number) => {
    const given_name = faker.person.firstName()
    const family_name = faker.person.lastName()
    const time = founded + number * pace
    const email = number === 0 ? `ceo@${domain}` : addressOf(given_name, family_name, domain, taken)
    return {
      id: idOf(time, `${slug} ${email}`),
      email,
      given_name,
      family_name,
      full_name: `${given_name} ${family_name}`,
      superuser: false,
      created_at: timeOf(time),
      role: number === 0 ? 'owner' : number % 50 === 1 ? 'admin' : number % 10 === 9 ? 'viewer' : 'member',
      title: number === 0 ? 'Chief Executive Officer' : faker.person.jobTitle(),
      department_id: number === 0 ? null : (departments[number % departments.length]?.id ?? null),
    }
  })
}

function addressOf(given_name: string, family_name: string, domain: string, taken: Set<string>): string {
  const base = `${given_name}.${family_name}`.toLowerCase().replaceAll(/[^a-z.]/g, '')
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}${number}`
    if (taken.has(name)) continue
    taken.add(name)
    return `${name}@${domain}`
  }
}
