import pg from 'pg'
import { compare, median } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { startService } from '../stage/stage.ts'
import type { Owner, Stage } from '../stage/stage.ts'

/** How often each request is sent in a round. */
const REPEATS = { large: 10, small: 200, list: 200 }

/** Whether the tree takes longer for each node, and a list for each page, with a hundred times as many departments. */
export async function measureStructure(stage: Stage, rounds: number): Promise<Figure[]> {
  const [large, small] = stage.owners as [Owner, Owner]
  const nodes = { large: await plant(stage, large, 10_000), small: await plant(stage, small, 100) }
  const service = await startService(stage)

  /** The median time of a request, in milliseconds. */
  async function time({ authorization }: Owner, path: string, repeats: number): Promise<number> {
    const times: number[] = []
    for (let repeat = 0; repeat < repeats; repeat++) {
      const began = performance.now()
      const answer = await fetch(`${service.url}/api/v1/org/${path}`, { headers: { authorization } })
      await answer.arrayBuffer()
      times.push(performance.now() - began)
      if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`)
    }
    return median(times)
  }

  try {
    const round = async () => {
      const tree = {
        measured: ((await time(large, 'tree', REPEATS.large)) / nodes.large) * 1000,
        control: ((await time(small, 'tree', REPEATS.small)) / nodes.small) * 1000,
      }
      const list = {
        measured: await time(large, 'departments?limit=20', REPEATS.list),
        control: await time(small, 'departments?limit=20', REPEATS.list),
      }
      return { tree, list }
    }
    await round()
    const measured = []
    for (let number = 0; number < rounds; number++) measured.push(await round())
    return [
      compare(
        'tree, time for each node: 10,000 departments / 100',
        'µs',
        measured.map(({ tree }) => tree),
        { atMost: 1.2 },
      ),
      compare(
        'list, a page of 20: 10,000 departments / 100',
        'ms',
        measured.map(({ list }) => list),
        { atMost: 1.2 },
      ),
    ]
  } finally {
    await service.stop()
  }
}

/**
 * Gives the organization one company with a branch for each hundred departments, which nest up to four levels deep.
 * Without triggers. @returns the number of nodes
 */
async function plant({ adminUrl }: Stage, { organization_id }: Owner, departments: number): Promise<number> {
  const client = new pg.Client(adminUrl)
  await client.connect()
  const branches = departments / 100
  await client.query(`set session_replication_role = replica`)
  await client.query(
    `with company as (insert into companies (organization_id, code, name) values ($1, 'BENCH', 'Bench') returning id),
      branch as (insert into branches (organization_id, company_id, code, name)
        select $1, company.id, 'B' || b, 'Branch ' || b from company, generate_series(1, $2::int) b returning id, company_id, substr(code, 2)::int as b),
      planned as (select branch.id as branch_id, company_id, b, n, uuidv7() as id from branch, generate_series(1, 100) n)
    insert into departments (organization_id, id, company_id, branch_id, parent_id, code, name)
    select $1, p.id, p.company_id, p.branch_id, above.id, 'D' || p.b || '-' || p.n, 'Department ' || p.n
    from planned p left join planned above on above.b = p.b and p.n > 5 and above.n = p.n / 3`,
    [organization_id, branches],
  )
  await client.query(`vacuum (analyze) companies, branches, departments`)
  await client.end()
  return 1 + branches + departments
}
