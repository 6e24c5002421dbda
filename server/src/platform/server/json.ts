import type { App } from '../http/route.ts'
import { Problem } from '../problems.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** JSON is the only body there is, and JSON is UTF-8 (RFC 8259, section 8.1): other bytes are refused, never replaced. */
export function readJsonOnly(app: App): void {
  app.removeAllContentTypeParsers()
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    // Many clients name the type of a body that they do not send.
    if (body.length === 0) {
      done(null)
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
