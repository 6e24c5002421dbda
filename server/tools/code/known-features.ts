import { globSync } from 'node:fs'
import { join, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Feature } from '../../src/platform/feature.ts'
import { layers } from './edges.ts'
import type { KnownFeature } from './edges.ts'
import { listFiles, sourceFolder } from './source.ts'

/** The features of a list below `server/src`, in its order, each with its folder; and the faults of the folders. */
export async function locateFeatures(
  features: readonly Feature[],
): Promise<{ known: KnownFeature[]; faults: string[] }> {
  const folders = new Map<Feature, string>()
  const faults: string[] = []
  const found = globSync('*/*/feature.ts', { cwd: sourceFolder }).map(file => file.replaceAll(sep, '/'))
  for (const file of found.sort()) {
    const folder = file.slice(0, -'/feature.ts'.length)
    const module = (await import(pathToFileURL(join(sourceFolder, file)).href)) as Record<string, unknown>
    const value = features.find(feature => Object.values(module).includes(feature))
    if (value === undefined) faults.push(`${file} is in no list: add its feature to server/src/features.ts`)
    else folders.set(value, folder)
  }
  const rooms = new Set(
    [...listFiles('ts'), ...listFiles('sql')]
      .filter(path =>
        (layers.slice(0, layers.indexOf('platform')) as readonly string[]).includes(path.split('/')[0] ?? ''),
      )
      .map(path => path.split('/').slice(0, -1).slice(0, 2).join('/')),
  )
  for (const room of rooms)
    if (!room.includes('/')) faults.push(`there is a file in ${room} itself: put it into the folder of a feature`)
    else if (!found.includes(`${room}/feature.ts`))
      faults.push(`${room} has no feature.ts: give it one, and add it to server/src/features.ts`)
  const known = features.flatMap(feature => {
    const folder = folders.get(feature)
    return folder === undefined ? [] : [{ name: feature.name, folder, uses: feature.uses ?? [] }]
  })
  return { known, faults }
}
