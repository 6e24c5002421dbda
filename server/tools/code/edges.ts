import { importsOf, listFiles, readProduct } from './source.ts'
import type { Import } from './source.ts'
import { readServicesUsed } from './services-used.ts'
import { namingsOf, namingsOfSql, readOwners } from './tables-used.ts'
import type { Naming, Owners } from './tables-used.ts'

/** The uses between files, read from the code: imports; tables, views and functions of SQL; services of features. */
export interface Facts {
  /** TypeScript and SQL. */
  files: readonly string[]
  imports: readonly Import[]
  owners: Owners
  namings: readonly Naming[]
  services: { owners: Owners; takings: readonly Naming[] }
}

export function readFacts(): Facts {
  const owners = readOwners()
  const sqlFiles = listFiles('sql')
  return readProduct(({ files }) => ({
    files: [...files.map(({ path }) => path), ...sqlFiles],
    imports: files.flatMap(importsOf),
    owners,
    namings: [
      ...files.flatMap(file => namingsOf(file, owners)),
      ...sqlFiles.flatMap(file => namingsOfSql(file, owners)),
    ],
    services: readServicesUsed({ files }),
  }))
}

/** The properties of a feature that its edges depend on. */
export interface KnownFeature {
  name: string
  /** Below `server/src`, such as `product/projects`. */
  folder: string
  uses: readonly string[]
}

/** The layers from top to bottom: each may use those after it, never those before it. */
export const layers = [
  'formats',
  'operations',
  'agents',
  'product',
  'identity',
  'directory',
  'platform',
  'config',
] as const

/** `product/projects`, `platform/gate`, `platform`, `cli`, or `` for files in `server/src` itself. */
export function roomOf(path: string): string {
  const parts = path.split('/').slice(0, -1)
  return parts[0] === 'config' || parts[0] === 'cli' ? parts[0] : parts.slice(0, 2).join('/')
}

const layerOf = (path: string): string => (path.includes('/') ? (path.split('/')[0] as string) : '')

export interface Use {
  from: string
  /** The file that is used. */
  to: string
  /** A description, for the message. */
  what: string
  kind: 'import' | 'table' | 'service'
}

/** All uses of one file by another. */
function listUses({ imports, owners, namings, services }: Facts): Use[] {
  const named = (kind: Use['kind'], { from, line, name }: Naming, known: Owners): Use => ({
    from,
    to: known.get(name) as string,
    what: `${from}:${line} names ${name}`,
    kind,
  })
  return [
    ...imports
      .filter(({ to }) => to.endsWith('.ts') && !to.startsWith('../'))
      .map(({ from, to }): Use => ({ from, to, what: `${from} imports ${to}`, kind: 'import' })),
    ...namings.map(naming => named('table', naming, owners)),
    ...services.takings.map(naming => named('service', naming, services.owners)),
  ]
}

export interface Edge {
  from: string
  to: string
  uses: readonly Use[]
}

/** All edges between two features, by their names. */
export function listEdges(facts: Facts, features: readonly KnownFeature[]): Edge[] {
  const names = new Map(features.map(({ folder, name }) => [folder, name]))
  const edges = new Map<string, { from: string; to: string; uses: Use[] }>()
  for (const use of listUses(facts)) {
    const [from, to] = [names.get(roomOf(use.from)), names.get(roomOf(use.to))]
    if (from === undefined || to === undefined || from === to) continue
    const edge = edges.get(`${from} ${to}`) ?? { from, to, uses: [] }
    edge.uses.push(use)
    edges.set(`${from} ${to}`, edge)
  }
  return [...edges.values()].sort((one, other) => (`${one.from} ${one.to}` < `${other.from} ${other.to}` ? -1 : 1))
}

const placesOf = ({ uses }: Edge): string => {
  const places = [...new Set(uses.map(({ what }) => what))]
  return places.length > 3 ? `${places.slice(0, 3).join('; ')}; and ${places.length - 3} more` : places.join('; ')
}

/** Every edge must be in `uses`, and everything in `uses` must be an edge. */
export function declarationFaults(edges: readonly Edge[], features: readonly KnownFeature[]): string[] {
  const names = new Set(features.map(({ name }) => name))
  const declared = new Map(features.map(({ name, uses }) => [name, uses]))
  const folderOf = new Map(features.map(({ name, folder }) => [name, folder]))
  return [
    ...edges
      .filter(({ from, to }) => declared.get(from)?.includes(to) !== true)
      .map(
        edge =>
          `${edge.from} uses ${edge.to} without saying so: add '${edge.to}' to \`uses\` in ${folderOf.get(edge.from)}/feature.ts, or take the use out (${placesOf(edge)})`,
      ),
    ...features.flatMap(({ name, folder, uses }) =>
      uses
        .filter(used => !edges.some(({ from, to }) => from === name && to === used))
        .map(used =>
          names.has(used)
            ? `${name} says that it uses ${used} and does not: take '${used}' out of \`uses\` in ${folder}/feature.ts`
            : `${name} says that it uses ${used}, which is no feature: correct \`uses\` in ${folder}/feature.ts`,
        ),
    ),
  ]
}

/** No feature may use itself through others. */
export function circleFaults(edges: readonly Edge[]): string[] {
  return listCircles(edges).map(
    circle =>
      `${[...circle, circle[0]].join(' → ')} is a circle: let one of them take what it needs as an argument, or move what both need below both`,
  )
}

/** Features that use each other, directly or through others: each group once, as one circle. */
export function listCircles(edges: readonly Pick<Edge, 'from' | 'to'>[]): string[][] {
  const next = Map.groupBy(edges, ({ from }) => from)
  const circles: string[][] = []
  const known = new Set<string>()
  for (const start of [...next.keys()].sort()) {
    if (known.has(start)) continue
    // The shortest path from a feature back to itself.
    const before = new Map<string, string>()
    const queue = [start]
    for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
      for (const { to } of next.get(at) ?? []) {
        if (before.has(to)) continue
        before.set(to, at)
        queue.push(to)
      }
    }
    if (!before.has(start)) continue
    const circle: string[] = []
    for (let at = before.get(start) as string; at !== start; at = before.get(at) as string) circle.unshift(at)
    circles.push([start, ...circle])
    for (const name of [start, ...circle]) known.add(name)
  }
  return circles
}

/** Each feature must come after those that it uses, so that their tables and services are created before its own. */
export function orderFaults(features: readonly KnownFeature[]): string[] {
  const names = features.map(({ name }) => name)
  return features.flatMap(({ name, uses }, index) =>
    uses
      .filter(used => names.indexOf(used) > index)
      .map(used => `${name} comes before ${used}, which it uses: put it after ${used} in server/src/features.ts`),
  )
}

/** The name of an upward use: the folder that uses, and the name or file that it uses. */
export const upwardNameOf = ({ from, to, what, kind }: Use): string =>
  `${roomOf(from)} → ${kind === 'import' ? to : what.split(' ').at(-1)}`

/** All upward uses: from a layer to one above it, or from any layer to the root or the command line. */
export function listUpwardUses(facts: Facts): Use[] {
  const height = (path: string) => {
    const index = (layers as readonly string[]).indexOf(layerOf(path))
    return index === -1 ? -1 : index // the root and the command line are above all layers
  }
  return listUses(facts).filter(({ from, to }) => height(to) < height(from))
}

/** `allowed`: upward uses that are permitted, each with the reason. */
export function layerFaults(facts: Facts, allowed: Readonly<Record<string, string>>): string[] {
  const upward = listUpwardUses(facts)
  const used = new Set(upward.map(upwardNameOf))
  return [
    ...upward
      .filter(use => !(upwardNameOf(use) in allowed))
      .map(
        ({ from, to, what }) =>
          `${what}, which stands above it (${layers.join(' → ')}): move one of them, or let ${layerOf(to) || 'what starts the service'} hand it to ${roomOf(from)}`,
      ),
    ...Object.keys(allowed)
      .filter(name => !used.has(name))
      .map(name => `${name} is allowed to point up and does not: take it off the list`),
  ]
}

/** Imports of files that only the app and the feature itself may import. */
export const doorFaults = ({ imports }: Facts): string[] =>
  imports
    .filter(({ to }) => /[/-](routes|feature|pages)\.ts$/.test(to) && layerOf(to) !== 'platform')
    .filter(({ from, to }) => layerOf(from) !== '' && roomOf(from) !== roomOf(to))
    .map(
      ({ from, to }) =>
        `${from} imports ${to}: only ${roomOf(to)} itself and features.ts may; import the file that holds the function instead`,
    )
