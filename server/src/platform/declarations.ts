import type { RawBuilder } from 'kysely'
import { sql } from 'kysely'
import type { Feature, Retention, ErasedAccount, ExportSection } from './feature.ts'
import { supportRoles } from './gate/permissions.ts'
import type { Permission, PermissionTable } from './gate/permissions.ts'
import type { WireFormat } from './http/wire-format.ts'
import type { JobDeclarations } from './jobs/jobs.ts'
import type { EventDeclaration, MailDeclaration, MailTable, TokenMail } from './mail/mails.ts'
import type { HealthCheck } from './observation/health-check.ts'
import { platformProblems } from './problems.ts'
import type { ProblemTable } from './problems.ts'
import { platformFiles, gateFiles } from './schema/declared-schema.ts'
import type { Services } from './services.ts'
import type { TokenKind } from './tokens/one-time-tokens.ts'
import type { Transaction } from './database/database.ts'

/** All declarations of the features, combined. */
export interface Declarations {
  features: readonly Feature[]
  problems: ProblemTable
  permissions: PermissionTable
  /** What support access may do at most; no other permission is open to it. */
  supportPermissions: readonly Permission[]
  /** By purpose. */
  tokens: ReadonlyMap<string, TokenKind>
  tokenMails: Readonly<Record<string, TokenMail>>
  events: ReadonlyMap<string, EventDeclaration>
  mails: MailTable
  mailDirectories: readonly URL[]
  jobs: JobDeclarations
  tags: Readonly<Record<string, string>>
  /** The ids of the operations that a newcomer calls first, in this order. */
  firstSteps: readonly string[]
  formats: readonly WireFormat[]
  /** By the name of the component. */
  health: Readonly<Record<string, HealthCheck>>
  retention: readonly Retention[]
  exportSections: readonly ExportSection[]
  /** The declared schema's files in the order in which they load. */
  schemaFiles: readonly string[]
  /** The kinds of second factor, each with the SQL that checks whether a user has one. */
  secondFactors: readonly NonNullable<Feature['secondFactor']>[]
  /** Whether the user has any second factor; recovery codes alone do not count. */
  hasSecondFactor: (user_id: RawBuilder<unknown>) => RawBuilder<boolean>
  /** The ids of all second factors of a user, as a query with the column `id`. */
  secondFactorIds: (user_id: RawBuilder<unknown>) => RawBuilder<{ id: string }>
  /** Whether the user has any sign-in method left. */
  hasSignInMethod: (user_id: string) => RawBuilder<boolean>
  /** Erases an account's data in every feature, the last feature first, so that references go before their targets. */
  eraseAccount: (transaction: Transaction<'system'>, account: ErasedAccount, services: Services) => Promise<void>
}

/** Combines the features. @throws Error that names both features if two declare the same thing */
export function declare(features: readonly Feature[]): Declarations {
  const owners = new Map<string, string>()
  const claim = (kind: string, name: string, owner: string) => {
    const other = owners.get(`${kind} ${name}`)
    if (other !== undefined)
      throw new Error(`the features ${other} and ${owner} both declare the ${kind} ${name}: rename one of them`)
    owners.set(`${kind} ${name}`, owner)
  }
  /** Merges one kind of declaration of all features into one table. */
  function merge<Value>(
    kind: string,
    read: (one: Feature) => Readonly<Record<string, Value>> | undefined,
    start: Readonly<Record<string, Value>> = {},
  ): Record<string, Value> {
    const merged: Record<string, Value> = { ...start }
    for (const name of Object.keys(start)) claim(kind, name, 'platform')
    for (const one of features)
      for (const [name, value] of Object.entries(read(one) ?? {})) {
        claim(kind, name, one.name)
        merged[name] = value
      }
    return merged
  }
  for (const { name } of features) claim('name', name, name)
  const mails = features.flatMap(({ mails }): MailDeclaration[] => (mails === undefined ? [] : [mails]))
  const methods = features.flatMap(({ signInMethod }) => signInMethod ?? [])
  const secondFactors = features.flatMap(({ secondFactor }) => secondFactor ?? [])
  return {
    features,
    problems: byStatus(merge('problem', one => one.problems, platformProblems)),
    permissions: merge('permission', one => one.permissions) as PermissionTable,
    supportPermissions: features.flatMap(supportPermissionsIn),
    tokens: new Map(
      Object.entries(
        merge('token purpose', one => Object.fromEntries((one.tokens ?? []).map(kind => [kind.purpose, kind]))),
      ),
    ),
    tokenMails: merge('mail of the token', one => one.tokenMails),
    events: new Map(
      Object.entries(merge('event', one => Object.fromEntries((one.events ?? []).map(kind => [kind.type, kind])))),
    ),
    mails: merge('mail', one => one.mails?.values),
    mailDirectories: mails.map(({ directory }) => directory),
    jobs: merge('job queue', one => one.jobs),
    tags: merge('tag', one => one.tags),
    firstSteps: Object.entries(merge('first step', one => one.firstSteps))
      .sort(([, a], [, b]) => a - b)
      .map(([operationId]) => operationId),
    formats: Object.values(merge('wire format of the path', one => one.format && { [one.format.path]: one.format })),
    health: merge('component', one => one.health),
    retention: features.flatMap(({ retention = [] }) => retention),
    exportSections: Object.values(
      merge('section of the export', one =>
        Object.fromEntries((one.export ?? []).map(section => [section.name, section])),
      ),
    ),
    schemaFiles: [
      ...platformFiles,
      ...features.flatMap(({ tables = [] }) => tables),
      ...gateFiles,
      ...features.flatMap(({ sql: files = [] }) => files),
    ].map(url => url.pathname),
    secondFactors,
    hasSecondFactor: user_id => anyOf(secondFactors.map(({ exists }) => exists(user_id))),
    secondFactorIds: user_id =>
      sql<{ id: string }>`(select null::uuid as id where false ${sql.join(
        secondFactors.map(({ ids }) => sql`union all ${ids(user_id)}`),
        sql` `,
      )})`,
    hasSignInMethod: user_id => anyOf(methods.map(method => method(user_id))),
    eraseAccount: async (transaction, account, services) => {
      for (const { erasure, erase } of features.toReversed()) {
        for (const statement of erasure?.(account) ?? []) await transaction.run(statement)
        await erase?.(transaction, account, services)
      }
    },
  }
}

/** @throws Error if it opens to support access what that must never reach */
function supportPermissionsIn({ name, permissions = {}, supportPermissions = [] }: Feature): readonly Permission[] {
  for (const permission of supportPermissions)
    if (!(supportRoles as readonly unknown[]).includes((permissions as Record<string, unknown>)[permission]))
      throw new Error(
        `the feature ${name} gives support access the permission ${permission}: name only its own permissions of ${supportRoles.join(' and ')}`,
      )
  return supportPermissions
}

const anyOf = (conditions: readonly RawBuilder<boolean>[]): RawBuilder<boolean> =>
  conditions.length === 0 ? sql<boolean>`false` : sql<boolean>`(${sql.join(conditions, sql` or `)})`

/** Sorted by status, because people look them up by it. */
const byStatus = (problems: Record<string, ProblemTable[string]>): ProblemTable =>
  Object.fromEntries(Object.entries(problems).sort(([one, [a]], [other, [b]]) => a - b || (one < other ? -1 : 1)))
