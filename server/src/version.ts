import { readFileSync } from 'node:fs'

const { version: packageVersion } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** The service's own version, as its package says. */
export const version = packageVersion
