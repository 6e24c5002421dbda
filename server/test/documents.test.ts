import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startEmbeddedPostgres } from '../src/platform/embedded/embedded-postgres.ts'
import { findFreePort } from '../src/platform/embedded/postgres-process.ts'
import { anchorsOf, blocksOf, listFiles, proseOf, readDocument, repository } from './documents/markdown.ts'
import type { Block } from './documents/markdown.ts'
import { testDatabase } from './test-database.ts'

/**
 * Checks that the documents are correct. The words after a fence say how a block is checked:
 *   sh run       is run; all blocks of a document run in one shell, in order, and none may fail
 *   sh serve     is started in the background; the shell continues when the service is ready
 *   … output     is the output of the previous block, where `…` stands for anything
 *   … file=PATH  is that file; `diff file=PATH` is a change to it (the walkthrough in CONTRIBUTING)
 * Every other sh block is only parsed.
 */
const files = listFiles()
const documents = files.filter(file => file.endsWith('.md'))
const isRun = ({ language, words }: Block) => language === 'sh' && (words.includes('run') || words.includes('serve'))
const hasBash = spawnSync('bash', ['-c', 'curl --version'], { stdio: 'ignore' }).status === 0
const needsBash = hasBash ? {} : { skip: 'bash or curl is not installed' }

const started: ChildProcess[] = []
const folders: string[] = []
after(async () => {
  await Promise.all(started.map(endProcess))
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

// Red when: a link of README.md names a missing file, or the heading that a link leads to is renamed.
test('every relative link leads to a file, and every anchor to a heading', () => {
  const broken: string[] = []
  for (const document of documents) {
    for (const [, target = ''] of proseOf(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? document : join(dirname(document), path)
      if (!existsSync(join(repository, file))) broken.push(`${document}: ${target}`)
      else if (anchor !== undefined && !anchorsOf(file).has(anchor))
        broken.push(`${document}: ${target} (no such heading)`)
    }
  }
  assert.deepEqual(broken, [])
})

// Red when: the heading of a decision has the number of another, or its title in README.md is an older one.
test('every decision has the number of its file, and is listed with its title', () => {
  const list = readDocument('docs/decisions/README.md').replaceAll(/\s+/g, ' ')
  const wrong = documents.filter(file => {
    const [, name, number] = /^docs\/decisions\/((\d{4})-.*)$/.exec(file) ?? []
    if (name === undefined) return false
    const [, title] = new RegExp(`^# ${Number(number)}\\. (.+)`).exec(readDocument(file)) ?? []
    return !list.includes(` ${Number(number)}. [${title}](${name})`)
  })
  assert.deepEqual(wrong, [])
})

// Red when: a comment mentions a folder on someone's machine, or the registry that its author used.
test('no file names a machine, a registry or how it was written', () => {
  const forbidden = [
    // The example of a workspace is a path that a client sends, not one of a machine.
    /(?<![\w.])\/(?:work|root|home\/\w+|Users\/\w+|mnt|workspace(?!\/(?:\.\.\/)?test\b))\/[\w.-]+/,
    /\b[A-Z]:\\Users\\/,
    /\bregistry\.[a-z0-9-]+\.[a-z]{2,}|\bartifactory\b|"resolved": "http/i,
    /\b(?:chat ?gpt|anthropic|openai|copilot|language model|as an ai)\b/i,
  ]
  const others = files.filter(file => file !== 'server/test/documents.test.ts')
  assert.deepEqual(findWords(others, forbidden), [])
})

// Red when: a guide uses the word seamless.
test('no document advertises', () => {
  const forbidden = [
    /\b(?:synergy|seamless(?:ly)?|blazing(?:ly)?|world-class|cutting-edge|best-in-class|revolutionary|effortless(?:ly)?|supercharge|powerful|robust)\b/i,
    /\p{Extended_Pictographic}/u,
  ]
  assert.deepEqual(findWords(documents, forbidden), [])
})

const findWords = (paths: readonly string[], patterns: readonly RegExp[]): string[] =>
  paths.flatMap(path => {
    const text = readDocument(path)
    return patterns.flatMap(pattern => pattern.exec(text)?.[0] ?? []).map(words => `${path}: ${words}`)
  })

// Red when: a quote is left open in a block of a guide.
test('every shell block that is not run can be parsed', needsBash, () => {
  const blocks = documents.flatMap(blocksOf).filter(block => block.language === 'sh' && !isRun(block))
  assert.ok(blocks.length > 0)
  for (const { text, place } of blocks) {
    const { stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' })
    assert.equal(stderr, '', place)
  }
})

// Red when: the problem for a foreign id differs from README.md, or a token outlives its session.
test('the tour in the README shows the responses of a new service', needsBash, async () => {
  await runDocument('README.md', makeCheckout())
})

// Red when: a required variable is missing from the guide, or the tenant login has one grant too many.
test('the deployment guide leads from an empty database to a service in production', needsBash, async () => {
  const checkout = makeCheckout()
  // PostgreSQL's own client may be missing here; this does what the guide needs of it.
  const folder = makeFolder()
  const script = `import pg from '${join(repository, 'node_modules/pg/esm/index.mjs')}'
import { readFileSync } from 'node:fs'
const [url, option, value] = process.argv.slice(2)
const client = new pg.Client(url)
await client.connect()
await client.query(option === '-c' ? value : readFileSync(option === '-f' ? value : 0, 'utf8'))
await client.end()`
  writeFileSync(join(folder, 'psql.mjs'), script)
  writeFileSync(join(folder, 'psql'), `#!/bin/sh\nexec '${process.execPath}' '${join(folder, 'psql.mjs')}' "$@"\n`)
  chmodSync(join(folder, 'psql'), 0o755)

  // doctor asks the mail server.
  const mail = createServer(socket => {
    socket.on('error', () => {}).write('220 here\r\n')
    socket.on('data', chunk => {
      for (const line of String(chunk).split('\r\n').slice(0, -1))
        socket.write(
          line.startsWith('EHLO')
            ? '250-here\r\n250 AUTH PLAIN\r\n'
            : line.startsWith('AUTH')
              ? '235 yes\r\n'
              : '250 yes\r\n',
        )
    })
  }).listen(0, '127.0.0.1')
  after(() => mail.close())
  await once(mail, 'listening')
  const mailHost = `127.0.0.1:${(mail.address() as AddressInfo).port}`

  const { adminUrl } = testDatabase()
  const { host } = new URL(adminUrl)
  const settings = { PATH: `${folder}${delimiter}${process.env['PATH']}`, ADMIN_URL: adminUrl }
  // The test server may have known vulnerabilities; then this is the only fault that doctor reports.
  const tolerant = `npx freehold doctor > doctor.log || [ "$(grep ^FAULT doctor.log)" = 'FAULT server version' ]
sed -e '/^ *- PostgreSQL/d' -e 's/^FAULT server version/ok    server version/' doctor.log`
  await runDocument('docs/guides/deployment.md', checkout, settings, text =>
    text
      .replaceAll('db.example.com:5432', host)
      .replaceAll('mail.example.com:587', mailHost)
      .replace(/^npx freehold doctor$/m, tolerant),
  )
})

// Red when: an output of the import differs from the guide, or the imported password does not sign in.
test('the import guide leads from a file to users who sign in with their existing passwords', needsBash, async () => {
  await runCommands('docs/guides/import.md', makeCheckout())
})

// Red when: a name in the tree or in the preview differs from the guide.
test('the structure guide shows the responses of a new service', needsBash, async () => {
  await runDocument('docs/guides/structure.md', makeCheckout())
})

// Red when: a scenario gets another department.
test('the guide to seed data shows what the command prints', needsBash, async () => {
  await runCommands('docs/guides/seed-data.md', makeCheckout())
})

// Red when: a response of either format differs from the guide.
test('the guide for front ends shows the responses of both formats', needsBash, async () => {
  await runDocument('docs/guides/integrate.md', makeCheckout())
})

// Red when: the client program keeps its license file after a revocation, or an activation is counted twice.
test('the guide to license activation leads from a key to a program that a revocation stops', needsBash, async () => {
  await runDocument('docs/guides/license-activation.md', makeCheckout())
})

// Red when: an `access` is left out of its routes.ts, or a file that its diffs change has changed.
test('the walkthrough of CONTRIBUTING adds a resource that works', needsBash, async () => {
  const copy = makeFolder()
  const ours = files.filter(file => !file.endsWith('.test.ts') || file === 'server/test/edges.test.ts')
  for (const file of ours) cpSync(join(repository, file), join(copy, file))
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'))

  for (const { language, words, text, place } of blocksOf('CONTRIBUTING.md')) {
    const file = words.find(word => word.startsWith('file='))?.slice('file='.length)
    if (file === undefined) continue
    const path = join(copy, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, language === 'diff' ? changeText(readFileSync(path, 'utf8'), text, place) : `${text}\n`)
  }
  // Its paths are in no cache yet, and do not belong into that of the repository.
  await runCommands('CONTRIBUTING.md', copy, { NODE_COMPILE_CACHE: makeFolder() })
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(repository, 'node_modules/typescript/bin/tsc'), '-p', '.'],
    { cwd: copy, encoding: 'utf8' },
  )
  assert.equal(status, 0, stdout)
})

/** Applies a diff without line numbers: the lines that it keeps or removes must occur exactly once, in sequence. */
function changeText(text: string, change: string, place: string): string {
  const lines = change.split('\n')
  const join = (kept: string) =>
    lines
      .filter(line => line.startsWith(' ') || line.startsWith(kept))
      .map(line => `${line.slice(1)}\n`)
      .join('')
  const parts = text.split(join('-'))
  assert.equal(parts.length, 2, `${place}: the text to change occurs ${parts.length - 1} times`)
  return parts.join(join('+'))
}

/** Runs a document with many commands, of which each would otherwise start and stop the embedded PostgreSQL. */
async function runCommands(path: string, checkout: string, settings: Record<string, string> = {}): Promise<void> {
  const postgres = await startEmbeddedPostgres({ dataDir: join(checkout, '.freehold'), log: () => {} })
  try {
    await runDocument(path, checkout, settings)
  } finally {
    await postgres.stop()
  }
}

/** Runs a document's blocks on a free port, and compares their output with the document. */
async function runDocument(
  path: string,
  checkout: string,
  settings: Record<string, string> = {},
  adapt = (text: string) => text,
): Promise<void> {
  const port = await findFreePort(21_000 + Math.floor(Math.random() * 9_000))
  // The packages of `npm ci` are installed already, and must not be replaced during this run.
  const here = (text: string) => adapt(text).replaceAll('localhost:8000', `localhost:${port}`).replace('npm ci && ', '')
  const blocks = blocksOf(path).filter(block => isRun(block) || block.words.includes('output'))
  const runs = blocks.filter(isRun)
  assert.ok(runs.length > 0, `${path} has no block to run`)
  const script = runs.map(({ text, words }) =>
    words.includes('serve')
      ? `{ ${here(text)}\n} > '${join(checkout, 'service.log')}' 2>&1 &\necho $! > '${join(checkout, 'service.pid')}'
for i in $(seq 300); do curl -sf http://localhost:${port}/ready > /dev/null && break; kill -0 $! || exit 1; sleep 0.1; done`
      : here(text),
  )
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', script.join(`\nprintf '\\036'\n`)], {
    cwd: checkout,
    env: environmentOf(checkout, { PORT: String(port), ...settings }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  started.push(shell)
  let [printed, complained] = ['', '']
  shell.stdout.on('data', (part: Buffer) => (printed += part.toString()))
  shell.stderr.on('data', (part: Buffer) => (complained += part.toString()))
  const [code] = (await once(shell, 'exit')) as [number | null]
  const log = join(checkout, 'service.log')
  assert.equal(
    code,
    0,
    `${path}, after ${printed.split('\x1e').length} blocks:\n${printed}\n${complained}${existsSync(log) ? readFileSync(log, 'utf8') : ''}`,
  )

  const outputs = printed.split('\x1e')
  for (const [index, { text, words, place }] of blocks.entries()) {
    if (!words.includes('output')) continue
    const run = blocks[index - 1]
    assert.ok(run !== undefined && isRun(run), `${place}: what printed this?`)
    const pattern = here(text)
      .split('…')
      .map(part => part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    assert.match(outputs[runs.indexOf(run)]!.trim(), new RegExp(`^${pattern.join('[^\\n]*')}$`), place)
  }
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-documents-'))
  chmodSync(folder, 0o755) // as root, PostgreSQL runs as another user, who has to enter the folder
  folders.push(folder)
  return folder
}

/** The repository as after a clone: without data and settings. */
function makeCheckout(): string {
  const folder = makeFolder()
  cpSync(join(repository, 'package.json'), join(folder, 'package.json'))
  for (const name of ['server', 'deploy', 'docs', 'node_modules'])
    symlinkSync(join(repository, name), join(folder, name))
  return folder
}

/** The commands get no variable of this run except the search path. */
const environmentOf = (checkout: string, settings: Record<string, string>): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: checkout,
  DRAIN_SECONDS: '0', // there is no load balancer
  DATA_DIR: join(checkout, '.freehold'),
  EMBEDDED_POSTGRES: process.env['EMBEDDED_POSTGRES'] ?? 'bundled',
  ...settings,
})

/** Ends a process and its children, and waits until they are gone: they use the folder that is removed next. */
async function endProcess({ pid }: ChildProcess): Promise<void> {
  const signal = (name: NodeJS.Signals | 0): boolean => {
    try {
      return process.kill(-pid!, name)
    } catch {
      return false
    }
  }
  signal('SIGTERM')
  for (const deadline = Date.now() + 30_000; signal(0); await delay(50)) {
    if (Date.now() > deadline) signal('SIGKILL')
  }
}
