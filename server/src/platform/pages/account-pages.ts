import formbody from '@fastify/formbody'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { SystemRunner } from '../database/database.ts'
import type { Services } from '../services.ts'
import type { Locale } from '../locales.ts'
import { presentedToken } from '../tokens/one-time-tokens.ts'
import type { OpenToken } from '../tokens/one-time-tokens.ts'
import { Problem } from '../problems.ts'
import type { FieldError } from '../problems.ts'
import { Strict } from '../schemas.ts'
import type { Offered } from './account-pages-fields.ts'
import { codeField, faultList, faultsOf, linkList, newPasswords, presentPassword } from './account-pages-fields.ts'
import { faultIn, problemWords, words } from './account-pages-words.ts'
import { problemOf, statusOf } from '../server/errors.ts'
import { createNotices } from './notice.ts'
import { html } from './html.ts'
import { passkeyButton, passkeyPolicy } from './passkey-button.ts'
import { noteFailure, reportFault } from '../failures.ts'
import { recordRefusal } from '../server/logging.ts'
import type { App } from '../http/route.ts'
import { isEmail } from '../validator.ts'

/** The texts of a page in one language. Plain text. */
export interface PageWords {
  title: string
  /** Explains what the button does. */
  text: string
  button: string
  /** The result, after the button was pressed. */
  done: string
  /** The texts of the form that requests an email, if there is one, and its result. */
  ask?: { title: string; text: string; button: string; done: string }
  /** The texts of other refusals, by the problem's code. */
  refused?: Readonly<Record<string, string>>
}

/** The content of a submitted form: the link's token, and the fields that the user has filled in. */
export interface Filled {
  token: string
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
  /** Shown above the text of the page. */
  notice?: string
  asksPassword?: boolean
  asksCode?: boolean
  /** The path of the options for a passkey, which may replace the code. */
  passkeyOptions?: string | undefined
}

/**
 * A page that the link in an email leads to: `/account/<purpose>?token=…`. Opening it changes nothing, because scanners
 * of emails open every link; only its button uses the token.
 */
export interface AccountPage {
  words: Readonly<Record<Locale, PageWords>>
  /** Whether the page asks for a new password, which may depend on the account. May throw a problem in `refused`. */
  asksPassword?: boolean | ((token: OpenToken<never>, visitor: SystemRunner) => Promise<boolean>)
  /** The parts of the form that depend on the link. */
  form?(token: OpenToken<never>, visitor: SystemRunner, locale: Locale): Promise<FormParts>
  /** Uses the token. @throws Problem invalid-token, or one whose `errors` name a field of the form */
  act(given: Filled, visitor: SystemRunner): Promise<unknown>
  /** The links that are offered afterwards. */
  offer?(result: never, visitor: SystemRunner, locale: Locale): Promise<Offered | undefined>
  /** Requests an email to an address, without a token. Reveals nothing about the address. */
  ask?(email: string, visitor: SystemRunner, locale: Locale): Promise<unknown>
}

export type AccountPages = Readonly<Record<string, AccountPage>>

const Text = Type.Optional(Type.String({ maxLength: 4096 }))
const Form = Strict({
  token: Text,
  email: Text,
  new_password: Text,
  repeated_password: Text,
  password: Text,
  code: Text,
  passkey: Type.Optional(Type.String({ maxLength: 12 * 1024 })),
})

/** Enough for a token, an address, passwords, a code and the answer of a passkey, percent-encoded. Bytes. */
const LARGEST_FORM = 32 * 1024

const rules = { access: 'public', noStore: true } as const
const schema = { hide: true } as const

/** Serves the pages, in English and German; they work without scripts. In the context `app`, forms are parsed; errors are pages. */
export async function accountPageRoutes(app: App, pages: AccountPages, services: Services): Promise<void> {
  const { config, declared, keys } = services
  const { localeOf, send, say: sendText } = createNotices(config)
  app.removeAllContentTypeParsers()
  await app.register(formbody, { bodyLimit: LARGEST_FORM })

  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error as Parameters<typeof problemOf>[0])
    const status = statusOf(declared.problems, problem.code)
    recordRefusal(request, problem.code)
    if (status === 500) reportFault(request, 'error in an account page', error)
    else if (status > 500) noteFailure(services.log, problem.code, problem.cause ?? error)
    const { title, text } = problemWords(status, localeOf(request))
    if (problem.retryAfter !== undefined) reply.header('retry-after', String(problem.retryAfter))
    return sendText(reply, status, title, text)
  })

  app.get('/', { ...rules, schema }, async (request, reply) => {
    const locale = localeOf(request)
    const { title, text } = words[locale].start
    const asking = Object.entries(pages).flatMap(([purpose, { words: own, ask }]) =>
      ask === undefined ? [] : [{ text: own[locale].ask?.title ?? own[locale].title, href: `/account/${purpose}` }],
    )
    // Two pages may send the same email.
    const links = asking.filter((one, index) => asking.findIndex(other => other.text === one.text) === index)
    return sendText(reply, 200, title, text, linkList({ text: '', links }))
  })

  for (const [purpose, page] of Object.entries(pages)) {
    const path = `/${purpose}`

    const asksPassword = async (found: OpenToken<unknown>, { visitor }: FastifyRequest): Promise<boolean> =>
      typeof page.asksPassword === 'function'
        ? page.asksPassword(found as OpenToken<never>, visitor)
        : page.asksPassword === true

    const sendForm = async (
      reply: FastifyReply,
      token: string,
      found: OpenToken<unknown>,
      errors: readonly FieldError[] = [],
    ) => {
      const { email } = found
      const asks = await asksPassword(found, reply.request)
      const locale = localeOf(reply.request)
      const parts = await page.form?.(found as OpenToken<never>, reply.request.visitor, locale)
      const { title, text, button } = page.words[locale]
      const faults = errors.map(({ detail }) => faultIn(detail, locale))
      return send(
        reply,
        errors.length === 0 ? 200 : 422,
        title,
        html`<h1>${title}</h1>
          ${parts?.notice !== undefined && html`<p><strong>${parts.notice}</strong></p>`}
          <p>${text}</p>
          <form method="post" action="${purpose}">
            <input type="hidden" name="token" value="${token}" />
            ${email !== null && html`<p><strong>${email}</strong></p>`} ${faultList('faults', faults)}
            ${asks && newPasswords(email ?? '', locale)}
            ${parts?.asksPassword === true && presentPassword(email ?? '', locale)}
            ${parts?.asksCode === true && codeField(locale)}
            <button>${button}</button>
            ${parts?.passkeyOptions !== undefined && passkeyButton(parts.passkeyOptions, locale)}
          </form>`,
        parts?.passkeyOptions === undefined ? undefined : passkeyPolicy,
      )
    }

    const sendAsk = (reply: FastifyReply, email = '', status = 200) => {
      const locale = localeOf(reply.request)
      const { ask } = page.words[locale]
      if (ask === undefined || page.ask === undefined) return sendBroken(reply)
      return send(
        reply,
        status,
        ask.title,
        html`<h1>${ask.title}</h1>
          <p>${ask.text}</p>
          <form method="post" action="${purpose}">
            ${status !== 200 && faultList('email-fault', [words[locale].badAddress])}
            <label for="email">${words[locale].address}</label>
            <input id="email" name="email" type="email" autocomplete="username" required value="${email}" />
            <button>${ask.button}</button>
          </form>`,
      )
    }

    /** Says that the token cannot be used, whatever the reason. */
    const sendBroken = (reply: FastifyReply) => {
      recordRefusal(reply.request, 'invalid-token')
      const { broken, again } = words[localeOf(reply.request)]
      const more = page.ask !== undefined && html`<p><a class="button" href="${purpose}">${again}</a></p>`
      return sendText(reply, 422, broken.title, broken.text, more || undefined)
    }

    /** Shows a refusal for which the page has a text. */
    const sendRefused = (reply: FastifyReply, error: unknown) => {
      const { title, refused } = page.words[localeOf(reply.request)]
      const text = error instanceof Problem ? refused?.[error.code] : undefined
      if (!(error instanceof Problem) || text === undefined) throw error
      recordRefusal(reply.request, error.code)
      return sendText(reply, statusOf(declared.problems, error.code), title, text)
    }

    /** The token, if it can be used. */
    const find = async ({ visitor }: FastifyRequest, token: string) => {
      const kind = declared.tokens.get(purpose)
      if (kind === undefined) return undefined
      return presentedToken(visitor, keys.oneTime, kind, token).catch(ignoreInvalid)
    }

    app.get(path, { ...rules, schema }, async (request, reply) => {
      // Other parameters are ignored: programs that forward emails may add some to the link.
      const { token } = request.query as { token?: string | string[] }
      if (token === undefined) return sendAsk(reply)
      const given = Array.isArray(token) ? '' : token
      const found = await find(request, given)
      if (found === undefined) return sendBroken(reply)
      return sendForm(reply, given, found).catch((error: unknown) => sendRefused(reply, error))
    })

    app.post(path, { ...rules, perMinute: 10, schema: { ...schema, body: Form } }, async (request, reply) => {
      const { visitor } = request
      const locale = localeOf(request)
      const given = request.body as Static<typeof Form>
      const {
        token,
        email = '',
        new_password = '',
        repeated_password = '',
        password = '',
        code = '',
        passkey = '',
      } = given
      if (token === undefined && page.ask !== undefined) {
        if (!isEmail(email)) return sendAsk(reply, email, 422)
        await page.ask(email, visitor, locale)
        const { ask, title } = page.words[locale]
        return sendText(reply, 200, ask?.title ?? title, ask?.done ?? '')
      }
      const found = token === undefined ? undefined : await find(request, token)
      if (token === undefined || found === undefined) return sendBroken(reply)
      const asks = await asksPassword(found, request).catch((error: unknown) => error)
      if (typeof asks !== 'boolean') return sendRefused(reply, asks)
      if (asks && new_password !== repeated_password)
        return sendForm(reply, token, found, [{ pointer: '/repeated_password', detail: words[locale].differ }])
      let result: unknown
      try {
        const { cookie: cookies } = request.headers
        result = await page.act({ token, new_password, password, code, passkey, cookies }, visitor)
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        if (error.code === 'invalid-token') return sendBroken(reply)
        if (page.words[locale].refused?.[error.code] !== undefined) return sendRefused(reply, error)
        const errors = faultsOf(error, locale)
        if (errors === undefined) throw error
        return sendForm(reply, token, found, errors)
      }
      const { title, done } = page.words[locale]
      const offered = await page.offer?.(result as never, visitor, locale)
      return sendText(reply, 200, title, html`<span class="good">${done}</span>`, offered && linkList(offered))
    })
  }
}

function ignoreInvalid(error: unknown): undefined {
  if (!(error instanceof Problem) || error.code !== 'invalid-token') throw error
}
