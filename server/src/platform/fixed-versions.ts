/**
 * The newest releases that are known to mend faults of security, and when that was looked up. Whoever reads of a newer one
 * changes version and date here and, for Node, the pins in package.json: start and doctor compare with it.
 */
export const fixedVersions = {
  date: '2026-11-28',
  /** Release line → minor and patch. 26.12.1 of 21 October 2026 mends, among others, the Brotli decoder (CVE-2026-111497). */
  node: { 26: [12, 1] },
  /** Major version → minor version, of 12 November 2026. */
  postgres: { 15: 20, 16: 16, 17: 12, 18: 7, 19: 0 },
} as const satisfies {
  date: string
  node: Readonly<Record<number, readonly [minor: number, patch: number]>>
  postgres: Readonly<Record<number, number>>
}

/** Where npm has a package of the fixed Node; elsewhere its packages stay behind, and such a Node is for development. */
const pinned = ['linux-x64', 'linux-arm64']

/** What is known against this Node, in words; undefined when nothing is. */
export function runtimeFault(
  version: string = process.versions.node,
  platform: string = `${process.platform}-${process.arch}`,
): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const fixed = (fixedVersions.node as Readonly<Record<number, readonly [number, number]>>)[major]
  if (fixed === undefined || minor > fixed[0] || (minor === fixed[0] && patch >= fixed[1])) return undefined
  const remedy = pinned.includes(platform)
    ? 'run npm ci, which installs that one, and start with npm start or node_modules/.bin/node'
    : `npm has no package of it for ${platform}: good for development only`
  return `Node ${version} has faults of security that ${major}.${fixed.join('.')} mends (known on ${fixedVersions.date}): ${remedy}`
}

/** Whether the minor version is one without faults of security that were known; of a major version unknown here it is. */
export function isFixedPostgres(major: number, minor: number): boolean {
  const fixed = (fixedVersions.postgres as Readonly<Record<number, number>>)[major]
  return fixed === undefined || minor >= fixed
}

/** What is known against a PostgreSQL, by its `server_version_num`, in words; undefined when nothing is. */
export function postgresFault(versionNumber: number): string | undefined {
  const [major, minor] = [Math.floor(versionNumber / 10_000), versionNumber % 10_000]
  if (isFixedPostgres(major, minor)) return undefined
  const fixed = (fixedVersions.postgres as Readonly<Record<number, number>>)[major]
  return `PostgreSQL ${major}.${minor} has faults of security that ${major}.${fixed} mends (known on ${fixedVersions.date}): update its packages and restart it, the data stays; the embedded one is for development only`
}

/** Says that the list above has grown old; undefined while it has not. */
export function listAge(now = Date.now()): string | undefined {
  const days = Math.floor((now - Date.parse(fixedVersions.date)) / 86_400_000)
  return days > 120
    ? `the fixed versions of Node and PostgreSQL that this freehold knows are ${days} days old: upgrade it, or compare with their release notes`
    : undefined
}
