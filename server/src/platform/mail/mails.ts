import { locales } from '../locales.ts'
import type { Locale } from '../locales.ts'

export const isLocale = (word: unknown): word is Locale => (locales as readonly unknown[]).includes(word)

const ofEvents = ['when', 'ip', 'device', 'link'] as const

/**
 * Every mail there is, with the values that its template may show beside those of all. The mails of one-time tokens come
 * first, then one for each security event that a person is told of (record_event() in audit.sql has the list).
 */
export const mails = {
  'verify-email': ['link', 'expires'],
  'sign-up': ['link', 'expires'],
  'account-exists': ['link', 'change', 'deleted'],
  'address-retired': [],
  'reset-password': ['link', 'expires', 'when'],
  'change-email': ['link', 'expires'],
  'sign-in-locked': ['link', 'expires', 'known_device'],
  'account-deleted': ['link', 'expires', 'when'],
  invitation: ['link', 'expires', 'organization', 'inviter'],
  'password-changed': ofEvents,
  'password-reset': ofEvents,
  'email-change-requested': [...ofEvents, 'new_email'],
  'email-changed': ['when', 'ip', 'device', 'new_email'],
  'totp-added': ofEvents,
  'totp-removed': ofEvents,
  'recovery-codes-made': ofEvents,
  'recovery-code-used': ofEvents,
  'passkey-added': ofEvents,
  'passkey-removed': ofEvents,
  'identity-linked': [...ofEvents, 'provider'],
  'identity-unlinked': [...ofEvents, 'provider'],
  'refresh-token-reused': ofEvents,
  'second-factor-locked': ofEvents,
} as const satisfies Record<string, readonly string[]>

export type MailName = keyof typeof mails

export const isMail = (name: string): name is MailName => Object.hasOwn(mails, name)

/** What every mail may show: the product's name, where it is, and the person's name where we know whose address it is. */
const ofAll = ['app', 'home', 'name']

/** Pieces that mails include: `{{> not-you}}`. */
const pieces = new Map<string, readonly string[]>([
  ['circumstances', ofEvents],
  ['not-you', ofEvents],
])

/** The values that a template may show, by its path below a directory of templates; undefined: there is no such template. */
export function valuesOf(path: string): readonly string[] | undefined {
  if (path === 'layout.html') return ['app', 'locale', 'subject', 'body']
  const [, locale = '', name = '', kind] = /^(\w+)\/([\w-]+)\.(txt|html)$/.exec(path) ?? []
  if (!isLocale(locale)) return undefined
  const own = isMail(name) ? mails[name] : kind === 'txt' ? pieces.get(name) : undefined
  return own && [...ofAll, ...own]
}

/** A piece by itself: no mail is made of it alone. */
export const isPiece = (path: string): boolean => pieces.has(/\/([\w-]+)\.txt$/.exec(path)?.[1] ?? '')
