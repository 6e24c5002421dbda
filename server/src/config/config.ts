import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isLoopback } from './kinds.ts'
import { projectOf, type SentryProject } from './monitoring.ts'
import { doubtAboutPasskeys, readRelyingParty, type RelyingParty } from './passkeys.ts'
import { checkRules, joinParts, listDoubts, needsOfService, type Need } from './rules.ts'
import { isExample, listExposures, readOrMakeSecretKey } from './secrets.ts'
import { readSocial, type SocialConfig } from './social.ts'
import { type Reading, readVariables } from './sources.ts'

/** The whole configuration, deeply frozen; docs/reference/configuration.md explains each variable. */
export interface Config {
  environment: 'development' | 'staging' | 'production'
  host: string
  /** 0 chooses a free port; the derived `publicUrl` then has port 0 as well. */
  port: number
  /** An origin, without a trailing slash. */
  publicUrl: string
  frontendUrl: string | undefined
  appName: string
  /** How long the service continues to serve after the signal to stop. */
  drainSeconds: number
  /** An absolute path. */
  dataDir: string
  database: {
    /** The owner's. If this and `tenantUrl` are undefined, the embedded PostgreSQL is used. */
    url: string | undefined
    schema: string
    tenantUrl: string | undefined
    systemUrl: string | undefined
    poolSize: number
    poolTimeoutSeconds: number
    /** 0: connections are never replaced because of their age. */
    connectionMaxAgeSeconds: number
    pooler: 'none' | 'transaction'
    /** How many connections short reads share; 0: none. */
    lanes: number
    /** The embedded PostgreSQL: `system`, `bundled`, or the absolute path of a folder with its programs. */
    programs: string
  }
  redisUrl: string | undefined
  /** How long a request waits for Redis. */
  redisTimeoutMs: number
  secretKey: string
  jwtAlgorithm: 'EdDSA' | 'ES256' | 'RS256' | 'HS256'
  accessTokenSeconds: number
  refreshTokenSeconds: number
  /** `localhost`: any origin on this machine. */
  corsOrigins: readonly string[] | 'localhost'
  /** Header fields that pages of these origins may send in addition to ours; lower case. */
  corsHeaders: readonly string[]
  cspMode: 'strict' | 'relaxed' | 'disabled'
  /** `globalPerSecond` 0: no limit. */
  rateLimit: { enabled: boolean; perMinute: number; globalPerSecond: number }
  /** IP addresses and networks in CIDR notation. */
  trustedProxies: readonly string[]
  /** Private networks that URLs from providers may lead to, in the same notation. */
  outboundNetworks: readonly string[]
  /** `failuresPerAddress` within an hour; 0: no limit. */
  lockout: { threshold: number; seconds: number; failuresPerAddress: number }
  passwordPolicy: 'composition' | 'length'
  /** Settings for deleted accounts. */
  deletion: { graceDays: number; reuseNames: boolean }
  securityEventsDays: number
  emailVerification: 'optional' | 'required'
  /** The access of an account without a verified address while verification is optional. */
  unverifiedAccess: 'full' | 'own'
  /** How long a trusted device skips the second factor; 0: devices cannot be trusted. */
  trustedDeviceSeconds: number
  /** Undefined if browsers would refuse passkeys, as for an IP address. */
  passkeys: RelyingParty | undefined
  firstSuperuser: { email: string; password: string } | undefined
  social: SocialConfig
  /** Without a key or a server, emails go to the outbox in development; outside of it they wait. */
  mail: {
    resendApiKey: string | undefined
    smtpUrl: string | undefined
    /** An address, or a name and an address in angle brackets. */
    from: string | undefined
    /** An absolute path: the operator's own templates. */
    templates: string | undefined
    defaultLocale: 'en' | 'de'
  }
  /** The URL that the links in emails lead to, without a trailing slash. */
  accountPagesUrl: string
  /** Whether the service runs the background jobs too. */
  runJobs: boolean
  storageUrl: string
  /** Where errors are reported. */
  sentry: SentryProject | undefined
  /** `port`: the worker's. */
  metrics: { enabled: boolean; token: string | undefined; port: number }
  /** Whether metrics and health details are public. */
  publicMonitoring: boolean
  /** Undefined without a collector. `sampledShare`: from 0 to 1. */
  traces:
    | { endpoint: string; headers: Readonly<Record<string, string>>; serviceName: string; sampledShare: number }
    | undefined
  /** From how many milliseconds on a statement is logged; 0: never. */
  slowQueryMs: number
  publicDocuments: boolean
  log: {
    level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
    format: 'json' | 'text'
    /** An absolute path; undefined is standard output. */
    file: string | undefined
  }
  /** Outside development: files with secrets that other users can read or change. `warnings` contains them too. */
  exposedFiles: readonly string[]
  /** Lines to log at the start. */
  warnings: readonly string[]
}

export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(['The configuration cannot be used:', ...faults].join('\n- '))
    this.faults = faults
  }
}

/**
 * Reads the environment and, for variables that it does not set, `.env` in the working directory. In development a
 * missing SECRET_KEY is generated once, in `DATA_DIR/secret-key`; otherwise only the `needs` are required.
 * @throws ConfigError with all faults: the variable, the fault (never a secret), the accepted values
 */
export function loadConfig(
  environment: Record<string, string | undefined> = process.env,
  workingDirectory: string = process.cwd(),
  needs: readonly Need[] = needsOfService,
): Config {
  const reading = joinParts(readVariables(environment, workingDirectory))
  const faults = [...reading.faults, ...checkRules(reading, needs)]
  if (faults.length > 0) throw new ConfigError(faults)
  const warnings = [...reading.warnings, ...listDoubts(reading, environment.NODE_ENV)]
  return freezeDeeply(composeConfig(reading, workingDirectory, warnings))
}

function composeConfig(reading: Reading, workingDirectory: string, warnings: string[]): Config {
  const { values, given } = reading
  const dataDir = resolve(workingDirectory, values.DATA_DIR)
  const publicUrl = values.PUBLIC_URL ?? describeAddress(values.HOST, values.PORT)
  const passkeys = readRelyingParty(reading, publicUrl)
  const kept = [...reading.files, { name: 'secret-key in DATA_DIR', path: join(dataDir, 'secret-key') }]
  const exposedFiles = values.ENVIRONMENT === 'development' ? [] : listExposures(kept)
  return {
    environment: values.ENVIRONMENT,
    host: values.HOST,
    port: values.PORT,
    publicUrl,
    frontendUrl: values.FRONTEND_URL,
    appName: values.APP_NAME,
    drainSeconds: values.DRAIN_SECONDS,
    dataDir,
    database: {
      url: values.DATABASE_URL,
      schema: values.DATABASE_SCHEMA,
      tenantUrl: values.DATABASE_TENANT_URL,
      systemUrl: values.DATABASE_SYSTEM_URL,
      poolSize: values.DATABASE_POOL_SIZE,
      poolTimeoutSeconds: values.DATABASE_POOL_TIMEOUT_SECONDS,
      connectionMaxAgeSeconds: values.DATABASE_CONNECTION_MAX_AGE_SECONDS,
      pooler: values.DATABASE_POOLER,
      lanes: values.DATABASE_PIPELINE === 'on' ? 4 : 0,
      programs: ['system', 'bundled'].includes(values.EMBEDDED_POSTGRES)
        ? values.EMBEDDED_POSTGRES
        : resolve(workingDirectory, values.EMBEDDED_POSTGRES),
    },
    redisUrl: values.REDIS_URL,
    redisTimeoutMs: values.REDIS_TIMEOUT_MS,
    // Outside development it is set, or the command does not need it.
    secretKey: values.SECRET_KEY ?? (values.ENVIRONMENT === 'development' ? getOwnSecretKey(dataDir) : ''),
    jwtAlgorithm: values.JWT_ALGORITHM,
    accessTokenSeconds: values.ACCESS_TOKEN_EXPIRE_MINUTES,
    refreshTokenSeconds: values.REFRESH_TOKEN_EXPIRE_DAYS,
    corsOrigins: values.CORS_ORIGINS,
    corsHeaders: values.CORS_HEADERS,
    cspMode: values.CSP_MODE,
    rateLimit: {
      enabled: values.RATE_LIMIT_ENABLED,
      perMinute: values.RATE_LIMIT_PER_MINUTE,
      globalPerSecond: values.RATE_LIMIT_GLOBAL_PER_SECOND,
    },
    trustedProxies: values.TRUSTED_PROXIES,
    outboundNetworks: values.OUTBOUND_NETWORKS,
    lockout: {
      threshold: values.ACCOUNT_LOCKOUT_THRESHOLD,
      seconds: values.ACCOUNT_LOCKOUT_DURATION_MINUTES * 60,
      failuresPerAddress: values.SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR,
    },
    passwordPolicy: values.PASSWORD_POLICY,
    deletion: { graceDays: values.ACCOUNT_DELETION_GRACE_DAYS, reuseNames: values.REUSE_DELETED_NAMES },
    securityEventsDays: values.SECURITY_EVENTS_DAYS,
    emailVerification: values.EMAIL_VERIFICATION,
    unverifiedAccess: values.UNVERIFIED_ACCESS,
    trustedDeviceSeconds: values.TRUSTED_DEVICE_DAYS,
    passkeys,
    firstSuperuser: pair(values.FIRST_SUPERUSER_EMAIL, values.FIRST_SUPERUSER_PASSWORD, (email, password) => ({
      email,
      password,
    })),
    social: readSocial(values),
    mail: {
      // An example from a copied .env: in development the outbox is more useful than a server that does not exist.
      resendApiKey: isExample(values.RESEND_API_KEY ?? '') ? undefined : values.RESEND_API_KEY,
      smtpUrl: isExample(values.SMTP_URL ?? '') ? undefined : values.SMTP_URL,
      from: values.FROM_EMAIL,
      templates: values.MAIL_TEMPLATES === undefined ? undefined : resolve(workingDirectory, values.MAIL_TEMPLATES),
      defaultLocale: values.DEFAULT_LOCALE,
    },
    accountPagesUrl: values.ACCOUNT_PAGES_URL ?? `${publicUrl}/account`,
    runJobs: values.RUN_JOBS,
    storageUrl: values.STORAGE_URL ?? pathToFileURL(join(dataDir, 'files')).href,
    sentry: projectOf(values.SENTRY_DSN),
    metrics: { enabled: values.ENABLE_METRICS, token: values.METRICS_TOKEN, port: values.METRICS_PORT },
    publicMonitoring: values.PUBLIC_MONITORING,
    traces:
      values.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
        ? undefined
        : {
            endpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
            headers: values.OTEL_EXPORTER_OTLP_HEADERS ?? {},
            serviceName: values.OTEL_SERVICE_NAME,
            sampledShare: values.OTEL_TRACES_SAMPLER_ARG,
          },
    slowQueryMs: values.SLOW_QUERY_MS,
    publicDocuments: values.PUBLIC_DOCUMENTS,
    log: {
      level: values.DEBUG && !given.has('LOG_LEVEL') ? 'debug' : values.LOG_LEVEL,
      format: values.LOG_FORMAT,
      file: values.LOG_FILE === undefined ? undefined : resolve(workingDirectory, values.LOG_FILE),
    },
    exposedFiles,
    warnings: [...warnings, ...doubtAboutPasskeys(passkeys), ...exposedFiles],
  }
}

const pair = <T>(one: string | undefined, other: string | undefined, make: (one: string, other: string) => T) =>
  one === undefined || other === undefined ? undefined : make(one, other)

/** `localhost` for this machine, because passkeys and most sign-in providers accept only that name. */
function describeAddress(host: string, port: number): string {
  const isHere = isLoopback(host) || isLoopback(`[${host}]`) || ['0.0.0.0', '::'].includes(host)
  return new URL(`http://${isHere ? 'localhost' : host.includes(':') ? `[${host}]` : host}:${port}`).origin
}

function getOwnSecretKey(dataDir: string): string {
  try {
    return readOrMakeSecretKey(dataDir)
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)])
  }
}

function freezeDeeply<T>(value: T): T {
  if (value && typeof value === 'object') Object.values(Object.freeze(value)).forEach(freezeDeeply)
  return value
}
