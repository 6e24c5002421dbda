import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

interface Locked {
  version?: string
  resolved?: string
  optionalDependencies?: Record<string, string>
}

const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Record<string, Locked>
}

// `npm ci` refuses a lockfile that lacks a package of any platform.
test('every platform package that a dependency names is locked', () => {
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter(
        name =>
          packages[`node_modules/${name}`] === undefined && packages[`${path}/node_modules/${name}`] === undefined,
      )
      .map(name => `${path} → ${name}`),
  )
  assert.deepEqual(missing, [])
})

test('the lockfile names no registry, and every direct dependency has an exact version', () => {
  assert.deepEqual(
    Object.values(packages).filter(({ resolved }) => resolved?.includes('://')),
    [],
  )
  for (const file of ['../../package.json', '../package.json', '../../bench/package.json']) {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
      readFileSync(new URL(file, import.meta.url), 'utf8'),
    )
    for (const version of Object.values({ ...dependencies, ...devDependencies, ...optionalDependencies }))
      assert.match(String(version), /^\d+\.\d+\.\d+(-[\w.]+)?$/)
  }
})
