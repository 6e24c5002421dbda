import type { Statement } from '../database/statement.ts'
import { locales } from '../locales.ts'
import type { Locale } from '../locales.ts'
import type { OpenToken } from '../tokens/one-time-tokens.ts'

export const isLocale = (word: unknown): word is Locale => (locales as readonly unknown[]).includes(word)

/** The mails of a feature. */
export interface MailDeclaration {
  /** Holds `en/<mail>.txt` and `de/<mail>.txt`. */
  directory: URL
  /** Each mail, with the values that its template may show beside those of all mails. */
  values: Readonly<Record<string, readonly string[]>>
}

/** Every mail there is, with the values that its template may show. */
export type MailTable = Readonly<Record<string, readonly string[]>>

/** The values of a mail about a security event. */
export const eventValues = ['when', 'ip', 'device', 'link'] as const

/** Something that happens to an account. It is written down; where it is mailed, the user is told by the mail of that name. */
export interface EventDeclaration {
  type: string
  mailed: boolean
  /** Goes to the address that the account had before, which the token named in the details holds. */
  toFormerAddress?: boolean
  /** It changes a way in, and can be taken back: such an event is written down by `recordChange` alone (identity/changes). */
  change?: unknown
}

/** An event that changes no way in. */
export type PlainEvent = EventDeclaration & { change?: undefined }

/** Declares an event. The feature's value lists it. */
export const eventKind = (type: string, options: Partial<PlainEvent> = {}): PlainEvent =>
  Object.freeze({ mailed: false, ...options, type })

/** A user as a mail needs to know them. */
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

/** A mail before it is written: which one, to whom, with what of its own. */
export interface Draft {
  name: string
  to: string
  person?: Addressee | undefined
  /** The user to whom the token belongs from now on, where only an address was known when it was made. */
  owner_id?: string | undefined
  /** What the one who asked for it reads; the user's own choice comes before. */
  locale?: string | undefined
  values: Readonly<Record<string, string | boolean | Date | null | undefined>>
}

/** A token that can be spent, with whatever its purpose keeps in it. */
export type MailedToken = OpenToken<Readonly<Record<string, unknown>>>

/** What decides the mail of a token when it is about to be sent. */
export interface TokenMailContext {
  token: MailedToken
  /** The user whose token it is, or whose address it goes to. */
  user: Addressee | undefined
  /** Where this token is spent. */
  link: string
  /** When the token was made and when it expires, as templates show it. */
  values: { when: Date; expires: Date }
  /** Of the digests of names that erased accounts had. */
  key: Buffer
  /** Where a new password is asked for. */
  resetLink: string
  run<Result>(statement: Statement<'system', Result>): Promise<Result>
  findUserByEmail(email: string): Promise<Addressee | undefined>
  /** The tokens of a purpose that were made for an address and can be spent, the newest first; two at most. */
  listTokens(email: string, purpose: string): Promise<MailedToken[]>
  /** Decides for another token of the same mailbox instead. */
  decideFor(token: MailedToken, purpose: string): Promise<Draft | undefined>
}

/** The mail of one purpose's token, as things are now. Undefined: nothing is to be sent. */
export type TokenMail = (context: TokenMailContext) => Promise<Draft | undefined>

/**
 * What people call themselves or their organizations, fit to stand in a mail to another person: not long, and with an
 * invisible joiner where mail programs would see an address in it and make a link that we seem to recommend.
 */
export const asName = (text: string): string =>
  text
    .slice(0, 80)
    .toWellFormed()
    .replaceAll(/[.:/@](?=\S)/g, '$&\u2060')

/** What every mail may show: the product's name, where it is, and the user's name where the address is known to be theirs. */
const ofAll = ['app', 'home', 'name']
/** Pieces that mails include: `{{> not-you}}`. */
const pieces = new Map<string, readonly string[]>([
  ['circumstances', eventValues],
  ['not-you', eventValues],
  ['undo', [...eventValues, 'undo', 'undo_expires']],
])

/** The values that a template may show, by its path below a directory of templates; undefined: there is no such template. */
export function valuesOf(mails: MailTable, path: string): readonly string[] | undefined {
  if (path === 'layout.html') return ['app', 'locale', 'subject', 'body']
  const [, locale = '', name = '', kind] = /^(\w+)\/([\w-]+)\.(txt|html)$/.exec(path) ?? []
  if (!isLocale(locale)) return undefined
  const own = Object.hasOwn(mails, name) ? mails[name] : kind === 'txt' ? pieces.get(name) : undefined
  return own && [...ofAll, ...own]
}

/** A piece by itself: no mail is made of it alone. */
export const isPiece = (path: string): boolean => pieces.has(/\/([\w-]+)\.txt$/.exec(path)?.[1] ?? '')
