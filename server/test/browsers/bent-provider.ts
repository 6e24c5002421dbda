import { createHash, createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'

type Json = Record<string, unknown>

/** How the provider behaves from now on; what is left out is correct. */
export interface Behaviour {
  /** The user who is signed in at the provider. */
  claims?: Json
  /** Overrides its metadata. */
  metadata?: Json
  /** Overrides the header of the ID token. */
  header?: Json
  /** `none`: no signature; `secret`: HMAC with the client's secret; `stranger`: a key that is not in its key set. */
  signature?: 'none' | 'secret' | 'stranger'
  /** Overrides the parameters that the browser brings back. */
  back?: Record<string, string | undefined>
  /** Replaces the whole response of a path, such as `/token`. */
  answers?: Record<string, (response: ServerResponse) => void>
  /** The response of the userinfo endpoint; the claims are then not in the ID token, unless `idToken` says so. */
  userinfo?: Json
  /** The claims of the ID token beside `userinfo`. */
  idToken?: Json
}

export interface BentProvider {
  url: string
  clientId: string
  clientSecret: string
  /** Sets the behaviour. */
  behave(behaviour: Behaviour): void
  /** The paths that were requested, in order. */
  asked: string[]
}

const base64 = (value: string | Buffer) => Buffer.from(value).toString('base64url')

/**
 * An OpenID Connect provider on loopback. It signs the configured user in at once, and sends the configured false data.
 */
export async function createBentProvider(): Promise<BentProvider> {
  const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const codes = new Map<string, { nonce: string; challenge: string; redirect_uri: string }>()
  const [clientId, clientSecret] = ['bent client', 'bent:secret+of 1']
  let behaviour: Behaviour = {}
  const asked: string[] = []

  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  const idTokenOf = (nonce: string): string => {
    const now = Math.floor(Date.now() / 1000)
    const { signature, header, userinfo, idToken, claims = {} } = behaviour
    const alg = signature === 'none' ? 'none' : signature === 'secret' ? 'HS256' : 'RS256'
    const shown = userinfo === undefined ? claims : { sub: claims['sub'], ...idToken }
    const payload = { iss: url, aud: clientId, iat: now, exp: now + 300, nonce, ...shown }
    const signed = [{ alg, kid: 'own', typ: 'JWT', ...header }, payload]
      .map(part => base64(JSON.stringify(part)))
      .join('.')
    if (signature === 'none') return `${signed}.`
    if (signature === 'secret')
      return `${signed}.${createHmac('sha256', clientSecret).update(signed).digest('base64url')}`
    const { privateKey } = signature === 'stranger' ? stranger : own
    return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asking = new URL(request.url ?? '/', url)
    const path = asking.pathname
    asked.push(path)
    const json = (status: number, body: unknown) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    const instead = behaviour.answers?.[path]
    if (instead !== undefined) return instead(response)
    switch (path) {
      case '/.well-known/openid-configuration':
        return json(200, {
          issuer: url,
          authorization_endpoint: `${url}/authorize`,
          token_endpoint: `${url}/token`,
          userinfo_endpoint: `${url}/userinfo`,
          jwks_uri: `${url}/jwks`,
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256'],
          authorization_response_iss_parameter_supported: true,
          ...behaviour.metadata,
        })
      case '/jwks':
        return json(200, {
          keys: [{ ...own.publicKey.export({ format: 'jwk' }), kid: 'own', use: 'sig', alg: 'RS256' }],
        })
      case '/authorize': {
        const asks = (name: string) => asking.searchParams.get(name) ?? ''
        const code = randomUUID()
        const [nonce, challenge, redirect_uri] = [asks('nonce'), asks('code_challenge'), asks('redirect_uri')]
        if (asks('code_challenge_method') !== 'S256' || asks('client_id') !== clientId) return json(400, {})
        codes.set(code, { nonce, challenge, redirect_uri })
        const back = { code, state: asks('state'), iss: url, ...behaviour.back }
        const target = new URL(redirect_uri)
        for (const [name, value] of Object.entries(back)) if (value !== undefined) target.searchParams.set(name, value)
        return void response.writeHead(302, { location: target.href }).end()
      }
      case '/token': {
        let text = ''
        for await (const chunk of request) text += String(chunk)
        const form = new URLSearchParams(text)
        const basic = [clientId, clientSecret]
          .map(part => new URLSearchParams({ '': part }).toString().slice(1))
          .join(':')
        const isClient = request.headers.authorization === `Basic ${Buffer.from(basic).toString('base64')}`
        const known = codes.get(form.get('code') ?? '')
        codes.delete(form.get('code') ?? '')
        const challenge = createHash('sha256')
          .update(form.get('code_verifier') ?? '')
          .digest('base64url')
        if (!isClient) return json(401, { error: 'invalid_client' })
        if (known === undefined || known.challenge !== challenge || known.redirect_uri !== form.get('redirect_uri'))
          return json(400, { error: 'invalid_grant' })
        return json(200, { access_token: 'Bent-access-token', token_type: 'bearer', id_token: idTokenOf(known.nonce) })
      }
      case '/userinfo':
        return json(200, { sub: behaviour.claims?.['sub'], ...behaviour.userinfo })
      default:
        return json(404, {})
    }
  }

  return { url, clientId, clientSecret, asked, behave: next => void (behaviour = next) }
}
