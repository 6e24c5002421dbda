import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, matchesGlob } from 'node:path'
import { isLoopback } from '../../config/kinds.ts'
import { listUnprotectedSuperusers } from '../../operations/superusers/superusers.ts'
import {
  checkAccounts,
  checkBrowsers,
  checkEnvironment,
  checkLimits,
  checkOwner,
  checkProxies,
  checkRedisSecurity,
  checkSecrets,
  isExampleDomain,
  those,
} from './production-settings.ts'
import type { Findings, Subject } from './production-settings.ts'
import { askPublicUrl } from './public-url.ts'

type ProductionCheck = (subject: Subject) => Findings | Promise<Findings>

/** What a deployment needs beyond a service that works: `freehold doctor --production`. */
export const productionChecks: readonly (readonly [name: string, check: ProductionCheck])[] = [
  ['environment', checkEnvironment],
  ['secrets', checkSecrets],
  ['database logins', checkOwner],
  ['database TLS', checkDatabaseTls],
  ['public URL', checkPublicUrl],
  ['browsers', checkBrowsers],
  ['limits', checkLimits],
  ['proxies', checkProxies],
  ['Redis', checkRedisSecurity],
  ['accounts', checkAccounts],
  ['superusers', checkSuperusers],
  ['log', checkLog],
  ['monitoring', checkMonitoring],
  ['user and files', checkFiles],
  ['backups', checkBackups],
]

/** As PostgreSQL sees it, because a URL may say nothing. A socket or this machine needs no TLS. */
async function checkDatabaseTls({ database, urls }: Subject): Promise<Findings> {
  const faults: string[] = []
  for (const login of ['tenant', 'system'] as const) {
    const { hostname } = new URL(urls[`${login}Url`])
    if (isLoopback(hostname) || hostname.startsWith('%2F')) continue
    const { rows } = await database[login].pool.query<{ ssl: boolean }>(
      'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
    )
    if (rows[0]?.ssl !== true)
      faults.push(
        `the ${login} login reaches ${hostname} without TLS: turn it on in PostgreSQL and append ?sslmode=verify-full to the URL`,
      )
  }
  return {
    faults,
    notes: ['only the service and its operators should reach the port of PostgreSQL: check the firewall'],
  }
}

/** The way from outside: reachable, https, HSTS, and a clock that agrees with the `Date` of the proxy. */
async function checkPublicUrl({ config: { publicUrl } }: Subject): Promise<Findings> {
  const isSecure = publicUrl.startsWith('https:')
  const faults = those(
    [!isSecure, `PUBLIC_URL is ${publicUrl}: serve it over https, and set the https URL`],
    [isExampleDomain(new URL(publicUrl).hostname), `PUBLIC_URL is ${publicUrl}: use a name of your own domain`],
  )
  const answer = await askPublicUrl(publicUrl)
  if ('reason' in answer)
    return {
      faults,
      notes: [`${publicUrl}/health could not be asked from here (${answer.reason}): ask it from outside`],
    }
  const { skewSeconds, hsts, isService } = answer
  return {
    faults: [
      ...faults,
      ...those(
        [!isService, `${publicUrl}/health is not answered by this service: correct PUBLIC_URL or the proxy`],
        [
          isService && isSecure && !hsts,
          `responses of ${publicUrl} have no Strict-Transport-Security: let the proxy keep it`,
        ],
        [
          Math.abs(skewSeconds) > 5,
          `the clock of this machine differs from that of ${publicUrl} by ${skewSeconds} s: synchronize both (NTP)`,
        ],
      ),
    ],
  }
}

async function checkSuperusers({ database, declared }: Subject): Promise<Findings> {
  const { sql, parameters } = listUnprotectedSuperusers(declared)
  const { rows } = await database.system.pool.query<{ email: string }>(sql, [...parameters])
  return {
    faults: rows.map(
      ({ email }) =>
        `the superuser ${email} has no second factor: add a passkey or an authenticator app to the account`,
    ),
  }
}

function checkLog({ config: { log } }: Subject): Findings {
  const { file } = log
  return {
    faults: those([
      file !== undefined && !isRotated(file),
      `no configuration of logrotate names LOG_FILE ${file}: add the one of docs/guides/deployment.md, or log to standard output`,
    ]),
    notes: those([log.format === 'text', 'LOG_FORMAT is text: programs that collect logs read json']),
  }
}

/** Whether logrotate is told to rotate this file. */
function isRotated(file: string): boolean {
  const folder = '/etc/logrotate.d'
  const texts = [...list(folder).map(name => join(folder, name)), '/etc/logrotate.conf'].map(read)
  return texts.some(text =>
    text
      .split(/[\s{]+/)
      .map(word => word.replaceAll('"', ''))
      .some(word => word.startsWith('/') && matchesGlob(file, word)),
  )
}

function checkMonitoring({ config: { metrics, sentry, publicMonitoring, environment } }: Subject): Findings {
  return {
    faults: those([
      metrics.enabled && metrics.token === undefined && !publicMonitoring,
      'ENABLE_METRICS needs METRICS_TOKEN outside development',
    ]),
    notes: [
      ...those(
        [!metrics.enabled && sentry === undefined, 'neither ENABLE_METRICS nor SENTRY_DSN is set'],
        [
          publicMonitoring && environment !== 'development',
          'PUBLIC_MONITORING is true: everyone who reaches the service can read health details and metrics',
        ],
      ),
      'something outside should ask /ready, and tell you when it fails',
    ],
  }
}

function checkFiles({ config: { dataDir, environment } }: Subject): Findings {
  const mode = statSync(dataDir, { throwIfNoEntry: false })?.mode ?? 0
  return {
    faults: those([
      environment !== 'development' && (mode & 0o007) !== 0,
      `every user of this machine can read or change DATA_DIR ${dataDir}: chmod o-rwx`,
    ]),
    notes: those([process.geteuid?.() === 0, 'this runs as root: let the service run as a user of its own']),
  }
}

async function checkBackups({ database }: Subject): Promise<Findings> {
  const { rows } = await database.system.pool.query<{ mode: string }>("select current_setting('archive_mode') as mode")
  const archives =
    rows[0]?.mode === 'off' ? 'PostgreSQL archives no write-ahead log, so only dumps can be restored; ' : ''
  return {
    notes: [`${archives}make backups every day, and restore one regularly (docs/guides/deployment.md#backups)`],
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
