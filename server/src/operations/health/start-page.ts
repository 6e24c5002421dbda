import type { FastifyReply } from 'fastify'
import type { Config } from '../../config/config.ts'
import type { Locale } from '../../platform/locales.ts'
import { linkList } from '../../platform/pages/account-pages-fields.ts'
import { developerLinks } from '../../platform/pages/developer-links.ts'
import type { Notices } from '../../platform/pages/notice.ts'

/** The page at the address that the service names when it starts: where a developer and a lost user go on. */
export function sendStartPage(
  notices: Notices,
  reply: FastifyReply,
  config: Pick<Config, 'appName' | 'environment' | 'mail' | 'publicDocuments'>,
): FastifyReply {
  const { text, pages } = words[notices.localeOf(reply.request)]
  const links = [...developerLinks(config).map(({ href }) => href), '/health'].flatMap(href => {
    const name = pages[href]
    return name === undefined ? [] : [{ href, text: name }]
  })
  return notices.say(reply, 200, {
    title: config.appName,
    text: text(config.appName),
    more: linkList({ text: '', links }),
  })
}

/** By the path of the page. */
const words: Record<Locale, { text: (name: string) => string; pages: Readonly<Record<string, string>> }> = {
  en: {
    text: name => `The service behind ${name} runs. Programs use its API.`,
    pages: {
      '/docs': 'API: start here, and try it',
      '/redoc': 'Reference of the API',
      '/problems': 'Problems: what each error means',
      '/dev/mail': 'Emails that were sent in development',
      '/health': 'Health of the service',
    },
  },
  de: {
    text: name => `Der Dienst hinter ${name} läuft. Programme benutzen seine API.`,
    pages: {
      '/docs': 'API: hier anfangen und ausprobieren',
      '/redoc': 'Referenz der API',
      '/problems': 'Probleme: was jeder Fehler bedeutet',
      '/dev/mail': 'E-Mails, die in der Entwicklung gesendet wurden',
      '/health': 'Zustand des Dienstes',
    },
  },
}
