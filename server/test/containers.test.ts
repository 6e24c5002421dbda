import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { loadConfig } from '../src/config/config.ts'
import { namesOf, variableList } from '../src/config/sources.ts'
import { repository } from './documents/markdown.ts'

// The files for containers, without a container engine: what they say about each other and about the service is checked.

const scratch = mkdtempSync(join(tmpdir(), 'freehold-containers-'))
after(() => rmSync(scratch, { recursive: true, force: true }))
const readFile = (path: string): string => readFileSync(join(repository, path), 'utf8')

// eslint-disable-next-line typescript/no-explicit-any
type Yaml = any
const compose: Yaml = parse(readFile('compose.yaml'), { merge: true })
const dev: Yaml = parse(readFile('compose.dev.yaml'), { merge: true })
const cluster: Yaml[] = parseAllDocuments(readFile('deploy/kubernetes/freehold.yaml')).map(document => document.toJS())
const run: Yaml = parse(readFile('deploy/cloud-run/service.yaml'))
const build: Yaml = parse(readFile('deploy/cloud-run/cloudbuild.yaml'))
const dockerfile = readFile('deploy/container/Dockerfile')

const podOf = (kind: string): Yaml => cluster.find(one => one.kind === kind).spec.template.spec
const fieldsOf = (list: Yaml[]): Record<string, string> =>
  Object.fromEntries(list.map(({ name, value }) => [name, String(value)]))
const configMap: Record<string, string> = cluster.find(one => one.kind === 'ConfigMap').data

/** The settings of every process, and the folders and files that are mounted there. */
const processes: Record<string, { settings: Record<string, string>; mounted: (path: string) => boolean }> = {
  ...Object.fromEntries(
    ['migrate', 'freehold'].map(name => {
      const { environment, secrets } = compose.services[name]
      return [
        `compose ${name}`,
        {
          settings: environment,
          mounted: (path: string) => secrets.some((one: string) => path === `/run/secrets/${one}`),
        },
      ]
    }),
  ),
  'compose.dev': {
    settings: dev.services.freehold.environment,
    mounted: path => dev.services.freehold.secrets.some((one: string) => path === `/run/secrets/${one}`),
  },
  'Kubernetes job': {
    settings: fieldsOf(podOf('Job').containers[0].env),
    mounted: path => podOf('Job').containers[0].volumeMounts.some((one: Yaml) => path.startsWith(`${one.mountPath}/`)),
  },
  'Kubernetes deployment': {
    settings: configMap,
    mounted: path =>
      podOf('Deployment').containers[0].volumeMounts.some((one: Yaml) => path.startsWith(`${one.mountPath}/`)),
  },
  'Cloud Run': {
    settings: fieldsOf(run.spec.template.spec.containers[0].env),
    mounted: path =>
      run.spec.template.spec.containers[0].volumeMounts.some((one: Yaml) => path === `${one.mountPath}/value`),
  },
}

// Red when: a setting is misspelled, a secret is not mounted, or a secret stands in the file.
test('every setting exists, every secret is a file, and every such file is mounted', () => {
  const known = new Map(
    variableList.flatMap(([name, one]) => namesOf(name, one).map(({ name: as }) => [as, one.secret === true] as const)),
  )
  for (const [process, { settings, mounted }] of Object.entries(processes))
    for (const [name, value] of Object.entries(settings)) {
      const plain = name.replace(/_FILE$/, '')
      assert.ok(known.has(name) || (known.get(plain) === true && name !== plain), `${process}: ${name} is no setting`)
      if (name !== plain && name !== 'LOG_FILE') assert.ok(mounted(value), `${process}: ${value} is not mounted`)
      if (known.get(name) === true) assert.match(value, /^\$\{\w+:-\}$/, `${process}: ${name} is a secret`)
    }
})

// Red when: a required setting is missing, or a value is not accepted.
test('with the secrets in their files, the service accepts these settings in production', () => {
  const secrets: Record<string, string> = {
    SECRET_KEY: 'c7f1e09ab35d24860f1e2d3c4b5a69788796a5b4c3d2e1f0',
    DATABASE_TENANT_URL: 'postgres://shop_tenant_login:qcWy0dFzn2@db.internal/shop',
    DATABASE_SYSTEM_URL: 'postgres://shop_system_login:kQx2v7Lm4t@db.internal/shop',
    REDIS_URL: 'redis://:jH5sTq9wZb@redis.internal',
    SMTP_URL: 'smtp://shop:jH5sTq9wZb@mail.internal:587',
  }
  for (const process of ['compose freehold', 'Kubernetes deployment', 'Cloud Run']) {
    const settings = Object.entries(processes[process]!.settings).map(([name, value]) => {
      const secret = secrets[name.replace(/_FILE$/, '')]
      return name.endsWith('_FILE') && secret !== undefined
        ? [name.replace(/_FILE$/, ''), secret]
        : [name, value.replace(/^\$\{\w+:-(.*)\}$/, '$1')]
    })
    const config = loadConfig({ ENVIRONMENT: 'production', ...Object.fromEntries(settings) }, scratch)
    assert.equal(config.database.url, undefined, `${process}: the service does not know the owner`)
    assert.ok(config.redisUrl !== undefined, process)
  }
})

// Red when: a privilege is given back, or a container is killed before it has drained.
test('containers have no privileges and enough time to drain, and probes ask paths that exist', () => {
  const uid = [...dockerfile.matchAll(/^USER (\d+):\d+$/gm)].at(-1)?.[1]
  assert.ok(Number(uid) > 0, 'the image has a numeric user, which Kubernetes can check')
  for (const name of ['migrate', 'freehold', 'redis']) {
    const { read_only, cap_drop } = compose.services[name]
    assert.deepEqual([read_only, cap_drop], [true, ['ALL']], name)
  }
  for (const kind of ['Job', 'Deployment']) {
    const pod = podOf(kind)
    assert.deepEqual(
      [pod.automountServiceAccountToken, pod.enableServiceLinks, pod.securityContext.runAsNonRoot],
      [false, false, true],
    )
    assert.deepEqual(pod.containers[0].securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  }
  assert.ok(podOf('Deployment').terminationGracePeriodSeconds >= Number(configMap['DRAIN_SECONDS']) + 20)
  assert.ok(Number.parseInt(compose.services.freehold.stop_grace_period, 10) >= 25)
  const paths = new Set(Object.keys(JSON.parse(readFile('openapi.json')).paths))
  const [pod, service] = [podOf('Deployment').containers[0], run.spec.template.spec.containers[0]]
  for (const probe of [pod.startupProbe, pod.readinessProbe, service.startupProbe])
    assert.ok(paths.has(probe.httpGet.path))
  assert.deepEqual(
    build.steps.map(({ id }: Yaml) => id),
    ['build', 'push', 'migrate', 'deploy'],
    'migrations are applied before the version that needs them starts',
  )
})

// Red when: a file is renamed, or .dockerignore keeps it out of the image, or lets a secret in.
test('the image is made of files that exist, and of nothing else', () => {
  const ignored = readFile('.dockerignore')
    .split('\n')
    .filter(line => !line.startsWith('#'))
  assert.ok(ignored.includes('*') && !ignored.some(line => /env|secrets|freehold|node_modules/.test(line)))
  for (const [, sources = ''] of dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm))
    for (const source of sources.split(' ')) {
      assert.ok(existsSync(join(repository, source)), source)
      assert.ok(
        ignored.some(line => line.startsWith('!') && `${source}/`.startsWith(`${line.slice(1)}/`)),
        source,
      )
    }
})

// Red when: the exit code is always 0.
test('the health check of the image agrees with /ready', async () => {
  let status = 200
  const server = createServer((_request, response) => {
    response.statusCode = status
    response.end()
  }).listen(0)
  await once(server, 'listening')
  const check = async (port: number) => {
    const child = spawn(process.execPath, [join(repository, 'deploy/container/healthcheck.js')], {
      env: { PORT: String(port) },
    })
    return ((await once(child, 'exit')) as [number])[0]
  }
  const { port } = server.address() as AddressInfo
  assert.equal(await check(port), 0)
  status = 503
  assert.equal(await check(port), 1)
  server.close()
  assert.equal(await check(1), 1)
})

// Red when: the URLs and the SQL have different passwords, or a second call replaces them.
test('prepare makes the secrets of compose.yaml once, and they fit together', () => {
  const engine = join(scratch, 'engine')
  // In place of the image, the service of this repository.
  writeFileSync(
    engine,
    `#!/bin/sh
[ "$1" = run ] || exit 0
while [ "$1" != freehold ]; do if [ "$1" = -e ]; then export "$2"; fi; shift; done
shift
cd / && ENVIRONMENT=production exec ${process.execPath} ${join(repository, 'server/bin/freehold.js')} "$@"
`,
  )
  chmodSync(engine, 0o755)
  const prepare = () =>
    spawnSync(join(repository, 'deploy/container/prepare'), {
      cwd: scratch,
      env: { ...process.env, ENGINE: engine },
      encoding: 'utf8',
    })
  const first = prepare()
  assert.equal(first.status, 0, first.stderr)
  const secret = (name: string) => readFileSync(join(scratch, 'secrets', name), 'utf8').trim()
  for (const { file } of Object.values<{ file: string }>(compose.secrets))
    assert.ok(existsSync(join(scratch, file)), file)
  const sql = secret('initdb.sql')
  for (const name of ['database-url', 'database-tenant-url', 'database-system-url']) {
    const { username, password, host } = new URL(secret(name))
    assert.equal(host, 'postgres:5432')
    assert.ok(sql.includes(`'${password}'`) && sql.includes(username), name)
  }
  assert.equal(secret('redis.conf'), `requirepass ${new URL(secret('redis-url')).password}`)
  const key = secret('secret-key')
  assert.match(prepare().stdout, /nothing was changed/)
  assert.equal(secret('secret-key'), key)
})
