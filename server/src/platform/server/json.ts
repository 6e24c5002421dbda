import type { App } from '../http/route.ts'
import { invalidField, Problem } from '../problems.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Valid bodies are much less deep; the limit bounds the recursion of functions that traverse a body. */
const MAX_LEVELS = 32

/** Accepts only JSON bodies in UTF-8 (RFC 8259, section 8.1): invalid bytes are refused, never replaced. */
export function readJsonOnly(app: App): void {
  app.removeAllContentTypeParsers()
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    // Many clients send a Content-Type without a body.
    if (body.length === 0) {
      done(null)
      return
    }
    if (isTooDeep(body)) {
      done(invalidField('', `must not be nested deeper than ${MAX_LEVELS} levels`))
      return
    }
    let text: string
    try {
      text = utf8.decode(body)
    } catch (cause) {
      done(new Problem('malformed-request', { cause }))
      return
    }
    void parse(request, text, done)
  })
}

/** Whether objects and arrays are nested deeper than that, if the text is JSON at all. */
function isTooDeep(body: Buffer): boolean {
  let level = 0
  let isInText = false
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]
    if (byte === QUOTE) isInText = !isInText
    else if (isInText) at += byte === BACKSLASH ? 1 : 0
    else if (byte === BRACE || byte === BRACKET) level++
    else if (byte === BRACE_END || byte === BRACKET_END) level--
    if (level > MAX_LEVELS) return true
  }
  return false
}

const [QUOTE, BACKSLASH, BRACE, BRACE_END, BRACKET, BRACKET_END] = [...Buffer.from('"\\{}[]')]
