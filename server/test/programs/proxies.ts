import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { repository } from '../documents/markdown.ts'
import { programPaths } from './programs.ts'

/** A file of the deployment guide, in which the given ports are replaced by those of this test. */
export function readDeployed(name: string, ports: Record<number, number> = {}): string {
  let text = readFileSync(join(repository, 'deploy', name), 'utf8')
  for (const [own, here] of Object.entries(ports)) {
    if (!new RegExp(String.raw`\b${own}\b`).test(text)) throw new Error(`deploy/${name} does not name port ${own}`)
    text = text.replaceAll(new RegExp(String.raw`(?<=listen |\]:|127\.0\.0\.1:)${own}\b`, 'g'), String(here))
  }
  return text
}

/**
 * Starts nginx with a site, as Debian includes one, and a certificate of its own, until the tests end. @returns its log
 */
export async function startNginx(site: string, port: number): Promise<() => string> {
  const folder = makeFolder('nginx')
  mkdirSync(join(folder, 'tls'))
  const [certificate, key] = ['pem', 'key'].map(kind => join(folder, 'tls', `api.example.com.${kind}`)) as [
    string,
    string,
  ]
  execFileSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=api.example.com -keyout ${key} -out ${certificate}`.split(
      ' ',
    ),
    { stdio: 'ignore' },
  )
  const log = join(folder, 'error.log')
  writeFileSync(join(folder, 'site.conf'), site)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${folder}/${name};`,
  )
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/pid; worker_processes 2; error_log ${log} warn; ${process.getuid?.() === 0 ? 'user root;' : ''}
events {}
http { access_log off; ${temporary.join(' ')} include site.conf; }
`,
  )
  const args = ['-e', log, '-p', folder, '-c', join(folder, 'nginx.conf')]
  const tried = spawnSync('nginx', ['-t', ...args], { env: programPaths, encoding: 'utf8' })
  if (tried.status !== 0) throw new Error(`nginx refuses the site:\n${tried.stderr}`)
  await runUntilEnd('nginx', args, port)
  return () => readFileSync(log, 'utf8')
}

/** Starts Caddy with a Caddyfile, until the tests end. @returns its log */
export async function startCaddy(caddyfile: string, port: number): Promise<() => string> {
  const folder = makeFolder('caddy')
  writeFileSync(join(folder, 'Caddyfile'), `{\n\tadmin off\n}\n${caddyfile}`)
  return runUntilEnd('caddy', ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')], port, {
    HOME: folder,
    XDG_DATA_HOME: folder,
    XDG_CONFIG_HOME: folder,
  })
}

function makeFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `freehold-${name}-`))
  chmodSync(folder, 0o755)
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

async function runUntilEnd(program: string, args: string[], port: number, settings = {}): Promise<() => string> {
  const child = spawn(program, args, { env: { ...programPaths, ...settings }, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  after(async () => {
    child.kill('SIGTERM')
    await Promise.race([ended, delay(5000, undefined, { ref: false })])
    child.kill('SIGKILL')
  })
  for (const deadline = Date.now() + 180_000; !(await answers(port)); await delay(25)) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${program} does not start: ${said}`)
  }
  return () => said
}

const answers = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.end(() => resolve(true)))
    socket.once('error', () => resolve(false))
  })
