import { accountVariables } from './accounts.ts'
import * as kinds from './kinds.ts'
import type { Variable } from './kinds.ts'
import { monitoringVariables } from './monitoring.ts'
import { socialVariables } from './social.ts'
import { postgresUrl, redisUrl } from './urls.ts'

const minute = 60
const day = 24 * 60 * minute
const port = kinds.integer(1, 65535)
const partOfUrl = 'part of the URL above'

/** All variables. The loader, the reference page and .env.example are generated from this table. */
export const variables = {
  ENVIRONMENT: {
    begins: 'Service',
    kind: kinds.choice(['development', 'staging', 'production']),
    default: 'development',
    about: 'Development has a safe default for everything; staging and production require the same variables.',
  },
  HOST: { kind: kinds.hostname, default: '127.0.0.1', deployedDefault: '0.0.0.0', about: 'The address to listen on.' },
  PORT: { kind: kinds.integer(0, 65535), default: '8000', about: 'The port to listen on; 0 chooses a free one.' },
  PUBLIC_URL: {
    kind: kinds.origin,
    aliases: ['BACKEND_BASE_URL'],
    otherwise: 'derived from `HOST` and `PORT`; required outside development',
    about:
      'The URL at which clients reach the service; used in tokens, license files, links and documents. Before you change it, read docs/guides/license-activation.md.',
  },
  FRONTEND_URL: {
    kind: kinds.page,
    aliases: ['FRONTEND_BASE_URL'],
    about: 'The URL of the front end; links and redirects may lead there.',
  },
  APP_NAME: { kind: kinds.line, default: 'Freehold', about: 'The product name in emails and documents.' },
  DRAIN_SECONDS: {
    kind: kinds.integer(0, 600),
    default: '0',
    deployedDefault: '5',
    about:
      'How long the service continues to serve after SIGTERM, while `/ready` answers 503 so that load balancers send no ' +
      'more requests. At least as long as they need to notice, and shorter than the time after which the process is killed.',
  },
  DATA_DIR: {
    kind: kinds.path,
    default: '.freehold',
    about: 'The directory for everything that the service stores on disk.',
  },

  DATABASE_URL: {
    begins: 'Database',
    kind: postgresUrl,
    aliases: ['SQLALCHEMY_DATABASE_URL'],
    secret: true,
    otherwise: 'an embedded PostgreSQL in development',
    about:
      "The owner's login, used by `freehold migrate` and, in development, to derive the two below; " +
      'outside development the running service does not need it. ' +
      'A driver in the scheme, as in `postgresql+psycopg2://`, is ignored.',
  },
  DATABASE_HOST: { kind: kinds.databaseHost, aliases: ['POSTGRES_HOST'], otherwise: partOfUrl, about: 'Server.' },
  DATABASE_PORT: { kind: port, aliases: ['POSTGRES_PORT'], otherwise: '5432', about: 'Port of the server.' },
  DATABASE_NAME: { kind: kinds.databaseName, aliases: ['POSTGRES_DB'], otherwise: partOfUrl, about: 'Database.' },
  DATABASE_USER: { kind: kinds.line, aliases: ['POSTGRES_USER'], otherwise: partOfUrl, about: 'Login of the owner.' },
  DATABASE_PASSWORD: {
    kind: kinds.secret(),
    aliases: ['POSTGRES_PASSWORD'],
    secret: true,
    otherwise: partOfUrl,
    about: 'Password of the owner, not encoded: special characters are encoded for you.',
  },
  DATABASE_SCHEMA: { kind: kinds.schemaName, default: 'freehold', about: 'The schema that contains all tables.' },
  DATABASE_TENANT_URL: {
    kind: postgresUrl,
    secret: true,
    otherwise: 'derived in development, required outside it',
    about:
      "The restricted login that serves organizations' requests; `freehold doctor --roles` prints the SQL that creates it.",
  },
  DATABASE_SYSTEM_URL: {
    kind: postgresUrl,
    secret: true,
    otherwise: 'derived in development, required outside it',
    about: 'The restricted login for sign-in, jobs and operators; a different login, created by the same SQL.',
  },
  DATABASE_POOL_SIZE: {
    kind: kinds.integer(2, 1000),
    default: '20',
    about: 'The number of connections of one process, for both logins together.',
  },
  DATABASE_POOL_TIMEOUT_SECONDS: {
    kind: kinds.integer(1, 300),
    default: '30',
    about: 'How long a request waits for a connection.',
  },
  DATABASE_CONNECTION_MAX_AGE_SECONDS: {
    kind: kinds.integer(0, 86400),
    default: '3600',
    about: 'The age at which a connection is replaced by a new one; 0: never.',
  },
  DATABASE_POOLER: {
    kind: kinds.choice(['none', 'transaction']),
    default: 'none',
    about: 'Whether a pooler in transaction mode, such as PgBouncer, is in front of the database.',
  },
  DATABASE_PIPELINE: {
    kind: kinds.choice(['on', 'off']),
    default: 'on',
    about:
      'Whether short reads share up to four of the connections, with several of them in flight on each, instead of one connection each. ' +
      'Never behind a pooler.',
  },
  EMBEDDED_POSTGRES: {
    kind: kinds.programs,
    default: 'system',
    about:
      'The PostgreSQL that is used if `DATABASE_URL` is not set. `system`: for a new data directory, the newest one of this ' +
      'machine (15 to 19) without known vulnerabilities, else the one that npm installs; for an existing one, the best of ' +
      'its own major version.',
  },

  REDIS_URL: {
    begins: 'Redis',
    kind: redisUrl,
    secret: true,
    otherwise: 'limits and the cache are kept per process',
    about:
      'A Redis or Valkey, in which all processes count rate limits together and share the cache. The service also works ' +
      'while it is down; see docs/guides/redis.md.',
  },
  REDIS_HOST: { kind: kinds.hostname, otherwise: partOfUrl, about: 'Server.' },
  REDIS_PORT: { kind: port, otherwise: '6379', about: 'Port of the server.' },
  REDIS_DB: { kind: kinds.integer(0, 999), otherwise: '0', about: 'Number of the database.' },
  REDIS_PASSWORD: { kind: kinds.secret(), secret: true, otherwise: partOfUrl, about: 'Its password, not encoded.' },
  REDIS_TIMEOUT_MS: {
    kind: kinds.integer(5, 1000),
    default: '30',
    about:
      'How long a request waits for Redis, in milliseconds. Then it is counted in the process, and Redis is not used until ' +
      'a probe has succeeded.',
  },

  SECRET_KEY: {
    begins: 'Secrets and tokens',
    kind: { ...kinds.secret(), accepts: 'any text in development, at least 32 characters outside it' },
    aliases: ['JWT_SECRET_KEY', 'JWT_SECRET'],
    secret: true,
    otherwise: 'generated once in development, in `DATA_DIR/secret-key`; required outside it',
    about:
      'Encrypts the keys that sign tokens, and all other stored secrets; `openssl rand -hex 32` generates one. ' +
      'Outside development it must have at least 8 different characters.',
  },
  JWT_ALGORITHM: {
    kind: kinds.choice(['EdDSA', 'ES256', 'RS256', 'HS256']),
    aliases: ['ALGORITHM'],
    default: 'EdDSA',
    about: 'The algorithm that signs access tokens; with HS256 only this service can verify them.',
  },
  ACCESS_TOKEN_EXPIRE_MINUTES: {
    kind: kinds.integer(1, 1440, minute),
    aliases: ['JWT_ACCESS_TOKEN_EXPIRE_MINUTES', 'ACCESS_TOKEN_EXPIRE_MIN'],
    default: '15',
    about: 'The lifetime of an access token.',
  },
  REFRESH_TOKEN_EXPIRE_DAYS: {
    kind: kinds.integer(1, 90, day),
    aliases: [
      'JWT_REFRESH_TOKEN_EXPIRE_DAYS',
      { name: 'REFRESH_TOKEN_EXPIRE_MINUTES', kind: kinds.integer(1, (90 * day) / minute, minute) },
    ],
    default: '7',
    about: 'How long an unused session stays valid; at least as long as an access token.',
  },

  CORS_ORIGINS: {
    begins: 'Browsers and limits',
    kind: kinds.corsOrigins,
    aliases: ['BACKEND_CORS_ORIGINS', 'ALLOWED_ORIGINS'],
    default: 'localhost',
    deployedDefault: '',
    about: 'The origins whose pages may call the service; `localhost` (with any port) is for development only.',
  },
  CORS_HEADERS: {
    kind: kinds.fieldNames,
    default: '',
    about:
      'Header fields that these pages may send besides those that the service reads and those of tracing (`traceparent`, ' +
      '`tracestate`, `baggage`, `sentry-trace`).',
  },
  CSP_MODE: {
    kind: kinds.choice(['strict', 'relaxed', 'disabled']),
    default: 'strict',
    about: "The Content-Security-Policy of the service's own pages.",
  },
  RATE_LIMIT_ENABLED: { kind: kinds.boolean, default: 'true', about: 'Whether requests are limited at all.' },
  RATE_LIMIT_PER_MINUTE: {
    kind: kinds.integer(1, 1_000_000),
    default: '60',
    about:
      'Requests of one user, or of one client address without a valid session, to one process or, with Redis, to all.',
  },
  RATE_LIMIT_GLOBAL_PER_SECOND: {
    kind: kinds.integer(0, 1_000_000),
    default: '0',
    about: 'Requests of all clients together, to one process or, with Redis, to all; 0: no limit.',
  },
  TRUSTED_PROXIES: {
    kind: kinds.networks,
    default: '',
    about:
      'The proxies whose `X-Forwarded-*` headers are trusted; without them, the address of the connection is used.',
  },

  OUTBOUND_NETWORKS: {
    kind: kinds.networks,
    default: '',
    about:
      'Private networks, such as `10.0.0.0/8`, that requests to URLs from a provider (in its metadata) may reach; public ' +
      'addresses, and URLs that you configure, are always allowed.',
  },

  ...accountVariables,

  RUN_JOBS: {
    begins: 'Jobs',
    kind: kinds.boolean,
    default: 'true',
    about: 'Whether the service also runs background jobs, such as sending emails; if not, `freehold worker` must run.',
  },
  ...socialVariables,

  STORAGE_URL: {
    begins: 'Files',
    kind: kinds.url('file', 's3', 'gs'),
    secret: true,
    otherwise: '`DATA_DIR/files`',
    later: true,
    about: 'Where files are stored.',
  },

  LOG_LEVEL: {
    begins: 'Logs and monitoring',
    kind: kinds.choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      warning: 'warn',
      critical: 'fatal',
    }),
    default: 'info',
    about: 'The lowest level that is logged; `WARNING` and `CRITICAL` are accepted too.',
  },
  DEBUG: {
    kind: kinds.sharedFlag,
    default: 'false',
    about: '`true` only means `LOG_LEVEL=debug`, unless `LOG_LEVEL` is set.',
  },
  LOG_FORMAT: {
    kind: kinds.choice(['json', 'text']),
    default: 'text',
    deployedDefault: 'json',
    about: 'One JSON object per line for programs, or text for people.',
  },
  LOG_FILE: { kind: kinds.path, otherwise: 'standard output', about: 'The file to write the log to.' },
  ...monitoringVariables,

  IS_TEST: {
    begins: 'Accepted for compatibility',
    kind: kinds.ignoredFlag,
    ignored: 'tests run the product as it is',
    about: 'Changes nothing: tests run the product as it is.',
  },
  TESTING: {
    kind: kinds.ignoredFlag,
    ignored: 'tests run the product as it is',
    about: 'Changes nothing: tests run the product as it is.',
  },
} as const satisfies Record<string, Variable>

export type VariableName = keyof typeof variables
