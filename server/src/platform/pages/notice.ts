import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../../config/config.ts'
import { preferredLocale } from '../locales.ts'
import type { Locale } from '../locales.ts'
import { usesOutbox } from '../mail/outbox.ts'
import { words } from './account-pages-words.ts'
import { html, sendPage } from './html.ts'
import type { Html, Link, PageScript } from './html.ts'

/** A page that only says something, and leads on. */
interface Notice {
  title: string
  text: string
  /** How it ended, for the sign above the title. */
  tone?: 'good' | 'bad'
  /** The next step. Without it, it is the way to the front end. */
  next?: Link | undefined
  /** Shown below the text. */
  more?: Html | undefined
  /** For the person who is asked for help: the code of a problem and the id of the request. */
  note?: string
}

/** Sends the small pages of the service, in the language of the browser. */
export interface Notices {
  localeOf(request: FastifyRequest): Locale
  send(reply: FastifyReply, status: number, title: string, body: Html, scripts?: readonly PageScript[]): FastifyReply
  /** A title, a text, and one next step. */
  say(reply: FastifyReply, status: number, notice: Notice): FastifyReply
}

export type NoticeConfig = Pick<
  Config,
  'appName' | 'cspMode' | 'frontendUrl' | 'accountPagesUrl' | 'publicUrl' | 'environment' | 'mail'
>

export function createNotices(config: NoticeConfig): Notices {
  const { appName: name, cspMode, frontendUrl, mail } = config
  const hasOwnPages = config.accountPagesUrl !== `${config.publicUrl}/account`
  const localeOf: Notices['localeOf'] = request =>
    preferredLocale(request.headers['accept-language']) ?? mail.defaultLocale
  const send: Notices['send'] = (reply, status, title, body, scripts) => {
    const locale = localeOf(reply.request)
    const isStart = /^\/account\/?(\?|$)/.test(reply.request.originalUrl)
    const links = [
      ...(hasOwnPages || isStart ? [] : [{ text: words[locale].help, href: '/account' }]),
      ...(usesOutbox(config) ? [{ text: words[locale].outbox, href: '/dev/mail' }] : []),
    ]
    const foot = html`${links.map(({ text, href }) => html`<a href="${href}">${text}</a> `)}`
    return sendPage(reply, status, {
      title,
      lang: locale,
      name,
      cspMode,
      body,
      ...(frontendUrl !== undefined && { home: frontendUrl }),
      ...(scripts !== undefined && { scripts }),
      ...(links.length > 0 && { foot }),
    })
  }
  return {
    localeOf,
    send,
    say: (reply, status, { title, text, tone, next, more, note }) => {
      const { goOn, close } = words[localeOf(reply.request)]
      const home = frontendUrl === undefined ? undefined : { text: goOn(name), href: frontendUrl }
      const [first, then] = next === undefined ? [home] : [next, home]
      const body = html`<div class="${tone}">
        <h1>${title}</h1>
        <p class="lead">${text}</p>
        ${more} ${first !== undefined && html`<p><a class="button" href="${first.href}">${first.text}</a></p>`}
        ${then !== undefined && html`<p class="then"><a href="${then.href}">${then.text}</a></p>`}
        ${home === undefined && tone === 'good' && html`<p class="then dim">${close(name)}</p>`}
        ${note !== undefined && html`<p class="note">${note}</p>`}
      </div>`
      return send(reply, status, title, body)
    },
  }
}
