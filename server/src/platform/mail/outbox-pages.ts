import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { isLoopback } from '../../config/kinds.ts'
import { Problem } from '../problems.ts'
import { html, sendPage } from '../pages/html.ts'
import type { Html } from '../pages/html.ts'
import type { App } from '../http/route.ts'
import type { Services } from '../services.ts'
import { findInOutbox, listOutbox, readEml } from './outbox.ts'
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

  const send = (reply: FastifyReply, title: string, body: Html) =>
    sendPage(reply, 200, { title, lang: 'en', name, body, cspMode, wide: true, extraPolicy: "frame-src 'self'" })

  app.register(async (outbox: App) => {
    outbox.addHook('onRequest', requireOwnName)

    outbox.get('/dev/mail', route, async (_request, reply) => {
      const mails = await listOutbox(dataDir)
      const items = mails.map(
        ({ id, to, subject, sent_at }) =>
          html`<li>
            <a href="/dev/mail/${id}">${subject}</a><br />
            <span class="dim">to ${to}, ${timeOf(sent_at)}</span>
          </li>`,
      )
      const empty = html`<p>Nothing has been sent yet. In development, emails are not delivered, but listed here.</p>`
      return send(
        reply,
        'Mail',
        html`<h1>Mail</h1>
          ${
            items.length === 0
              ? empty
              : html`<ul class="list">
                  ${items}
                </ul>`
          }`,
      )
    })

    outbox.get('/dev/mail/:id', ofMail, async (request, reply) => {
      const { id, from, to, subject, text, sent_at } = await get(request.params.id)
      return send(
        reply,
        subject,
        html`<p><a href="/dev/mail">All mail</a></p>
          <h1>${subject}</h1>
          <p class="dim">from ${from}<br />to ${to}<br />${timeOf(sent_at)}</p>
          <iframe
            src="/dev/mail/${id}/html"
            title="The mail as HTML"
            sandbox="allow-popups allow-popups-to-escape-sandbox"
          ></iframe>
          <h2>As plain text</h2>
          <pre>${linesOf(text)}</pre>
          <p><a href="/dev/mail/${id}/eml" download="${id}.eml">As a file</a></p>`,
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

/** The text with clickable links. */
const linesOf = (text: string): Html[] =>
  text
    .split(/(?<=\n)/)
    .map(line =>
      /^https?:\/\/\S+\n$/.test(line) ? html`<a href="${line.trim()}" target="_blank">${line}</a>` : html`${line}`,
    )

const timeOf = (sent_at: string): string => `${sent_at.slice(0, 19).replace('T', ' ')} UTC`
