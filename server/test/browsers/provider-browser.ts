import { checkAnswer } from '../documents/check-answer.ts'
import { findFreePort } from '../programs/ports.ts'
import { createTestApp } from '../test-app.ts'
import type { Answer, TestApp } from '../test-app.ts'

/**
 * A browser with what a sign-in by a provider needs: cookies by origin, forms, and redirects that are followed on
 * request.
 */
export interface Browser {
  /** One request; redirects are not followed. */
  open(url: string, init?: { method?: string; body?: string; headers?: Record<string, string> }): Promise<Answer>
  /**
   * Follows redirects through all servers, until a response is no redirect or leads to a URL that begins with `stop`.
   */
  follow(url: string, stop?: string): Promise<Answer & { url: string }>
  /**
   * Sends the form of a page that contains this text, with these fields filled in; follows redirects as `follow` does.
   */
  submit(
    page: Answer & { url: string },
    holds: string,
    fields?: Record<string, string>,
    stop?: string,
  ): Promise<Answer & { url: string }>
  /** The cookies of this origin. */
  cookies(origin: string): Map<string, string>
}

/** The test app on a socket of its own, which `settings` may name, and browsers for it. */
export async function openTestApp(
  settings: (publicUrl: string) => Record<string, string>,
  host = '127.0.0.1',
): Promise<TestApp & { publicUrl: string; newBrowser: () => Browser }> {
  const port = await findFreePort()
  const publicUrl = `http://${host}:${port}`
  const app = await createTestApp({ PUBLIC_URL: publicUrl, ...settings(publicUrl) })
  await app.app.listen({ port, host: '127.0.0.1' })
  return { ...app, publicUrl, newBrowser: () => createBrowser(app, publicUrl) }
}

/** Responses of the service are checked against the OpenAPI document. */
function createBrowser(app: TestApp, publicUrl: string): Browser {
  const jars = new Map<string, Map<string, string>>()
  const cookies = (origin: string) => {
    const jar = jars.get(origin) ?? new Map<string, string>()
    jars.set(origin, jar)
    return jar
  }

  const open: Browser['open'] = async (url, { method = 'GET', body, headers = {} } = {}) => {
    const { origin, pathname } = new URL(url)
    const jar = cookies(origin)
    const cookie = [...jar].map(pair => pair.join('=')).join('; ')
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      headers: { ...(cookie !== '' && { cookie }), ...headers },
      ...(body !== undefined && { body }),
    })
    for (const field of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(field) ?? []
      if (/max-age=0|expires=Thu, 01 Jan 1970/i.test(field)) jar.delete(name)
      else jar.set(name, value)
    }
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    const answer: Answer = {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: isJson ? JSON.parse(text) : text,
      text,
    }
    if (origin === publicUrl)
      await checkAnswer(app.app, method, pathname.replace(/^\/oauth\//, '/api/v1/oauth/'), answer)
    return answer
  }

  const walk = async (answer: Answer, url: string, stop: string | undefined): Promise<Answer & { url: string }> => {
    for (let hops = 0; hops < 15; hops++) {
      const location = answer.headers['location']
      if (location === undefined || answer.status < 300 || answer.status > 399) return { ...answer, url }
      const next = new URL(location, url).href
      if (stop !== undefined && next.startsWith(stop)) return { ...answer, url: next }
      url = next
      answer = await open(url)
    }
    throw new Error(`led round in circles at ${url}`)
  }

  return {
    open,
    cookies,
    follow: async (url, stop) => walk(await open(url), url, stop),
    submit: async (page, holds, fields = {}, stop) => {
      const form = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)]
        .map(([text]) => text)
        .find(text => text.includes(holds))
      if (form === undefined) throw new Error(`no form holds ${holds}: ${page.text.slice(0, 2000)}`)
      const unescape = (text: string) =>
        text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'")
      const hidden = [...form.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => [
        /name="([^"]*)"/.exec(input)?.[1] ?? '',
        unescape(/value="([^"]*)"/.exec(input)?.[1] ?? ''),
      ])
      const url = new URL(unescape(/action="([^"]*)"/.exec(form)?.[1] ?? page.url), page.url).href
      const body = new URLSearchParams([...hidden, ...Object.entries(fields)] as [string, string][]).toString()
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      return walk(await open(url, { method: 'POST', body, headers }), url, stop)
    },
  }
}
