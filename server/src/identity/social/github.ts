import * as client from 'openid-client'
import type { SocialConfig } from '../../config/social.ts'
import { outboundTo } from './outbound.ts'
import { readProfile } from './profile.ts'
import type { Provider } from './providers.ts'

/**
 * GitHub, which signs no ID token: OAuth 2, and then its API names the owner of the token. The callback names the
 * issuer (RFC 9207), which is checked.
 */
export function createGithub(
  { clientId, clientSecret, url, apiUrl }: NonNullable<SocialConfig['github']>,
  callback: string,
): Provider {
  const issuer = `${url}/login/oauth`
  const outbound = outboundTo([url, apiUrl], [])
  const configuration = new client.Configuration(
    { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/access_token` },
    clientId,
    clientSecret,
    client.ClientSecretPost(clientSecret),
  )
  configuration[client.customFetch] = outbound[client.customFetch]
  configuration.timeout = outbound.timeout
  // For loopback only: the fetch function refuses any other address without https.
  if (url.startsWith('http:') || apiUrl.startsWith('http:')) client.allowInsecureRequests(configuration)

  /** Gets a path of the API; undefined if the token is not authorized for it. */
  async function ask(token: string, path: string): Promise<unknown> {
    const headers = new Headers({ accept: 'application/vnd.github+json' })
    const response = await client.fetchProtectedResource(
      configuration,
      token,
      new URL(apiUrl + path),
      'GET',
      null,
      headers,
    )
    if ([401, 403, 404].includes(response.status)) return undefined
    if (response.status !== 200) throw new client.ClientError(`GET ${path} answered ${response.status}`)
    return response.json()
  }

  return {
    name: 'github',
    authorizationUrl: async ({ state, verifier }) =>
      client.buildAuthorizationUrl(configuration, {
        redirect_uri: callback,
        scope: 'read:user user:email',
        state,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }).href,
    receive: async (query, { state, verifier }) => {
      const { access_token } = await client.authorizationCodeGrant(configuration, new URL(`${callback}?${query}`), {
        expectedState: state,
        pkceCodeVerifier: verifier,
      })
      const [user, emails] = await Promise.all([ask(access_token, '/user'), ask(access_token, '/user/emails')])
      const { id, name } = isObject(user) ? user : {}
      if (!Number.isSafeInteger(id)) throw new client.ClientError('GET /user named no account')
      const primary = Array.isArray(emails)
        ? emails.filter(isObject).find(entry => entry['primary'] === true)
        : undefined
      // The number is permanent; logins and addresses can move to another account.
      const profile = {
        issuer,
        subject: String(id),
        name,
        email: primary?.['email'],
        email_verified: primary?.['verified'],
      }
      return readProfile(profile)
    },
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
