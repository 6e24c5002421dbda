import type { SystemRunner } from '../database/database.ts'
import type { Locale } from '../locales.ts'
import type { OpenToken, Unusable } from '../tokens/one-time-tokens.ts'
import type { Asked, Offered } from './account-pages-fields.ts'

/** What a page says at the end: a heading that says what is the case, and what it means. Plain text. */
export interface Said {
  title: string
  text: string
  /** The page with the next step, by its purpose: one that asks for an address. */
  next?: string
  /** A page that only some need, in the same way; the next step stays the front end. */
  also?: string
}

/** The texts of a page in one language. Plain text. */
export interface PageWords {
  title: string
  /** Explains what the button does. */
  text: string
  button: string
  /** The result, after the button was pressed. */
  done: Said
  /** The texts of the form that requests an email, if there is one, and its result. */
  ask?: { title: string; text: string; button: string; done: Said }
  /** The texts of other refusals, by the problem's code. */
  refused?: Readonly<Record<string, Said>>
  /** Instead of the general texts: a link that was used or replaced, or has expired. */
  ended?: Readonly<Partial<Record<Unusable, Said>>>
}

/** The content of a submitted form: the link's token, and the fields that the user has filled in. */
export interface Filled {
  token: string
  full_name: string
  new_password: string
  /** The current password of the account. */
  password: string
  /** A code of an authenticator app, or a recovery code. */
  code: string
  /** The answer of a passkey, as JSON. */
  passkey: string
  cookies: string | undefined
}

/** The parts of a form that depend on the link. */
interface FormParts {
  /** Instead of the title and the text of the page. */
  title?: string
  text?: string
  /** Shown above the fields. */
  notice?: string
  /** Fields, in addition to those of the page. */
  asks?: readonly Asked[]
  /** The path of the options for a passkey, which may replace the code. */
  passkeyOptions?: string | undefined
}

/**
 * A page that the link in an email leads to: `/account/<purpose>?token=…`. Opening it changes nothing, because scanners
 * of emails open every link; only its button uses the token.
 */
export interface AccountPage {
  words: Readonly<Record<Locale, PageWords>>
  /** The fields of the form. */
  asks?: readonly Asked[]
  /** What a new password needs, shown before the first attempt, each as its refusal says it. */
  passwordRules?: readonly string[]
  /** The parts of the form that depend on the link. May throw a problem in `refused`. */
  form?(token: OpenToken<never>, visitor: SystemRunner, locale: Locale): Promise<FormParts>
  /** Uses the token. @throws Problem invalid-token, or one whose `errors` name a field of the form */
  act(given: Filled, visitor: SystemRunner): Promise<unknown>
  /** The links that are offered afterwards. */
  offer?(result: never, visitor: SystemRunner, locale: Locale): Promise<Offered | undefined>
  /** Requests an email to an address, without a token. Reveals nothing about the address. */
  ask?(email: string, visitor: SystemRunner, locale: Locale): Promise<unknown>
}

export type AccountPages = Readonly<Record<string, AccountPage>>
