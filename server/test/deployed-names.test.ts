import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { namesOf, variableList } from '../src/config/sources.ts'
import { version } from '../src/version.ts'
import { listFiles, repository } from './documents/markdown.ts'

// Whatever the files for a deployment name: variables, files, secrets, metrics ports. A name that is misspelled would be
// noticed only on the day of the deployment.

const files = listFiles().filter(path => path.startsWith('deploy/') || /^compose[\w.]*\.yaml$/.test(path))
const read = (path: string): string => readFileSync(join(repository, path), 'utf8')

/** The settings of the service, and the names of the files of those that are secret. */
const settings = new Set(
  variableList.flatMap(([name, one]) =>
    namesOf(name, one).flatMap(({ name: as }) => (one.secret === true ? [as, `${as}_FILE`] : [as])),
  ),
)

/** Names in capitals that belong to another program, with its name. */
const others: Record<string, string> = {
  POSTGRES_DB: 'the image of PostgreSQL',
  POSTGRES_PASSWORD_FILE: 'the image of PostgreSQL',
  PROJECT_ID: 'Cloud Build',
  SHORT_SHA: 'Cloud Build',
  _REGION: 'cloudbuild.yaml itself',
  _IMAGE: 'cloudbuild.yaml itself',
  CLOUD_LOGGING_ONLY: 'Cloud Build',
  ENGINE: 'deploy/container/prepare itself',
  AF_INET: 'systemd',
  AF_INET6: 'systemd',
  AF_UNIX: 'systemd',
  MAINPID: 'systemd',
}

/** Words with an underscore, and everything that is set, replaced or read from the environment. */
const namesIn = (text: string): string[] =>
  [
    /\b_?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g,
    /\b[A-Z][A-Z0-9_]+(?==)/g,
    /(?<=\$\{?)_?[A-Z][A-Z0-9_]+/g,
    /(?<=name: ['"]?)[A-Z][A-Z0-9_]+/g,
    /(?<=^\s*)[A-Z][A-Z0-9_]+(?=: )/gm,
    /(?<=process\.env\.)[A-Z][A-Z0-9_]+/g,
  ].flatMap(pattern => text.match(pattern) ?? [])

// Red when: a setting is renamed or misspelled in any of these files, in a comment as well.
test('every variable that a file for a deployment names is a setting, or one of another program', () => {
  assert.ok(files.length >= 15, files.join(', '))
  const found = new Set<string>()
  for (const file of files)
    for (const name of namesIn(read(file))) {
      found.add(name)
      assert.ok(settings.has(name) || Object.hasOwn(others, name), `${file}: ${name} is no setting`)
    }
  assert.ok(found.size > 25, [...found].join(', '))
  assert.deepEqual(
    Object.keys(others).filter(name => !found.has(name)),
    [],
    'no exception is left over',
  )
})

/** Paths in the repository, as they stand there or below the folder of an installation. */
const pathsIn = (text: string): string[] =>
  [
    ...text.matchAll(
      /(?<![\w.@:-])(?:\.\/|\/opt\/freehold\/|\/app\/|\/)?((?:deploy|server|docs|bench|node_modules|compose)[\w./@*-]*)/g,
    ),
  ]
    .map(([, path]) => path!.replace(/[.,:]+$/, ''))
    .filter(path => path.includes('/') || path.includes('.'))

// Red when: a file is moved or renamed, and not where it is named.
test('every file of the repository that they name is there', () => {
  let count = 0
  for (const file of files)
    for (const path of pathsIn(read(file))) {
      // What the build makes or removes.
      if (/^node_modules\/(?:\.cache|node-|@embedded)/.test(path) || path === 'server/' || path.includes('*')) continue
      assert.ok(existsSync(join(repository, path)), `${file}: there is no ${path}`)
      count += 1
    }
  assert.ok(count > 20, `${count} paths`)
  for (const rule of parse(read('deploy/prometheus/prometheus.yml')).rule_files as string[])
    assert.ok(existsSync(join(repository, 'deploy/prometheus', rule)), rule)
})

// Red when: a file for a secret is misspelled where it is made or used, or the owner’s login gets into the service’s pods.
test('every secret has one name, from the guide to the container', () => {
  const guide = read('docs/guides/deployment.md')
  const made = new Set([
    ...[...guide.matchAll(/> secrets\/([\w-]+)/g)].map(([, name]) => name!),
    ...[...read('deploy/container/prepare').matchAll(/> secrets\/([\w.-]+)/g)].map(([, name]) => name!),
  ])
  assert.ok(made.size >= 6)
  /** Folders that the secrets are mounted in, and the file that Cloud Run makes of each. */
  const around = new Set(['', 'freehold', 'owner', 'value'])
  for (const file of files)
    for (const [, path = ''] of read(file).matchAll(/\bsecrets\/([\w./-]*)/g))
      for (const name of path.replace(/\.$/, '').split('/'))
        assert.ok(made.has(name) || around.has(name), `${file}: nothing makes secrets/${name}`)
  const cluster = read('deploy/kubernetes/freehold.yaml')
  const [, ...commands] = cluster.split('kubectl create secret')
  assert.deepEqual(
    commands.map(command => /--from-file=(\S+)/.exec(command)?.[1]),
    [...guide.matchAll(/kubectl create secret .*--from-file=(\S+)/g)].map(([, from]) => from),
    'the file and the guide agree',
  )
  assert.ok(!/--from-file=secrets\/database-url/.test(cluster + guide))
})

// Red when: the image in the manifest is not the version of the package, or a port is changed in one place.
test('versions, ports and paths agree', () => {
  // eslint-disable-next-line typescript/no-explicit-any
  const pods = parseAllDocuments(read('deploy/kubernetes/freehold.yaml')).map(document => document.toJS() as any)
  const images = pods.flatMap(({ spec }) => spec?.template?.spec?.containers ?? []).map(({ image }) => image as string)
  assert.deepEqual([...new Set(images)], [`images.example.com/freehold:${version}`])
  const dockerfile = read('deploy/container/Dockerfile')
  const [, port] = /^EXPOSE (\d+)$/m.exec(dockerfile) ?? []
  assert.match(dockerfile, new RegExp(`^ENV .*\\bPORT=${port}\\b`, 'm'))
  for (const file of ['compose.yaml', 'deploy/kubernetes/freehold.yaml', 'deploy/cloud-run/service.yaml'])
    assert.match(read(file), new RegExp(`:${port}'|containerPort: ${port}`), file)
  const targets = read('deploy/prometheus/prometheus.yml')
  const metricsPort = variableList.find(([name]) => name === 'METRICS_PORT')?.[1].default
  for (const one of [port, metricsPort]) assert.ok(targets.includes(`127.0.0.1:${one}'`), String(one))
})
