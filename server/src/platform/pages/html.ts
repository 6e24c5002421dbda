import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import type { CspMode } from '../server/headers.ts'

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

/** A page. `extraPolicy` is an additional directive of its content security policy. */
export interface Page {
  title: string
  /** A language tag. */
  lang: string
  /** The product's name, shown above the card. */
  name: string
  body: Html
  cspMode: CspMode
  extraPolicy?: string
  /** A wide page, for lists and frames; forms are narrow. */
  wide?: boolean
}

/** Sends a page that runs no scripts, loads nothing, and submits its forms only to this server. */
export function sendPage(
  reply: FastifyReply,
  status: number,
  { title, lang, name, body, cspMode, extraPolicy, wide = false }: Page,
): FastifyReply {
  if (cspMode === 'disabled') reply.removeHeader('content-security-policy')
  else reply.header('content-security-policy', [policy, extraPolicy].filter(Boolean).join('; '))
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .type('text/html; charset=utf-8')
    .send(
      html`<!doctype html>
        <html lang="${lang}">
          <head>
            <meta charset="utf-8" />
            <meta name="viewport" content="width=device-width, initial-scale=1" />
            <meta name="color-scheme" content="light dark" />
            <meta name="robots" content="noindex" />
            <title>${title}${title !== name && ` · ${name}`}</title>
            <link rel="icon" href="data:," />
            ${styleElement}
          </head>
          <body class="${wide && 'wide'}">
            <header>${name}</header>
            <main>${body}</main>
          </body>
        </html> `[markup],
    )
}

/** Sizes are in rem, to respect the user's text size; with a font below 16px, phones zoom in on a field. */
const style = `
:root { color-scheme: light dark; --ink: #1c2330; --dim: #59626f; --paper: #f3f4f7; --card: #fff; --line: #8b94a3; --edge: #dfe3ea; --accent: #1a56c4; --on-accent: #fff; --bad: #b3261e; --good: #1b6e3c }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9ebef; --dim: #a6aebb; --paper: #101317; --card: #1a1f26; --line: #6d7785; --edge: #2c333d; --accent: #82adff; --on-accent: #0b1322; --bad: #ffa198; --good: #7fd6a0 }
}
* { box-sizing: border-box }
body { margin: 0; padding: 1.5rem 1rem; min-height: 100vh; min-height: 100dvh; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere }
header { max-width: 26rem; margin: 0 auto 1rem; font-weight: 600; color: var(--dim) }
main { max-width: 26rem; margin: 0 auto; padding: 1.5rem; background: var(--card); border: 1px solid var(--edge); border-radius: .75rem }
.wide main, .wide header { max-width: 48rem }
iframe { display: block; width: 100%; height: 40rem; margin-bottom: 1rem; border: 1px solid var(--edge); border-radius: .5rem }
pre { margin: 0 0 1rem; white-space: pre-wrap; font: .875rem/1.5 ui-monospace, monospace }
.list { padding: 0; list-style: none }
.list li { padding: .75rem 0; border-top: 1px solid var(--edge) }
h1 { margin: 0 0 .75rem; font-size: 1.375rem; line-height: 1.25 }
h2 { margin: 0 0 .5rem; font-size: 1.125rem; line-height: 1.25 }
p, ul { margin: 0 0 1rem }
ul { padding-left: 1.25rem }
main > :last-child, form > :last-child { margin-bottom: 0 }
a { color: var(--accent) }
label { display: block; margin-bottom: .25rem; font-weight: 600 }
input { display: block; width: 100%; min-height: 2.75rem; margin-bottom: 1rem; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); color: inherit; font: inherit }
[hidden] { display: none }
button, .button { display: block; width: 100%; min-height: 2.75rem; padding: .625rem 1rem; border: 0; border-radius: .5rem; background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; text-align: center; text-decoration: none; cursor: pointer }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.dim { color: var(--dim) }
.errors { margin-bottom: 1rem; padding: .75rem 1rem; border-left: .25rem solid var(--bad); background: color-mix(in srgb, var(--bad) 10%, transparent); border-radius: .25rem }
.errors > :last-child { margin-bottom: 0 }
.good::before { content: "✓"; margin-right: .5rem; color: var(--good) }
`

/** A script in the page, and the directive that allows it and no other. */
export const inlineScript = (text: string): { element: Html; policy: string } => ({
  element: { [markup]: `<script>${text}</script>` },
  policy: `script-src 'sha256-${createHash('sha256').update(text).digest('base64')}'`,
})

const styleElement: Html = { [markup]: `<style>${style}</style>` }

/** The policy allows the style by its digest, and no other. */
const policy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  'img-src data:',
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')
