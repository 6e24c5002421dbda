import type { RawBuilder } from 'kysely'
import type { Transaction } from './database/database.ts'
import type { Statement } from './database/statement.ts'
import type { PermissionTable } from './gate/permissions.ts'
import type { App } from './http/route.ts'
import type { JobDeclaration } from './jobs/jobs.ts'
import type { EventDeclaration, MailDeclaration, TokenMail } from './mail/mails.ts'
import type { AccountPage } from './pages/account-pages.ts'
import type { ProblemTable } from './problems.ts'
import type { Services } from './services.ts'
import type { TokenKind } from './tokens/one-time-tokens.ts'

/** Rows that are removed when they have expired, found by an index, in the order of `key`. */
export interface Retention {
  table: string
  key: string
  /** `before(days)` is the first UUIDv7 of that many days ago. */
  /** The rows are organizations': each is removed within its own, as the policies ask. */
  ofOrganizations?: true
  isOver: (limits: { before: (days: number) => string; services: Services }) => RawBuilder<boolean>
}

/** An account that is erased for good. */
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
 * A feature: all that the rest of the service needs to know of it. It lists what it has and registers nothing; everything
 * central is a fold over the list of features (features.ts).
 */
export interface Feature {
  /** The field's word, in kebab-case; the folder's name. */
  name: string
  /** Features whose functions, views or tables it uses. `server/test/edges.test.ts` holds imports and SQL against it. */
  uses?: readonly string[]
  /** SQL files with the tables that the gate itself reads, loaded before it. Only the directory has some. */
  tables?: readonly URL[]
  /** SQL files with all other tables, and the policies, grants, history and triggers of its own. */
  sql?: readonly URL[]
  /** A directory of migrations of its own, for a feature outside this repository: they run after the service's, in a ledger of their own. */
  migrations?: URL
  /** Groups of operations in the OpenAPI document, each with a sentence. */
  tags?: Readonly<Record<string, string>>
  permissions?: PermissionTable
  problems?: ProblemTable
  tokens?: readonly TokenKind[]
  /** What is written down of accounts, and whether the user is notified by mail. */
  events?: readonly EventDeclaration[]
  mails?: MailDeclaration
  /** The mails of its one-time tokens, by purpose. */
  tokenMails?: Readonly<Record<string, TokenMail>>
  jobs?: Readonly<Record<string, JobDeclaration>>
  retention?: readonly Retention[]
  /** What is removed or overwritten when an account is erased, in this order, in one transaction of the system login. */
  erasure?: (account: ErasedAccount) => readonly Statement<'system', unknown>[]
  /** The same, where it takes more than statements. */
  erase?: (transaction: Transaction<'system'>, account: ErasedAccount, services: Services) => Promise<void>
  /** What a user's export holds of it. */
  export?: readonly ExportSection[]
  /** A second factor that it holds, as SQL that is true where the user (a column, say) has one. */
  secondFactor?: {
    method: string
    exists: (user_id: RawBuilder<unknown>) => RawBuilder<boolean>
    /** The ids of those that the user has, as a query with the column `id`. */
    ids: (user_id: RawBuilder<unknown>) => RawBuilder<{ id: string }>
  }
  /** Whether the user can sign in by it, as SQL that is true or false: a last sign-in method is not removed. */
  signInMethod?: (user_id: string) => RawBuilder<boolean>
  /** What it makes once for the app, the jobs and the command line; it sees what the features before it have made. */
  provide?: (services: Services) => Partial<Services> | Promise<Partial<Services>>
  /** Below `/api/v1`. */
  routes?: readonly Routes[]
  /** Routes at the root of the service. */
  rootRoutes?: readonly Routes[]
  /** Pages behind the links in mails, by the purpose of their token. */
  pages?: (services: Services) => Readonly<Record<string, AccountPage>>
}

export type Routes = (app: App, services: Services) => void

/** A feature's value. @throws Error that says what to change when it has no usable name */
export function feature<const F extends Feature>(value: F): F {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(value.name ?? ''))
    throw new Error(
      `a feature has the name ${JSON.stringify(value.name)}: give it one in kebab-case, such as name: 'projects'`,
    )
  return value
}
