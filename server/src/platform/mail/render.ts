import mustache from 'mustache'
import type { Locale } from '../locales.ts'
import { isolated } from '../texts.ts'
import type { Templates } from './templates.ts'

/** An email as it is sent. `subject` is one line. */
export interface Message {
  to: string
  subject: string
  text: string
  html: string
}

/** The values of a template. Each becomes one line; a missing or empty value omits its section. */
export type Values = Readonly<Record<string, string | boolean | null | undefined>>

/** Renders an email in a language. Its HTML is made from its text, unless the operator has written one. */
export function renderMail(
  templates: Templates,
  { locale, name, values, to }: { locale: Locale; name: string; values: Values; to: string },
): Message {
  const view = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, typeof value === 'string' ? isolated(oneLine(value)) : value]),
  )
  // Values are one line and are not parsed again, so they cannot add a tag, a header or a paragraph.
  const whole = mustache.render(templateOf(templates, `${locale}/${name}.txt`), view, {}, { escape: String })
  const [subject = '', ...rest] = whole.split('\n')
  const text = `${rest
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()}\n`
  const page = templates.get(`${locale}/${name}.html`)
  const html =
    page === undefined
      ? mustache.render(templateOf(templates, 'layout.html'), {
          app: view['app'],
          locale,
          subject,
          body: paragraphsOf(text, [view['link'], view['undo']], view['home']),
        })
      : mustache.render(page, view)
  return { to, subject, text, html }
}

function templateOf(templates: Templates, path: string): string {
  const source = templates.get(path)
  if (source === undefined) throw new Error(`there is no mail template ${path}`)
  return source
}

/** Removes line breaks, other control characters and characters that change the direction of the text. */
const oneLine = (value: string): string =>
  value.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]+/gu, ' ').trim()

const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)

/**
 * Paragraphs as HTML. If the last line is only a link, it becomes a button; the line above is its label. The address of
 * the product, alone in a line, is a plain link.
 */
function paragraphsOf(text: string, links: readonly unknown[], home: unknown): string {
  return text
    .trim()
    .split('\n\n')
    .map(paragraph => {
      const lines = paragraph.split('\n')
      const link = links.find(one => one === lines.at(-1))
      if (typeof link !== 'string') {
        const shown = lines.map(line => (line === home ? linkOf(escapeHtml(line)) : escapeHtml(line)))
        return `<p style="margin:0 0 16px">${shown.join('<br>')}</p>`
      }
      return buttonOf(lines.slice(0, -1).join(' ').replace(/:$/, ''), escapeHtml(link))
    })
    .join('\n')
}

const linkOf = (link: string): string => `<a href="${link}" style="color:#1a56c4">${link}</a>`

const buttonOf = (label: string, link: string): string =>
  `<p class="button" style="margin:24px 0 8px"><a href="${link}" style="display:inline-block;padding:12px 20px;border-radius:6px;background:#1a56c4;color:#ffffff;font-weight:600;text-decoration:none">${escapeHtml(label) || link}</a></p>
<p class="address" style="margin:0 0 24px;font-size:13px;color:#5f6670"><a href="${link}" style="color:#5f6670">${link}</a></p>`
