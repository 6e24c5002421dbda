import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { ConfigError, loadConfig } from '../src/config/config.ts'
import type { Config } from '../src/config/config.ts'

// The variables that the tests of the configuration read.

const directories: string[] = []
after(() => directories.forEach(directory => rmSync(directory, { recursive: true })))

/** A working directory with these files; it is removed after the tests of the file. */
export function makeDirectory(files: Record<string, string> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'freehold-config-'))
  directories.push(directory)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

export const secretKey = 'c7f1e09ab35d24860f1e2d3c4b5a69788796a5b4c3d2e1f0'

export type Environment = Record<string, string>
/** The configuration of these variables, with a secret key, and of an `.env` file. */
export const load = (environment: Environment, dotEnv?: string): Config =>
  loadConfig({ SECRET_KEY: secretKey, ...environment }, makeDirectory(dotEnv === undefined ? {} : { '.env': dotEnv }))

/** The faults of these variables; none if they can be used. */
export function faultsOf(environment: Environment, directory = makeDirectory()): readonly string[] {
  try {
    loadConfig(environment, directory)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    for (const fault of error.faults) assert.ok(error.message.includes(fault))
    return error.faults
  }
  return []
}

/** Asserts that there is exactly one fault, and that it matches. */
export function assertFault(environment: Environment, pattern: RegExp, directory?: string): void {
  const faults = faultsOf(environment, directory)
  assert.equal(faults.length, 1, faults.join('\n'))
  assert.match(faults[0] ?? '', pattern)
}

/** A complete environment for production. */
export const production = {
  ENVIRONMENT: 'production',
  SECRET_KEY: secretKey,
  PUBLIC_URL: 'https://api.example.com',
  DATABASE_TENANT_URL: 'postgresql://freehold_app:Qx81vvTz@db.internal/app',
  DATABASE_SYSTEM_URL: 'postgresql://freehold_sys:Ty72bbKw@db.internal/app',
  SMTP_URL: 'smtp://freehold:Rw4490Lkq@mail.internal:587',
  FROM_EMAIL: 'Acme <no-reply@acme.test>',
  TRUSTED_PROXIES: '10.0.0.1',
}

/** The text of OIDC_PROVIDERS with one provider, which differs by these fields. */
export function oidc(changes: Record<string, unknown>): string {
  return JSON.stringify([
    { name: 'acme', issuer: 'https://id.acme.test', client_id: 'i', client_secret: 's', ...changes },
  ])
}
