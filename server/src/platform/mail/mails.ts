import type { Statement } from '../database/statement.ts'
import { locales } from '../locales.ts'
import type { Locale } from '../locales.ts'
import type { OpenToken } from '../tokens/one-time-tokens.ts'

export const isLocale = (word: unknown): word is Locale => (locales as readonly unknown[]).includes(word)

/** The emails of a feature. */
export interface MailDeclaration {
  /** Contains `en/<mail>.txt` and `de/<mail>.txt`. */
  directory: URL
  /** Each email, with the values that its template may show in addition to those of all emails. */
  values: Readonly<Record<string, readonly string[]>>
}

/** All emails, each with the values that its template may show. */
export type MailTable = Readonly<Record<string, readonly string[]>>

/** The values of an email about a security event. */
export const eventValues = ['when', 'ip', 'device', 'link'] as const

/** A security event. It is always recorded; if `mailed` is set, the user gets the email with the same name. */
export interface EventDeclaration {
  type: string
  mailed: boolean
  /** The email goes to the account's former address, which is in the token that the details name. */
  toFormerAddress?: boolean
  /** It changes a sign-in method and can be undone: only `recordChange` records such an event (identity/changes). */
  change?: unknown
}

/** An event that changes no sign-in method. */
export type PlainEvent = EventDeclaration & { change?: undefined }

/** Declares an event, which the feature's value lists. */
export const eventKind = (type: string, options: Partial<PlainEvent> = {}): PlainEvent =>
  Object.freeze({ mailed: false, ...options, type })

/** The values of a user that an email needs. */
export interface Addressee {
  id: string
  email: string
  email_verified: boolean
  given_name: string | null
  full_name: string | null
  locale: string | null
  disabled_at: string | null
  deleted_at: string | null
  erased_at: string | null
}

export const isLive = (user: Addressee | undefined): user is Addressee =>
  user !== undefined && user.disabled_at === null && user.deleted_at === null

/** An email before it is rendered: its name, recipient and own values. */
export interface Draft {
  name: string
  to: string
  person?: Addressee | undefined
  /** The user to whom the token will belong, if only an address was known when it was made. */
  owner_id?: string | undefined
  /** The language of the request; the user's own choice has precedence. */
  locale?: string | undefined
  values: Readonly<Record<string, string | boolean | Date | null | undefined>>
}

/** A token that can be used, with the details of its purpose. */
export type MailedToken = OpenToken<Readonly<Record<string, unknown>>>

/** The values that determine the email for a token when it is about to be sent. */
export interface TokenMailContext {
  token: MailedToken
  /** The user who owns the token, or the address that it goes to. */
  user: Addressee | undefined
  /** The link that uses this token. */
  link: string
  /** When the token was made and when it expires, as templates show it. */
  values: { when: Date; expires: Date }
  /** The key for the digests of names of erased accounts. */
  key: Buffer
  /** The page for requesting a new password. */
  resetLink: string
  run<Result>(statement: Statement<'system', Result>): Promise<Result>
  findUserByEmail(email: string): Promise<Addressee | undefined>
  /** The unused tokens of a purpose for an address, the newest first; at most two. */
  listTokens(email: string, purpose: string): Promise<MailedToken[]>
  /** Determines the email for another token of the same address instead. */
  decideFor(token: MailedToken, purpose: string): Promise<Draft | undefined>
}

/** Determines the email for a token in the present state; undefined: send nothing. */
export type TokenMail = (context: TokenMailContext) => Promise<Draft | undefined>

/**
 * The name of a user or an organization, or a reason, made safe for an email to someone else: short, and with invisible joiners, so
 * that email clients do not turn an address in it into a link that we would seem to recommend.
 */
export const asName = (text: string, length = 80): string =>
  text
    .slice(0, length)
    .toWellFormed()
    .replaceAll(/[.:/@](?=\S)/g, '$&\u2060')

/** The values of all emails: the product's name and URL, and the user's name if the address is verified. */
const ofAll = ['app', 'home', 'name']
/** Pieces that emails include: `{{> not-you}}`. */
const pieces = new Map<string, readonly string[]>([
  ['circumstances', eventValues],
  ['not-you', eventValues],
  ['not-agreed', ['actor']],
  ['undo', [...eventValues, 'undo', 'undo_expires']],
])

/** The values that a template may show, by its path in a directory; undefined if there is no such template. */
export function valuesOf(mails: MailTable, path: string): readonly string[] | undefined {
  if (path === 'layout.html') return ['app', 'locale', 'subject', 'body']
  const [, locale = '', name = '', kind] = /^(\w+)\/([\w-]+)\.(txt|html)$/.exec(path) ?? []
  if (!isLocale(locale)) return undefined
  const own = Object.hasOwn(mails, name) ? mails[name] : kind === 'txt' ? pieces.get(name) : undefined
  return own && [...ofAll, ...own]
}

/** Whether a template is a piece, which is never an email by itself. */
export const isPiece = (path: string): boolean => pieces.has(/\/([\w-]+)\.txt$/.exec(path)?.[1] ?? '')
