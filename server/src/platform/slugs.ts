import { randomBytes } from 'node:crypto'
import { Problem } from './problems.ts'
import type { ProblemCode } from './problems.ts'

/** A slug made from a name: `Acme Corp` → `acme-corp`. */
const slugOf = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 50)
    .replace(/^-+|-+$/g, '') || 'unnamed'

/** Claims the given slug (`taken` is the problem if it is taken), or one from the name, with a suffix if needed. */
export async function claimSlug<Result>(
  { name, slug }: { name: string; slug?: string | undefined },
  taken: ProblemCode,
  attempt: (slug: string) => Promise<Result>,
): Promise<Result> {
  try {
    return await attempt(slug ?? slugOf(name))
  } catch (error) {
    if (slug !== undefined || !(error instanceof Problem) || error.code !== taken) throw error
    return attempt(`${slugOf(name)}-${randomBytes(4).toString('hex')}`)
  }
}
