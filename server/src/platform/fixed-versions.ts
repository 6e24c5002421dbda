/**
 * The newest releases that fix known vulnerabilities, and the date of this list. Start and doctor compare the running
 * versions with it. For a newer release, change version and date here and, for Node, the pins in package.json.
 */
export const fixedVersions = {
  date: '2026-11-28',
  /** Release line → minor and patch. 26.12.1 of 21 October 2026 fixes, among others, CVE-2026-111497 (Brotli). */
  node: { 26: [12, 1] },
  /** Major version → minor version, of 12 November 2026. */
  postgres: { 15: 20, 16: 16, 17: 12, 18: 7, 19: 0 },
} as const satisfies {
  date: string
  node: Readonly<Record<number, readonly [minor: number, patch: number]>>
  postgres: Readonly<Record<number, number>>
}

/** The platforms for which npm has a package of the fixed Node; on others it is older, for development only. */
const pinned = ['linux-x64', 'linux-arm64']

/** The known vulnerabilities of this Node, as a message; undefined if there are none. */
export function runtimeFault(
  version: string = process.versions.node,
  platform: string = `${process.platform}-${process.arch}`,
): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const fixed = (fixedVersions.node as Readonly<Record<number, readonly [number, number]>>)[major]
  if (fixed === undefined || minor > fixed[0] || (minor === fixed[0] && patch >= fixed[1])) return undefined
  const remedy = pinned.includes(platform)
    ? 'run npm ci, which installs that one, and start with npm start or node_modules/.bin/node'
    : `npm has no package of it for ${platform}: use this Node for development only`
  return `Node ${version} has vulnerabilities that ${major}.${fixed.join('.')} fixes (known on ${fixedVersions.date}): ${remedy}`
}

/** Whether the minor version has no known vulnerabilities; true for a major version that is not in the list. */
export function isFixedPostgres(major: number, minor: number): boolean {
  const fixed = (fixedVersions.postgres as Readonly<Record<number, number>>)[major]
  return fixed === undefined || minor >= fixed
}

/** The known vulnerabilities of a PostgreSQL (`server_version_num`), as a message; undefined if there are none. */
export function postgresFault(versionNumber: number): string | undefined {
  const [major, minor] = [Math.floor(versionNumber / 10_000), versionNumber % 10_000]
  if (isFixedPostgres(major, minor)) return undefined
  const fixed = (fixedVersions.postgres as Readonly<Record<number, number>>)[major]
  return `PostgreSQL ${major}.${minor} has vulnerabilities that ${major}.${fixed} fixes (known on ${fixedVersions.date}): update its packages and restart it, the data is kept; the embedded one is for development only`
}

/** A message that the list above is old; undefined while it is not. */
export function listAge(now = Date.now()): string | undefined {
  const days = Math.floor((now - Date.parse(fixedVersions.date)) / 86_400_000)
  return days > 120
    ? `the list of fixed versions of Node and PostgreSQL in this freehold is ${days} days old: upgrade freehold, or compare with their release notes`
    : undefined
}
