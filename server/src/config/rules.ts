import { isLoopback } from './kinds.ts'
import { isExample, weakness } from './secrets.ts'
import { type Reading, variableList } from './sources.ts'
import { joinUrl, type Part } from './urls.ts'
import type { VariableName } from './variables.ts'

/** The reading with DATABASE_URL and REDIS_URL completed from, or compared with, the variables for their parts. */
export function joinParts(reading: Reading): Reading {
  const join = (scheme: string, whole: 'DATABASE_URL' | 'REDIS_URL', names: Record<string, Part['field']>) => {
    const parts = Object.entries(names).map(([name, field]): Part => ({
      name: reading.given.get(name as VariableName) ?? name,
      field,
      value: reading.values[name as 'DATABASE_HOST' | 'DATABASE_PORT'],
    }))
    const isBroken = (name: string) =>
      reading.given.has(name as VariableName) && reading.values[name as VariableName] === undefined
    // Values that could not be read have their own faults already; comparing the rest would not help.
    if ([whole, ...Object.keys(names)].some(isBroken)) return { url: undefined, faults: [] }
    return joinUrl(scheme, { name: reading.given.get(whole) ?? whole, url: reading.values[whole] }, parts)
  }
  const database = join('postgresql', 'DATABASE_URL', {
    DATABASE_HOST: 'hostname',
    DATABASE_PORT: 'port',
    DATABASE_NAME: 'pathname',
    DATABASE_USER: 'username',
    DATABASE_PASSWORD: 'password',
  })
  const redis = join('redis', 'REDIS_URL', {
    REDIS_HOST: 'hostname',
    REDIS_PORT: 'port',
    REDIS_DB: 'pathname',
    REDIS_PASSWORD: 'password',
  })
  return {
    ...reading,
    values: { ...reading.values, DATABASE_URL: database.url, REDIS_URL: redis.url },
    faults: [...reading.faults, ...database.faults, ...redis.faults],
  }
}

/** Needs of commands outside development: the owner's login, a restricted login, the secret, the public URL, email. */
export type Need = 'owner' | 'tenant' | 'system' | 'secret' | 'address' | 'mail'

/** The needs of the running service. */
export const needsOfService: readonly Need[] = ['secret', 'address', 'tenant', 'system', 'mail']

/** The faults that concern several variables, or missing ones. Only the variables in `needs` are required. */
export function checkRules(reading: Reading, needs: readonly Need[]): string[] {
  const isDeployed = reading.values.ENVIRONMENT !== 'development'
  return [
    ...checkPairs(reading, isDeployed),
    ...checkMeaning(reading),
    ...(needs.includes('mail') ? checkMail(reading) : []),
    ...checkLogins(reading),
    ...(isDeployed ? checkDeployment(reading, needs) : []),
  ]
}

function checkPairs({ given }: Reading, isDeployed: boolean): string[] {
  const pairs: [VariableName, VariableName][] = [
    ['FIRST_SUPERUSER_EMAIL', 'FIRST_SUPERUSER_PASSWORD'],
    ['GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET'],
    ['GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET'],
  ]
  // Outside development both are required anyway.
  if (!isDeployed) pairs.push(['DATABASE_TENANT_URL', 'DATABASE_SYSTEM_URL'])
  return pairs.flatMap(([one, other]) => {
    if (given.has(one) === given.has(other)) return []
    const [set, unset] = given.has(one) ? [given.get(one), other] : [given.get(other), one]
    return [`${set} is set and ${unset} is not: set both or neither`]
  })
}

function checkMeaning({ values, given }: Reading): string[] {
  const faults: string[] = []
  if (values.REFRESH_TOKEN_EXPIRE_DAYS < values.ACCESS_TOKEN_EXPIRE_MINUTES) {
    const refresh = given.get('REFRESH_TOKEN_EXPIRE_DAYS') ?? 'REFRESH_TOKEN_EXPIRE_DAYS'
    faults.push(`${refresh}: a refresh token would expire before the access token; accepted: at least as long as that`)
  }
  return faults
}

function checkMail({ given }: Reading): string[] {
  const faults: string[] = []
  const mailers = (['RESEND_API_KEY', 'SMTP_URL'] as const).filter(name => given.has(name))
  if (mailers.length > 1) faults.push(`${mailers.join(' and ')} are both set: keep one of them`)
  if (mailers.length > 0 && !given.has('FROM_EMAIL')) {
    faults.push(`FROM_EMAIL is not set: ${mailers.join(' and ')} needs a sender`)
  }
  return faults
}

/** With one login for two purposes, organizations would not be isolated. */
function checkLogins({ values, given }: Reading): string[] {
  const logins = (['DATABASE_URL', 'DATABASE_TENANT_URL', 'DATABASE_SYSTEM_URL'] as const).flatMap(name => {
    const url = values[name]
    return url
      ? [{ name: given.get(name) ?? name, url: new URL(url), user: decodeURIComponent(new URL(url).username) }]
      : []
  })
  return logins.flatMap(({ name, url, user }, index) => [
    ...(url.pathname.length > 1
      ? []
      : [`${name} names no database: add it after the host, as in postgresql://host/database`]),
    ...logins
      .slice(0, index)
      .filter(other => other.user === user)
      .map(other => `${other.name} and ${name} use one login: the owner, tenant and system logins must differ`),
  ])
}

const canMail = ({ RESEND_API_KEY, SMTP_URL }: Reading['values']) => (RESEND_API_KEY ?? SMTP_URL) !== undefined

/** The variable for each need, and an explanation of its value. */
const required: Readonly<Record<Exclude<Need, 'mail'>, readonly [VariableName, string]>> = {
  secret: ['SECRET_KEY', 'make one with `openssl rand -hex 32`'],
  address: ['PUBLIC_URL', 'it is the URL at which clients reach the service, such as https://api.example.com'],
  owner: ['DATABASE_URL', 'it is the login of the owner of the schema, which runs the migrations'],
  tenant: ['DATABASE_TENANT_URL', '`freehold doctor --roles` prints the SQL that creates this login'],
  system: ['DATABASE_SYSTEM_URL', '`freehold doctor --roles` prints the SQL that creates this login'],
}

function checkDeployment({ values, given }: Reading, needs: readonly Need[]): string[] {
  const faults = needs.flatMap(need => {
    const [name, advice] = need === 'mail' ? [] : required[need]
    if (name === undefined || given.has(name)) return []
    return [`${name} is not set, and ${values.ENVIRONMENT} requires it: ${advice}`]
  })
  if (needs.includes('mail') && values.EMAIL_VERIFICATION === 'required' && !canMail(values)) {
    faults.push(
      `RESEND_API_KEY or SMTP_URL is not set, and EMAIL_VERIFICATION=required, which is the default in ` +
        `${values.ENVIRONMENT}, needs emails: set one of them and FROM_EMAIL, or EMAIL_VERIFICATION=optional`,
    )
  }
  for (const [name, variable] of variableList) {
    const value = values[name]
    if (!variable.secret || !given.has(name) || typeof value !== 'string') continue
    const isKey = name === 'SECRET_KEY' || name === 'METRICS_TOKEN'
    const fault = isKey ? weakness(value) : isExample(value) ? 'holds an example' : undefined
    const advice = `accepted in ${values.ENVIRONMENT}: your own random secret`
    if (fault) faults.push(`${given.get(name)}: ${fault}; ${advice}`)
  }
  for (const name of ['PUBLIC_URL', 'ACCOUNT_PAGES_URL'] as const) {
    if (values[name]?.startsWith('http:') && !isLoopback(new URL(values[name]).hostname)) {
      faults.push(`${given.get(name)}: is not https; accepted in ${values.ENVIRONMENT}: https, or this machine`)
    }
  }
  if (values.CORS_ORIGINS === 'localhost') {
    faults.push(
      `${given.get('CORS_ORIGINS')}: localhost is for development; accepted in ${values.ENVIRONMENT}: origins`,
    )
  }
  return faults
}

/** Settings that work, but are probably not intended. */
export function listDoubts({ values, given }: Reading, nodeEnv: string | undefined): string[] {
  const doubts: string[] = []
  const isDevelopment = values.ENVIRONMENT === 'development'
  if (isDevelopment && nodeEnv === 'production') {
    doubts.push('NODE_ENV=production has no effect: without ENVIRONMENT=production this is development')
  }
  const fault = isDevelopment && values.SECRET_KEY !== undefined ? weakness(values.SECRET_KEY) : undefined
  if (fault) doubts.push(`${given.get('SECRET_KEY')} ${fault}: good enough for development only`)
  if (values.DEBUG && given.has('LOG_LEVEL') && values.LOG_LEVEL !== 'debug') {
    doubts.push(`DEBUG=true is overruled by LOG_LEVEL=${values.LOG_LEVEL}`)
  }
  for (const name of ['RESEND_API_KEY', 'SMTP_URL'] as const) {
    if (isDevelopment && isExample(values[name] ?? '')) {
      doubts.push(`${given.get(name)} is an example: emails go to the outbox at /dev/mail instead`)
    }
  }
  if (isDevelopment && isExample(values.SENTRY_DSN ?? '')) {
    doubts.push(`${given.get('SENTRY_DSN')} is an example: errors are only logged`)
  }
  // The service has no TLS, so there is a proxy in front of it.
  if (!isDevelopment && values.PUBLIC_URL?.startsWith('https:') && values.TRUSTED_PROXIES.length === 0) {
    doubts.push(
      `TRUSTED_PROXIES is empty, although ${given.get('PUBLIC_URL')} is https, so there is a proxy: all clients share its ` +
        'address in rate limits, the audit log and logs. Set it to the address of the proxy, such as 127.0.0.1',
    )
  }
  if (!isDevelopment && !canMail(values)) {
    doubts.push(
      'NO EMAIL IS SENT: neither RESEND_API_KEY nor SMTP_URL is set. Users cannot reset a password and are not notified ' +
        'of changes to their accounts; emails wait until one of them is set, for at most 14 days',
    )
  }
  return doubts
}
