import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import type { CspMode } from '../server/headers.ts'
import { style } from './style.ts'

/** A piece of HTML that is safe to show. Only `html` creates one; a string never counts as HTML. */
export interface Html {
  readonly [markup]: string
}

const markup = Symbol('markup')

type Piece = string | number | Html | readonly Html[] | undefined | false

/** An HTML template. Texts in it are escaped for elements and quoted attributes; undefined and false show nothing. */
export const html = (texts: TemplateStringsArray, ...pieces: Piece[]): Html => ({
  [markup]: texts.map((text, index) => text + markupOf(pieces[index])).join(''),
})

function markupOf(piece: Piece): string {
  if (piece === undefined || piece === false) return ''
  if (typeof piece !== 'object') return escapeHtml(String(piece))
  return markup in piece ? piece[markup] : piece.map(markupOf).join('')
}

const escapeHtml = (text: string): string => text.replaceAll(/[&<>"'`]/g, character => `&#${character.charCodeAt(0)};`)

export interface Link {
  text: string
  href: string
}

/** A script in a page: allowed by its digest, so that no other can run. */
export interface PageScript {
  text: string
  /** What else the page may do because of it, as directives of its content security policy. */
  directives?: readonly string[]
}

export interface Page {
  title: string
  /** A language tag. */
  lang: string
  /** The product's name, shown above the card. */
  name: string
  body: Html
  /** Where the product's name leads. */
  home?: string
  /** Links beside the name; the one to `current` is marked. */
  links?: readonly Link[]
  current?: string
  /** Shown below the card. */
  foot?: Html
  /** More elements of the head. */
  head?: Html
  /** Scripts at the end of the page, which works without them. */
  scripts?: readonly PageScript[]
  /** Additional directives of its content security policy. */
  directives?: readonly string[]
  /** A wide page, for lists and frames; forms are narrow. */
  wide?: boolean
  /** Whether the body is laid out by a script of its own, without a card. */
  bare?: boolean
}

/** The whole page as text. */
export const renderPage = (page: Page): string => {
  const { title, lang, name, body, home = '/', links = [], current, foot, head, scripts = [], wide, bare } = page
  const marked = links.map(
    ({ text, href }) => html`<a href="${href}" ${href === current && html`aria-current="page"`}>${text}</a>`,
  )
  return html`<!doctype html>
    <html lang="${lang}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>${title}${title !== name && ` · ${name}`}</title>
        <link rel="icon" href="${icon}" />
        ${styleElement} ${head}
      </head>
      <body class="${(wide === true || bare === true) && 'wide'}">
        <header class="top">
          <a class="brand" data-initial="${initialOf(name)}" href="${home}">${name}</a>
          ${marked.length > 0 && html`<nav>${marked}</nav>`}
        </header>
        ${bare === true ? body : html`<main class="card">${body}</main>`}
        ${foot !== undefined && html`<footer class="foot">${foot}</footer>`}
        ${scripts.map(({ text }): Html => ({ [markup]: `<script>${text}</script>` }))}
      </body>
    </html> `[markup]
}

/** Sends a page that runs only its own scripts, loads nothing, and submits its forms only to this server. */
export function sendPage(reply: FastifyReply, status: number, page: Page & { cspMode: CspMode }): FastifyReply {
  const { cspMode, scripts = [], directives = [] } = page
  const allowed = scripts.length === 0 ? [] : [`script-src ${scripts.map(({ text }) => digestOf(text)).join(' ')}`]
  const more = [...allowed, ...scripts.flatMap(script => script.directives ?? []), ...directives]
  if (cspMode === 'disabled') reply.removeHeader('content-security-policy')
  else reply.header('content-security-policy', [...policy, ...more].join('; '))
  return reply.code(status).header('cache-control', 'no-store').type('text/html; charset=utf-8').send(renderPage(page))
}

const digestOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

const initialOf = (name: string): string => (/[\p{L}\p{N}]/u.exec(name)?.[0] ?? '').toUpperCase()

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Crect width='8' height='8' rx='2' fill='%232450c8'/%3E%3C/svg%3E"

const styleElement: Html = { [markup]: `<style>${style}</style>` }

/** The policy allows the style by its digest, and no other. */
const policy = [
  "default-src 'none'",
  `style-src ${digestOf(style)}`,
  'img-src data:',
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
]
