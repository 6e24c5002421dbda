import pg from 'pg'
import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { saturate } from '../stage/load.ts'
import { startService } from '../stage/stage.ts'
import type { Owner, Stage } from '../stage/stage.ts'

const FEW = 1000
const MANY = 100_000

/** So few that requests do not queue, because this measures latency. */
const CONNECTIONS = 2

/** The lists, each with the query that the bench sends. Every member is found by `a`. What is called rare matches 50 people in both. */
const lists: Readonly<Record<string, string>> = {
  'by date': '',
  'by name': 'sort=name',
  'by name, in the middle': 'sort=name&cursor=',
  'by email, descending': 'sort=-email',
  'search, all match': 'search=a',
  'search, rare': 'search=zoe',
  'search, one person': 'search=unique',
  'search, two words, rare': 'search=zoe%20a',
  'role=admin, rare': 'role=admin',
  'role=owner (one), by name': 'role=owner&sort=name',
  'status=disabled, rare, by name': 'status=disabled&sort=name',
  'role=viewer, one in ten, search, all match': 'role=viewer&search=a',
}

/** Whether the lists of members get slower with a hundred times as many members. Both organizations are in one database. */
export async function measureOrganizations(stage: Stage, rounds: number, seconds: number): Promise<Figure[]> {
  const [few, many] = stage.owners as [Owner, Owner]
  await addPeople(stage.adminUrl, few.organization_id, FEW)
  await addPeople(stage.adminUrl, many.organization_id, MANY)
  const service = await startService(stage)
  const ask = async ({ authorization }: Owner, query: string) =>
    (await (await fetch(`${service.url}/api/v1/users?${query}`, { headers: { authorization } })).json()) as {
      items: unknown[]
      next_cursor: string
    }
  const middle = async (owner: Owner) => {
    let cursor = ''
    // The names are numbered, so five pages lead to a full page in both organizations.
    for (let page = 0; page < 5; page++) {
      const query: string = `sort=name&limit=100${cursor && `&cursor=${cursor}`}`
      cursor = (await ask(owner, query)).next_cursor
    }
    return cursor
  }
  const cursors = new Map([
    [few, await middle(few)],
    [many, await middle(many)],
  ])
  const run = async (owner: Owner, query: string, duration: number) => {
    const path = `/api/v1/users?limit=20&${query}${query.endsWith('cursor=') ? cursors.get(owner) : ''}`
    const { authorization } = owner
    return (
      await saturate({
        url: service.url,
        connections: CONNECTIONS,
        seconds: duration,
        requests: [{ path, headers: { authorization } }],
      })
    ).p50
  }
  try {
    const figures: Figure[] = []
    for (const [what, query] of Object.entries(lists)) {
      for (const owner of [few, many]) await run(owner, query, 1)
      const measured: { measured: number; control: number }[] = []
      for (let round = 0; round < rounds; round++) {
        const control = await run(few, query, seconds)
        measured.push({ measured: await run(many, query, seconds), control })
      }
      figures.push(compare(`people, ${what}: ${MANY} / ${FEW}, median`, 'ms', measured, { atMost: 1.2 }))
    }
    return figures
  } finally {
    await service.stop()
  }
}

/** Adds members with numbered names, without triggers, and then their words as the migration adds them. */
async function addPeople(adminUrl: string, organization_id: string, count: number): Promise<void> {
  const client = new pg.Client(adminUrl)
  await client.connect()
  try {
    await client.query(`set session_replication_role = replica; set app.maintenance = 'on'`)
    await client.query(
      `create temporary table bench_people as select n, uuidv7() as user_id,
        (array['Maria', 'Ben', 'Chris', 'Dora', 'Émile', 'Fay', 'Gül', 'Hana'])[1 + n % 8] as given_name,
        case when n = 500 then 'Unique' when n % ${count / 50} = 7 then 'Zoe' else (array['Adams', 'Becker', 'Çelik', 'Dubois', 'Evans'])[1 + n % 5] end as family_name
      from generate_series(1, ${count}) n order by random()`,
    )
    await client.query(
      `insert into users (id, email, given_name, family_name, full_name)
      select user_id, 'a' || n || '.of.${organization_id}@example.com', given_name, family_name, given_name || ' ' || family_name || ' ' || lpad(n::text, 6, '0') from bench_people`,
    )
    await client.query(
      `insert into memberships (organization_id, user_id, role, disabled_at)
      select '${organization_id}', user_id, case when n % ${count / 50} = 1 then 'admin' when n % 10 = 2 then 'viewer' else 'member' end, case when n % ${count / 50} = 3 then now() end from bench_people`,
    )
    await client.query(
      `select keep_member_words(user_id, '${organization_id}') from memberships where organization_id = '${organization_id}'`,
    )
    await client.query('vacuum (analyze)')
  } finally {
    await client.end()
  }
}
