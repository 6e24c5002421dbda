import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../../config/config.ts'
import { preferredLocale } from '../locales.ts'
import type { Locale } from '../locales.ts'
import { words } from './account-pages-words.ts'
import { html, sendPage } from './html.ts'
import type { Html } from './html.ts'

/** Sends the small pages of the service, in the language of the browser. */
export interface Notices {
  localeOf(request: FastifyRequest): Locale
  send(reply: FastifyReply, status: number, title: string, body: Html, extraPolicy?: string): FastifyReply
  /** A title, a text, and the way on to the front end, if there is one. */
  say(reply: FastifyReply, status: number, title: string, text: string | Html, more?: Html): FastifyReply
}

export type NoticeConfig = Pick<Config, 'appName' | 'cspMode' | 'frontendUrl'> & {
  mail: Pick<Config['mail'], 'defaultLocale'>
}

export function createNotices({ appName: name, cspMode, frontendUrl, mail }: NoticeConfig): Notices {
  const localeOf: Notices['localeOf'] = request =>
    preferredLocale(request.headers['accept-language']) ?? mail.defaultLocale
  const send: Notices['send'] = (reply, status, title, body, extraPolicy) =>
    sendPage(reply, status, {
      title,
      lang: localeOf(reply.request),
      name,
      cspMode,
      body,
      ...(extraPolicy !== undefined && { extraPolicy }),
    })
  return {
    localeOf,
    send,
    say: (reply, status, title, text, more) => {
      const { goOn } = words[localeOf(reply.request)]
      const home = frontendUrl !== undefined && html`<p><a href="${frontendUrl}">${goOn(name)}</a></p>`
      return send(
        reply,
        status,
        title,
        html`<h1>${title}</h1>
          <p>${text}</p>
          ${more}${home}`,
      )
    },
  }
}
