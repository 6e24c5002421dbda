import { STATUS_CODES } from 'node:http'
import { html } from '../pages/html.ts'
import type { Html, Page } from '../pages/html.ts'
import type { ProblemTable } from '../problems.ts'

/** An operation that a newcomer calls first. */
export interface FirstStep {
  method: string
  path: string
  operationId: string
  summary: string
  tag: string
}

/** What all pages of the documents share. */
type Frame = Pick<Page, 'name' | 'links'> & { lang: 'en' }

/** Swagger UI below a list of the first steps, each of which opens its operation. */
export const swaggerPage = (frame: Frame, version: string, steps: readonly FirstStep[]): Page => ({
  ...frame,
  title: `${frame.name} API`,
  current: '/docs',
  bare: true,
  head: html`<link rel="stylesheet" href="/docs/swagger-ui.css" /><link rel="stylesheet" href="/docs/look.css" />`,
  body: html`<main class="card">
      <h1>${frame.name} API <span class="tag">${version}</span></h1>
      <p class="lead">
        Sign in, press <strong>Authorize</strong> below and paste the access token: then every operation can be tried
        here. The document itself is <a href="/api/v1/openapi.json">openapi.json</a>.
      </p>
      ${
        steps.length > 0 &&
        html`<h2>Start here</h2>
          <ol class="steps">
            ${steps.map(
              ({ method, path, operationId, summary, tag }) =>
                html`<li>
                  <a href="#/${encodeURIComponent(tag)}/${operationId}">${summary}</a> <code>${method} ${path}</code>
                </li>`,
            )}
          </ol>`
      }
    </main>
    <div id="operations"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>`,
})

export const redocPage = (frame: Frame): Page => ({
  ...frame,
  title: `${frame.name} API reference`,
  current: '/redoc',
  bare: true,
  head: html`<link rel="stylesheet" href="/redoc/look.css" />`,
  body: html`<div id="reference"></div>
    <script src="/redoc/redoc.js"></script>
    <script src="/redoc/start.js"></script>`,
})

/** Every problem, by status; the `type` of a problem leads to its place here. */
export const problemsPage = (frame: Frame, problems: ProblemTable): Page => {
  const groups = [...Map.groupBy(Object.entries(problems), ([, [status]]) => status)]
  return {
    ...frame,
    title: 'Problems',
    current: '/problems',
    wide: true,
    body: html`<h1>Problems</h1>
      <p class="lead">
        Every error is <code>application/problem+json</code> (RFC 9457). Its <code>code</code> is stable, and its
        <code>type</code> leads to its place on this page. Programs decide by the code, never by the texts.
      </p>
      <ul class="chips">
        ${groups.map(([status]) => html`<li><a href="#status-${status}">${titleOf(status)}</a></li>`)}
      </ul>
      ${groups.map(
        ([status, entries]) =>
          html`<h2 class="group" id="status-${status}">${titleOf(status)}</h2>
            <ul class="rows">
              ${entries.map(([code, [, title, detail]]) => problemOf(code, title, detail))}
            </ul>`,
      )}`,
  }
}

const titleOf = (status: number): string => `${status} ${STATUS_CODES[status] ?? ''}`.trim()

const problemOf = (code: string, title: string, detail: string): Html =>
  html`<li id="${code}">
    <h3>${title}</h3>
    <p>
      <a href="#${code}"><code>${code}</code></a>
    </p>
    <p>${textOf(detail)}</p>
  </li>`

/** A text with the names that stand between backticks as code. */
const textOf = (text: string): Html[] =>
  text.split('`').map((part, index) => (index % 2 === 0 ? html`${part}` : html`<code>${part}</code>`))
