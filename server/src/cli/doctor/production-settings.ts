import type { Config } from '../../config/config.ts'
import { isLoopback } from '../../config/kinds.ts'
import { isExample } from '../../config/secrets.ts'
import type { Database } from '../../platform/database/database.ts'
import type { Declarations } from '../../platform/declarations.ts'

/** `faults` fail the check; `notes` are advice, or what no program can check. Each says what to do. */
export interface Findings {
  faults?: readonly string[]
  notes?: readonly string[]
}

/** What is checked. */
export interface Subject {
  config: Config
  database: Database
  declared: Declarations
  /** The URLs of the two restricted logins. */
  urls: Record<'tenantUrl' | 'systemUrl', string>
}

/** The words that apply, each with its condition. */
export const those = (...words: [applies: boolean, words: string][]): string[] =>
  words.flatMap(([applies, text]) => (applies ? [text] : []))

/** Whether a domain is one of those for examples (RFC 2606, section 3), as in a copied file of settings. */
export const isExampleDomain = (domain: string): boolean => /(^|\.)example\.(com|org|net)$/.test(domain)

export function checkEnvironment({ config: { environment, log, drainSeconds } }: Subject): Findings {
  return {
    faults: those(
      [environment === 'development', 'ENVIRONMENT is development: set ENVIRONMENT=production'],
      [
        ['trace', 'debug'].includes(log.level),
        `the log level is ${log.level}: remove DEBUG=true, or set LOG_LEVEL=info`,
      ],
    ),
    notes: those(
      [environment === 'staging', 'ENVIRONMENT is staging: production has the same rules and another name'],
      [drainSeconds === 0, 'DRAIN_SECONDS is 0: a restart may lose requests that a load balancer still sends'],
    ),
  }
}

export function checkSecrets({ config: { secretKey, metrics, environment }, urls }: Subject): Findings {
  const passwords = Object.entries({ DATABASE_TENANT_URL: urls.tenantUrl, DATABASE_SYSTEM_URL: urls.systemUrl })
  return {
    faults: [
      ...passwords.flatMap(([name, url]) => {
        const password = decodeURIComponent(new URL(url).password)
        return those([
          password !== '' && (isExample(password) || password.length < 16),
          `${name} has a short or well-known password: \`freehold doctor --roles\` makes long ones`,
        ])
      }),
      ...those(
        [secretKey.length < 32, 'SECRET_KEY has fewer than 32 characters: make one with `openssl rand -hex 32`'],
        [metrics.token === secretKey, 'METRICS_TOKEN is the SECRET_KEY: give each its own value'],
      ),
    ],
    notes: those([
      environment !== 'development',
      'keep a copy of SECRET_KEY apart from the database: without it, sessions and second factors are lost',
    ]),
  }
}

export function checkOwner({ config: { database, environment }, urls }: Subject): Findings {
  return {
    faults: those(
      [
        environment !== 'development' && database.url !== undefined,
        'DATABASE_URL, the login of the owner, is among the settings of the service: set it only for `freehold migrate`',
      ],
      [
        database.url === undefined && database.tenantUrl === undefined,
        'the embedded PostgreSQL is for development: set DATABASE_TENANT_URL and DATABASE_SYSTEM_URL',
      ],
      [new URL(urls.tenantUrl).username === new URL(urls.systemUrl).username, 'both restricted logins are the same'],
    ),
  }
}

export function checkBrowsers({ config }: Subject): Findings {
  const { corsOrigins, cspMode, publicDocuments, publicUrl, frontendUrl } = config
  const insecure =
    corsOrigins === 'localhost' ? ['localhost'] : corsOrigins.filter(origin => !origin.startsWith('https:'))
  return {
    faults: those(
      [
        insecure.length > 0,
        `CORS_ORIGINS allows ${insecure.join(', ')}: list only the https origins of your front ends`,
      ],
      [cspMode === 'disabled', 'CSP_MODE is disabled: set it to strict'],
      [
        !publicUrl.startsWith('https:'),
        'cookies of devices and providers are not Secure, because PUBLIC_URL is not https',
      ],
      [frontendUrl?.startsWith('http:') === true, 'FRONTEND_URL is not https: links in emails lead there'],
    ),
    notes: those(
      [corsOrigins.length === 0, 'CORS_ORIGINS is empty: pages on other origins cannot call the service'],
      [cspMode === 'relaxed', 'CSP_MODE is relaxed: strict suffices for the pages of the service'],
      [publicDocuments, 'PUBLIC_DOCUMENTS is true: everyone can read the API documents'],
    ),
  }
}

export function checkLimits({ config: { rateLimit, lockout, redisUrl } }: Subject): Findings {
  return {
    faults: those(
      [!rateLimit.enabled, 'RATE_LIMIT_ENABLED is false: remove it'],
      [lockout.threshold > 20, `ACCOUNT_LOCKOUT_THRESHOLD is ${lockout.threshold}: 5 wrong passwords are usual`],
    ),
    notes: those(
      [rateLimit.perMinute > 10_000, `RATE_LIMIT_PER_MINUTE is ${rateLimit.perMinute}, which limits hardly anyone`],
      [
        lockout.failuresPerAddress === 0,
        'SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR is 0: one address may guess without end',
      ],
      [redisUrl === undefined, 'no Redis: each process counts rate limits for itself (docs/guides/redis.md)'],
    ),
  }
}

export function checkProxies({ config: { trustedProxies, publicUrl, host } }: Subject): Findings {
  const wide = trustedProxies.filter(network => /\/[0-7]$/.test(network))
  return {
    faults: those(
      [
        publicUrl.startsWith('https:') && trustedProxies.length === 0,
        'TRUSTED_PROXIES is empty: all clients share the address of the proxy in limits and the audit log; set its address',
      ],
      [wide.length > 0, `TRUSTED_PROXIES has ${wide.join(', ')}: list only your proxies, because they name the client`],
    ),
    notes: those([
      ['0.0.0.0', '::'].includes(host) && trustedProxies.length > 0 && trustedProxies.every(isLoopback),
      `HOST is ${host}, and the proxy is on this machine: HOST=127.0.0.1 closes the port to everyone else`,
    ]),
  }
}

export function checkRedisSecurity({ config: { redisUrl } }: Subject): Findings {
  if (redisUrl === undefined) return {}
  const { protocol, password, hostname } = new URL(redisUrl)
  return {
    faults: those(
      [password === '' && !isLoopback(hostname), 'REDIS_URL has no password: set requirepass or an ACL user in Redis'],
      [password !== '' && isExample(decodeURIComponent(password)), 'REDIS_URL has a well-known password: change it'],
    ),
    notes: those([
      protocol === 'redis:' && !isLoopback(hostname),
      'REDIS_URL is not rediss://: everyone on the way sees the password; use TLS, or a network of your own',
    ]),
  }
}

export function checkAccounts({
  config: { emailVerification, mail, firstSuperuser, unverifiedAccess },
}: Subject): Findings {
  const sender = mail.from ?? ''
  return {
    faults: those(
      [
        mail.resendApiKey === undefined && mail.smtpUrl === undefined,
        'no email is sent: set SMTP_URL or RESEND_API_KEY, and FROM_EMAIL; nobody can reset a password without it',
      ],
      [
        isExampleDomain(/@([^>]*)>?$/.exec(sender)?.[1] ?? ''),
        `FROM_EMAIL is ${sender}: use an address of your own domain`,
      ],
    ),
    notes: those(
      [
        emailVerification === 'optional' && unverifiedAccess === 'full',
        'EMAIL_VERIFICATION is optional: anyone can sign up with the address of someone else',
      ],
      [firstSuperuser !== undefined, 'FIRST_SUPERUSER_PASSWORD is still set: remove it once the account exists'],
    ),
  }
}
