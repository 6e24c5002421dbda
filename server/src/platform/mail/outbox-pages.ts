import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { isLoopback } from '../../config/kinds.ts'
import { Problem } from '../problems.ts'
import { html, sendPage } from '../pages/html.ts'
import type { Html, Page, PageScript } from '../pages/html.ts'
import { developerLinks } from '../pages/developer-links.ts'
import type { App } from '../http/route.ts'
import type { Services } from '../services.ts'
import { findInOutbox, listOutbox, readEml, tagOfOutbox } from './outbox.ts'
import type { KeptMail } from './outbox.ts'

const Mail = Type.Object({ id: Type.String({ pattern: '^[\\w-]{1,64}$' }) })
const route = { access: 'public', noStore: true, schema: { hide: true } } as const
const ofMail = { ...route, schema: { hide: true, params: Mail } } as const

/** An email's HTML may run and load nothing. Its links open in new windows, without the frame's restrictions. */
const framePolicy = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  'img-src data:',
  "form-action 'none'",
  "frame-ancestors 'self'",
  'sandbox allow-popups allow-popups-to-escape-sandbox',
].join('; ')

/** `/dev/mail`: the emails in the outbox, as their recipients would see them. Only if the outbox is used. */
export function outboxRoutes(app: App, { config }: Pick<Services, 'config'>): void {
  const { appName: name, dataDir, publicUrl, cspMode } = config
  const own = new URL(publicUrl).host

  /** Against DNS rebinding: a page of another site whose name now resolves to this machine gets nothing. */
  const requireOwnName = async ({ headers: { host = '' } }: FastifyRequest) => {
    const [, hostname = ''] = /^([\w.-]+|\[[\da-f:.]+\])(:\d+)?$/i.exec(host) ?? []
    if (host !== own && !isLoopback(hostname.toLowerCase())) throw new Problem('not-found')
  }

  const get = async (id: string): Promise<KeptMail> => {
    const mail = await findInOutbox(dataDir, id)
    if (mail === undefined) throw new Problem('not-found')
    return mail
  }

  const links = developerLinks(config)
  const send = (reply: FastifyReply, title: string, body: Html, more: Partial<Page> = {}) =>
    sendPage(reply, 200, { title, lang: 'en', name, body, cspMode, wide: true, links, current: '/dev/mail', ...more })

  app.register(async (outbox: App) => {
    outbox.addHook('onRequest', requireOwnName)

    outbox.get('/dev/mail', { ...route, perMinute: Infinity }, async (request, reply) => {
      const tag = await tagOfOutbox(dataDir)
      reply.header('etag', tag)
      if (request.headers['if-none-match'] === tag) return reply.code(304).send()
      const mails = await listOutbox(dataDir)
      return send(
        reply,
        'Emails',
        html`<h1>Emails</h1>
          <p class="lead">
            In development, emails are not delivered, but listed here.
            <span id="waiting" hidden>New ones appear by themselves.</span>
          </p>
          <p id="arrived" role="status" class="dim"></p>
          <p id="empty" ${mails.length > 0 && html`hidden`}>
            Nothing has been sent yet. Sign up, or <a href="/account">ask for a link</a>: the email appears here.
          </p>
          <ul class="rows" id="mails" data-tag="${tag}" ${mails.length === 0 && html`hidden`}>
            ${mails.map(
              ({ id, to, subject, sent_at, text }) =>
                html`<li id="mail-${id}">
                  <h2><a href="/dev/mail/${id}">${subject}</a></h2>
                  <p class="dim">to ${to}, ${timeOf(sent_at)}</p>
                  ${linksOf(text)}
                </li>`,
            )}
          </ul>`,
        { scripts: [refresh], head: html`<noscript><meta http-equiv="refresh" content="5" /></noscript>` },
      )
    })

    outbox.get('/dev/mail/:id', ofMail, async (request, reply) => {
      const { id, from, to, subject, text, sent_at } = await get(request.params.id)
      return send(
        reply,
        subject,
        html`<p><a href="/dev/mail">All emails</a></p>
          <h1>${subject}</h1>
          <p class="dim">from ${from}<br />to ${to}<br />${timeOf(sent_at)}</p>
          ${linksOf(text)}
          <iframe
            src="/dev/mail/${id}/html"
            title="The email as HTML"
            sandbox="allow-popups allow-popups-to-escape-sandbox"
          ></iframe>
          <h2>As plain text</h2>
          <pre>${linesOf(text)}</pre>
          <p><a href="/dev/mail/${id}/eml" download="${id}.eml">As a file</a></p>`,
        { directives: ["frame-src 'self'"] },
      )
    })

    outbox.get('/dev/mail/:id/html', ofMail, async (request, reply) => {
      const mail = await get(request.params.id)
      return (
        reply
          .header('content-security-policy', framePolicy)
          .header('x-frame-options', 'SAMEORIGIN')
          .header('cross-origin-opener-policy', 'unsafe-none')
          // The field has no effect without an origin, and browsers warn about it.
          .removeHeader('origin-agent-cluster')
          .type('text/html; charset=utf-8')
          .send(mail.html.replace(/<head[^>]*>/i, '$&<base target="_blank">'))
      )
    })

    outbox.get('/dev/mail/:id/eml', ofMail, async (request, reply) => {
      const eml = await readEml(dataDir, (await get(request.params.id)).id)
      if (eml === undefined) throw new Problem('not-found')
      return reply.type('message/rfc822').header('content-disposition', 'attachment').send(eml)
    })
  })
}

/** Asks every two seconds, while the page is seen, and adds what has arrived on top. */
const refresh: PageScript = {
  directives: ["connect-src 'self'"],
  text: `
const list = document.getElementById('mails')
const { title } = document
let unseen = 0
document.getElementById('waiting').hidden = false
const look = async () => {
  const answer = await fetch(location.pathname, { headers: { 'if-none-match': list.dataset.tag } })
  if (answer.status !== 200) return
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  const mails = [...page.querySelectorAll('#mails > li')]
  const arrived = mails.filter(mail => document.getElementById(mail.id) === null)
  list.dataset.tag = page.getElementById('mails').dataset.tag
  list.prepend(...arrived)
  if (arrived.length === 0) return
  list.hidden = false
  document.getElementById('empty').hidden = true
  unseen += arrived.length
  document.title = '(' + unseen + ') ' + title
  document.getElementById('arrived').textContent = unseen + ' new since you opened this page'
}
setInterval(() => { if (document.visibilityState === 'visible') look().catch(() => {}) }, 2000)
`,
}

const isLink = (line: string): boolean => /^https?:\/\/\S+$/.test(line) && URL.canParse(line)

/** The links in the text, each by what follows the name of the server; one that is there twice, once. */
function linksOf(text: string): Html | false {
  const links = [...new Set(text.split('\n').map(line => line.trim()))].filter(isLink)
  if (links.length === 0) return false
  return html`<ul class="chips">
    ${links.map(link => html`<li><a href="${link}" target="_blank">${nameOf(link)}</a></li>`)}
  </ul>`
}

function nameOf(link: string): string {
  const { host, pathname } = new URL(link)
  return pathname === '/' ? host : pathname
}

/** The text with clickable links. */
const linesOf = (text: string): Html[] =>
  text
    .split(/(?<=\n)/)
    .map(line => (isLink(line.trimEnd()) ? html`<a href="${line.trim()}" target="_blank">${line}</a>` : html`${line}`))

const timeOf = (sent_at: string): Html =>
  html`<time datetime="${sent_at}">${sent_at.slice(0, 19).replace('T', ' ')} UTC</time>`
