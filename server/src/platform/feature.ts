import type { RawBuilder } from 'kysely'
import type { Transaction } from './database/database.ts'
import type { Statement } from './database/statement.ts'
import type { Permission, PermissionTable } from './gate/permissions.ts'
import type { App } from './http/route.ts'
import type { WireFormat } from './http/wire-format.ts'
import type { JobDeclaration } from './jobs/jobs.ts'
import type { HealthCheck } from './observation/health-check.ts'
import type { EventDeclaration, MailDeclaration, TokenMail } from './mail/mails.ts'
import type { AccountPage } from './pages/account-page.ts'
import type { ProblemTable } from './problems.ts'
import type { Services } from './services.ts'
import type { TokenKind } from './tokens/one-time-tokens.ts'

/** Rows that are deleted when they have expired, found by an index, in the order of `key`. */
export interface Retention {
  table: string
  key: string
  /** The rows belong to organizations: each is deleted within its organization, as the policies require. */
  ofOrganizations?: true
  /** `before(days)` is the first UUIDv7 of the time that many days ago. */
  isOver: (limits: { before: (days: number) => string; services: Services }) => RawBuilder<boolean>
}

/** An account that is being erased. */
export interface ErasedAccount {
  id: string
  email: string
  username: string | null
}

/** Rows of the signed-in user in one section of the export, in the order of `key`; `from` goes through the view `self`. */
export interface ExportSection {
  name: string
  description: string
  columns: RawBuilder<unknown>
  from: RawBuilder<unknown>
  key: RawBuilder<unknown>
}

/**
 * A feature: everything that the rest of the service needs to know about it. It only declares and registers nothing;
 * everything central is computed from the list of features (features.ts).
 */
export interface Feature {
  /** The name of its folder: the field's term, in kebab-case. */
  name: string
  /** Features whose functions, views or tables it uses; `server/test/edges.test.ts` checks this in imports and SQL. */
  uses?: readonly string[]
  /** SQL files with the tables that the gate itself reads, loaded before it. Only the directory has such tables. */
  tables?: readonly URL[]
  /** SQL files with all other tables, and with the feature's policies, grants, audit log and triggers. */
  sql?: readonly URL[]
  /** Own migrations of a feature outside this repository; they run after the service's, and are numbered apart. */
  migrations?: URL
  /** Groups of operations in the OpenAPI document, each with a description. */
  tags?: Readonly<Record<string, string>>
  /** Operations that a newcomer calls first, by their ids, each with its place among those of all features. */
  firstSteps?: Readonly<Record<string, number>>
  permissions?: PermissionTable
  /** Those of its permissions that an operator has under support access, if the role of that access has them. */
  supportPermissions?: readonly Permission[]
  problems?: ProblemTable
  tokens?: readonly TokenKind[]
  /** The security events that it records, and whether the user is notified by email. */
  events?: readonly EventDeclaration[]
  mails?: MailDeclaration
  /** The emails with its one-time tokens, by purpose. */
  tokenMails?: Readonly<Record<string, TokenMail>>
  jobs?: Readonly<Record<string, JobDeclaration>>
  retention?: readonly Retention[]
  /** Statements that erase its data of an account, in this order, in one transaction of the system login. */
  erasure?: (account: ErasedAccount) => readonly Statement<'system', unknown>[]
  /** The same, if statements alone do not suffice. */
  erase?: (transaction: Transaction<'system'>, account: ErasedAccount, services: Services) => Promise<void>
  /** Its sections of a user's data export. */
  export?: readonly ExportSection[]
  /** A second factor that it provides, as SQL that is true if the user (such as a column) has one. */
  secondFactor?: {
    method: string
    exists: (user_id: RawBuilder<unknown>) => RawBuilder<boolean>
    /** The ids of the user's second factors of this kind, as a query with the column `id`. */
    ids: (user_id: RawBuilder<unknown>) => RawBuilder<{ id: string }>
  }
  /** Whether the user can sign in with it, as SQL that is true or false: the last sign-in method cannot be removed. */
  signInMethod?: (user_id: string) => RawBuilder<boolean>
  /** Services that it creates once for the app, the jobs and the command line, from those of the features before it. */
  provide?: (services: Services) => Partial<Services> | Promise<Partial<Services>>
  /** Closes what `provide` has opened, when the process stops. */
  close?: (services: Services) => Promise<void> | void
  /** The parts of the service whose state it knows, by name, for the health of the service. */
  health?: Readonly<Record<string, HealthCheck>>
  /** Routes below `/api/v1`. */
  routes?: readonly Routes[]
  /** Routes at the root of the service. */
  rootRoutes?: readonly Routes[]
  /** Routes with a wire format of their own. */
  format?: WireFormat
  /** Pages behind the links in emails, by the purpose of their token. */
  pages?: (services: Services) => Readonly<Record<string, AccountPage>>
}

export type Routes = (app: App, services: Services) => void

/** A feature's value. @throws Error that says what to change if the name is not valid */
export function feature<const F extends Feature>(value: F): F {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(value.name ?? ''))
    throw new Error(
      `a feature has the name ${JSON.stringify(value.name)}: give it one in kebab-case, such as name: 'projects'`,
    )
  return value
}
