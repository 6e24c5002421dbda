import { randomBytes } from 'node:crypto'
import { isProblem } from './problems.ts'
import type { ProblemCode } from './problems.ts'

/** A slug made from a name in any script: `Müller & Söhne` → `muller-sohne`, `Москва` → `moskva`. */
async function slugOf(name: string): Promise<string> {
  // Loaded when first needed, because its tables are large, and most names need none.
  const plain = /^[ -~]*$/.test(name) ? name : (await import('any-ascii')).default(name.normalize('NFC'))
  const slug = plain
    .toLowerCase()
    // An apostrophe separates no words.
    .replaceAll(/['’]/g, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 50)
    .replace(/-+$/, '')
  return slug || 'unnamed'
}

/** Claims the given slug (`taken` is the problem if it is taken), or one from the name, with a suffix if needed. */
export async function claimSlug<Result>(
  { name, slug }: { name: string; slug?: string | undefined },
  taken: ProblemCode,
  attempt: (slug: string) => Promise<Result>,
): Promise<Result> {
  const made = slug ?? (await slugOf(name))
  try {
    return await attempt(made)
  } catch (error) {
    if (slug !== undefined || !isProblem(error, taken)) throw error
    return attempt(`${made}-${randomBytes(4).toString('hex')}`)
  }
}
