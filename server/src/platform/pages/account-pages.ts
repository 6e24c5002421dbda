import formbody from '@fastify/formbody'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Services } from '../services.ts'
import type { Locale } from '../locales.ts'
import { presentedToken, whyUnusable } from '../tokens/one-time-tokens.ts'
import type { OpenToken, Unusable } from '../tokens/one-time-tokens.ts'
import { isProblem, Problem } from '../problems.ts'
import type { FieldError } from '../problems.ts'
import { Name, Strict } from '../schemas.ts'
import type { AccountPages, Said } from './account-page.ts'
import type { Asked, Shown } from './account-pages-fields.ts'
import { faultList, faultsOf, fieldsFor, linkList } from './account-pages-fields.ts'
import { faultIn, problemWords, words } from './account-pages-words.ts'
import { problemOf, statusOf } from '../server/errors.ts'
import { createNotices } from './notice.ts'
import type { Notices } from './notice.ts'
import { html } from './html.ts'
import type { Link } from './html.ts'
import { passkeyButton, passkeyScript } from './passkey-button.ts'
import { showScript } from './show-button.ts'
import { noteFailure, reportFault } from '../observation/failures.ts'
import { recordRefusal } from '../server/logging.ts'
import { TRIES_PER_MINUTE } from '../http/route.ts'
import type { App } from '../http/route.ts'
import { isEmail, matches } from '../validator.ts'

const Text = Type.Optional(Type.String({ maxLength: 4096 }))
const Form = Strict({
  token: Text,
  email: Text,
  full_name: Text,
  new_password: Text,
  repeated_password: Text,
  password: Text,
  code: Text,
  passkey: Type.Optional(Type.String({ maxLength: 12 * 1024 })),
})

/** Enough for a token, an address, a name, passwords, a code and the answer of a passkey, percent-encoded. Bytes. */
const LARGEST_FORM = 32 * 1024

const rules = { access: 'public', noStore: true } as const
const schema = { hide: true } as const

/** Serves the pages, in English and German; they work without scripts. In the context `app`, forms are parsed; errors are pages. */
export async function accountPageRoutes(app: App, pages: AccountPages, services: Services): Promise<void> {
  const { config, declared, keys } = services
  const { localeOf, send, say } = createNotices(config)
  app.removeAllContentTypeParsers()
  await app.register(formbody, { bodyLimit: LARGEST_FORM })

  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error as Parameters<typeof problemOf>[0])
    const status = statusOf(declared.problems, problem.code)
    recordRefusal(request, problem.code)
    if (status === 500) reportFault(request, 'error in an account page', error)
    else if (status > 500) noteFailure(services.log, problem.code, problem.cause ?? error)
    const locale = localeOf(request)
    if (problem.retryAfter !== undefined) reply.header('retry-after', String(problem.retryAfter))
    const { title, text } = problemWords(status, locale)
    const said = { title, text, tone: 'bad' } as const
    if (status !== 429 && status < 500) return say(reply, status, said)
    const { retry, goBack } = words[locale]
    // A form cannot be sent again by a link.
    if (request.method === 'POST') return say(reply, status, { ...said, text: `${text} ${goBack}` })
    return say(reply, status, { ...said, next: { text: retry, href: request.originalUrl } })
  })

  app.get('/', { ...rules, schema }, async (request, reply) => {
    const locale = localeOf(request)
    const { title, text } = words[locale].start
    const asking = Object.keys(pages).flatMap(purpose => askingPage(purpose, locale) ?? [])
    // Two pages may send the same email.
    const links = asking.filter((one, index) => asking.findIndex(other => other.text === one.text) === index)
    return say(reply, 200, { title, text, more: linkList({ text: '', links }) })
  })

  /** The link to a page that asks for an address; it works without a token. */
  const askingPage = (purpose: string, locale: Locale): Link | undefined => {
    const { ask, words: own } = pages[purpose] ?? {}
    const asked = own?.[locale].ask
    return ask === undefined || asked === undefined ? undefined : { text: asked.title, href: `/account/${purpose}` }
  }

  /** The same page as the next step: named for what the user does there, who may have forgotten nothing. */
  const nextStep = (purpose: string, locale: Locale): Link | undefined => {
    const page = askingPage(purpose, locale)
    return page && { ...page, text: pages[purpose]?.words[locale].title ?? page.text }
  }

  const sayEnding = (
    reply: FastifyReply,
    status: number,
    { next, also, ...said }: Said,
    more: Partial<Ending> = {},
  ) => {
    const locale = localeOf(reply.request)
    const aside = also === undefined ? undefined : nextStep(also, locale)
    return say(reply, status, {
      ...said,
      tone: status < 400 ? 'good' : 'bad',
      next: next === undefined ? undefined : nextStep(next, locale),
      more: aside && html`<p><a href="${aside.href}">${aside.text}</a></p>`,
      ...more,
    })
  }

  for (const [purpose, page] of Object.entries(pages)) {
    const path = `/${purpose}`

    const sendForm = async (
      reply: FastifyReply,
      token: string,
      found: OpenToken<unknown>,
      errors: readonly FieldError[] = [],
      values: Shown['values'] = {},
    ) => {
      const locale = localeOf(reply.request)
      const parts = (await page.form?.(found as OpenToken<never>, reply.request.visitor, locale)) ?? {}
      const { title, text, button } = { ...page.words[locale], ...parts }
      const asks = [...(page.asks ?? []), ...(parts.asks ?? [])]
      const account = found.email ?? undefined
      const { faults, others } = faultsByField(errors, asks, locale)
      const shown = { locale, account, values, faults, passwordRules: page.passwordRules ?? [] }
      const { passkeyOptions } = parts
      return send(
        reply,
        errors.length === 0 ? 200 : 422,
        title,
        html`<h1>${title}</h1>
          <p class="lead">${text}</p>
          ${parts.notice !== undefined && html`<p><strong>${parts.notice}</strong></p>`}
          ${account !== undefined && html`<p class="address">${account}</p>`}
          <form method="post" action="${purpose}">
            <input type="hidden" name="token" value="${token}" />
            ${faultList(others)} ${asks.map(name => fieldsFor[name](shown))}
            <button>${button}</button>
            ${passkeyOptions !== undefined && passkeyButton(passkeyOptions, locale)}
          </form>`,
        [
          ...(asks.some(name => name === 'new_password' || name === 'password') ? [showScript] : []),
          ...(passkeyOptions === undefined ? [] : [passkeyScript]),
        ],
      )
    }

    const sendAsk = (reply: FastifyReply, email = '', isWrong = false) => {
      const locale = localeOf(reply.request)
      const { ask } = page.words[locale]
      if (ask === undefined || page.ask === undefined) return sendUnusable(reply, 'unknown')
      const faults = isWrong ? { email: [words[locale].badAddress] } : {}
      return send(
        reply,
        isWrong ? 422 : 200,
        ask.title,
        html`<h1>${ask.title}</h1>
          <p class="lead">${ask.text}</p>
          <form method="post" action="${purpose}">
            ${fieldsFor.email({ locale, values: { email }, faults, passwordRules: [] })}
            <button>${ask.button}</button>
          </form>`,
      )
    }

    /** Says why the link cannot be used, and offers a new one, if this page sends it. */
    const sendUnusable = (reply: FastifyReply, why: Unusable) => {
      recordRefusal(reply.request, 'invalid-token')
      const locale = localeOf(reply.request)
      const { ended, again } = words[locale]
      const said = page.words[locale].ended?.[why] ?? ended[why]
      const next = page.ask === undefined ? undefined : { text: again, href: purpose }
      return sayEnding(reply, 422, said, next && { next })
    }

    /** The same for a token that was refused. Only who holds a link that we made learns more than that it does not work. */
    const sendRefusedToken = async (reply: FastifyReply, token: string) => {
      const kind = declared.tokens.get(purpose)
      const why = kind === undefined ? 'unknown' : await whyUnusable(reply.request.visitor, keys.oneTime, kind, token)
      return sendUnusable(reply, why)
    }

    /** Shows a refusal for which the page has a text. */
    const sendRefused = (reply: FastifyReply, error: unknown) => {
      const said = error instanceof Problem ? page.words[localeOf(reply.request)].refused?.[error.code] : undefined
      if (!(error instanceof Problem) || said === undefined) throw error
      recordRefusal(reply.request, error.code)
      return sayEnding(reply, statusOf(declared.problems, error.code), said)
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
      if (found === undefined) return sendRefusedToken(reply, given)
      return sendForm(reply, given, found).catch((error: unknown) => sendRefused(reply, error))
    })

    app.post(
      path,
      { ...rules, perMinute: TRIES_PER_MINUTE, schema: { ...schema, body: Form } },
      async (request, reply) => {
        const { visitor } = request
        const locale = localeOf(request)
        const { token, email = '', repeated_password = '', ...given } = request.body as Static<typeof Form>
        if (token === undefined && page.ask !== undefined) {
          if (!isEmail(email)) return sendAsk(reply, email, true)
          await page.ask(email, visitor, locale)
          const { ask } = page.words[locale]
          // A mistyped address shows here, and nothing else about it.
          const more = html`<p class="address">${email}</p>
            <p><a href="${purpose}">${words[locale].resend}</a></p>`
          return sayEnding(reply, 200, ask?.done ?? page.words[locale].done, { more })
        }
        if (token === undefined) return sendUnusable(reply, 'unknown')
        const found = await find(request, token)
        if (found === undefined) return sendRefusedToken(reply, token)
        const full_name = given.full_name?.trim() ?? ''
        const again = (errors: readonly FieldError[]) =>
          sendForm(reply, token, found, errors, { full_name }).catch((error: unknown) => sendRefused(reply, error))
        if (full_name !== '' && !matches(Name, full_name))
          return again([{ pointer: '/full_name', detail: words[locale].badName }])
        if ((given.new_password ?? '') !== repeated_password)
          return again([{ pointer: '/repeated_password', detail: words[locale].differ }])
        let result: unknown
        try {
          const { cookie: cookies } = request.headers
          result = await page.act({ ...nothing, ...given, token, full_name, cookies }, visitor)
        } catch (error) {
          if (!(error instanceof Problem)) throw error
          if (error.code === 'invalid-token') return sendRefusedToken(reply, token)
          if (page.words[locale].refused?.[error.code] !== undefined) return sendRefused(reply, error)
          const errors = faultsOf(error, locale)
          if (errors === undefined) throw error
          return again(errors)
        }
        const offered = await page.offer?.(result as never, visitor, locale)
        return sayEnding(reply, 200, page.words[locale].done, offered && { more: linkList(offered) })
      },
    )
  }
}

type Ending = Parameters<Notices['say']>[2]

const nothing = { new_password: '', password: '', code: '', passkey: '' }

/** The faults of the fields that the form has, and all others; each as a sentence. */
function faultsByField(errors: readonly FieldError[], asks: readonly Asked[], locale: Locale) {
  const names: readonly string[] = asks.includes('new_password') ? [...asks, 'repeated_password'] : asks
  const faults: Record<string, string[]> = {}
  const others: string[] = []
  for (const { pointer, detail } of errors) {
    // The API calls the new password of an account that is created its password.
    const name = pointer === '/password' && !asks.includes('password') ? 'new_password' : pointer.slice(1)
    if (names.includes(name)) (faults[name] ??= []).push(faultIn(detail, locale))
    else others.push(faultIn(detail, locale))
  }
  return { faults, others }
}

function ignoreInvalid(error: unknown): undefined {
  if (!isProblem(error, 'invalid-token')) throw error
}
