import * as client from 'openid-client'
import type { Config } from '../../config/config.ts'
import type { OidcProvider, SocialConfig } from '../../config/social.ts'
import { Problem } from '../../platform/problems.ts'
import { createGithub } from './github.ts'
import { isSafe } from '../../platform/outbound/outbound.ts'
import { outboundTo } from './outbound.ts'
import { readProfile } from './profile.ts'
import type { Profile } from './profile.ts'

/** What one flow carries, unguessable and its own. */
export interface FlowSecrets {
  state: string
  nonce: string
  /** Of PKCE (RFC 7636). */
  verifier: string
}

/** A service where users have accounts. Its tokens are read once, here, and neither kept nor handed on. */
export interface Provider {
  /** As the configuration, the paths and the sessions call it. */
  name: string
  /** Where the browser is sent. @throws Problem provider-failed */
  authorizationUrl(flow: FlowSecrets): Promise<string>
  /** Who came back, from the query of the callback. @throws Problem provider-refused, provider-failed, invalid-token */
  receive(query: string, flow: FlowSecrets): Promise<Profile>
}

/** Every configured provider, by name. Nothing is asked of any before a sign-in begins. */
export function createProviders(
  { oidc, github }: SocialConfig,
  { publicUrl, outboundNetworks }: Pick<Config, 'publicUrl' | 'outboundNetworks'>,
): ReadonlyMap<string, Provider> {
  const callbackOf = (name: string) => `${publicUrl}/oauth/${name}/callback`
  const providers = [
    ...oidc.map(one => createOidcProvider(one, callbackOf(one.name), outboundNetworks)),
    ...(github ? [createGithub(github, callbackOf('github'))] : []),
  ]
  return new Map(providers.map(provider => [provider.name, reportFailures(provider)]))
}

/** How long what a provider says of itself is believed. Its keys are read anew every five minutes. Milliseconds. */
const METADATA_LIFE = 3600_000

function createOidcProvider(
  { name, issuer, clientId, clientSecret }: OidcProvider,
  callback: string,
  networks: readonly string[],
): Provider {
  const server = new URL(issuer)
  const discover = remember(METADATA_LIFE, async () => {
    const found = await client.discovery(server, clientId, clientSecret, authentication(clientSecret), {
      ...outboundTo([issuer], networks),
      // Loopback only: what fetches, and the line below, refuse any other address that is not https.
      execute: [
        client.enableNonRepudiationChecks,
        ...(server.protocol === 'http:' ? [client.allowInsecureRequests] : []),
      ],
    })
    const { issuer: said, authorization_endpoint } = found.serverMetadata()
    // The library makes exceptions for some.
    if (new URL(said).href !== server.href) throw new client.ClientError(`the provider calls itself ${said}`)
    if (authorization_endpoint === undefined || !isSafe(new URL(authorization_endpoint)))
      throw new client.ClientError('the provider has no safe authorization endpoint')
    return found
  })
  return {
    name,
    authorizationUrl: async ({ state, nonce, verifier }) =>
      client.buildAuthorizationUrl(await discover(), {
        redirect_uri: callback,
        scope: 'openid email profile',
        state,
        nonce,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }).href,
    receive: async (query, { state, nonce, verifier }) => {
      const configuration = await discover()
      const tokens = await client.authorizationCodeGrant(configuration, new URL(`${callback}?${query}`), {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      })
      const claims = tokens.claims()
      if (claims === undefined) throw new client.ClientError('there is no ID token')
      // Many providers say more only to those who ask again.
      const asksAgain = claims['email'] === undefined && configuration.serverMetadata().userinfo_endpoint !== undefined
      const more = asksAgain ? await client.fetchUserInfo(configuration, tokens.access_token, claims.sub) : {}
      return readProfile({ ...more, ...claims, issuer: claims.iss, subject: claims.sub })
    },
  }
}

/** By the body where the provider takes that, else as every provider must (OpenID Connect Core, section 9). */
function authentication(secret: string): client.ClientAuth {
  const [byBody, byHeader] = [client.ClientSecretPost(secret), client.ClientSecretBasic(secret)]
  return (server, ...rest) =>
    (server.token_endpoint_auth_methods_supported?.includes('client_secret_post') ? byBody : byHeader)(server, ...rest)
}

/** What was made not longer ago than that; those who ask at once share it, and a failure is forgotten. */
function remember<Made>(milliseconds: number, make: () => Promise<Made>): () => Promise<Made> {
  let kept: { made: Promise<Made>; until: number } | undefined
  return () => {
    if (kept === undefined || Date.now() > kept.until) {
      const made = make()
      kept = { made, until: Date.now() + milliseconds }
      made.catch(() => void (kept = undefined))
    }
    return kept.made
  }
}

/** Whatever goes wrong with a provider becomes a problem; the reason is for the log alone. */
const reportFailures = (provider: Provider): Provider => ({
  name: provider.name,
  authorizationUrl: flow => provider.authorizationUrl(flow).catch((error: unknown) => fail(provider.name, error)),
  receive: (query, flow) => provider.receive(query, flow).catch((error: unknown) => fail(provider.name, error)),
})

/** Errors that say that the user, or the provider's operator, did not want to. */
const refusals = [
  'access_denied',
  'login_required',
  'consent_required',
  'interaction_required',
  'account_selection_required',
]

function fail(name: string, error: unknown): never {
  const cause = new Error(`${name}: ${reasonOf(error)}`)
  if (error instanceof client.AuthorizationResponseError && refusals.includes(error.error))
    throw new Problem('provider-refused', { cause })
  if (error instanceof client.ResponseBodyError && error.error === 'invalid_grant')
    throw new Problem('invalid-token', { cause })
  throw new Problem('provider-failed', { cause })
}

/** In words of the library, which quote no token. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it failed'
  const said = error instanceof client.ResponseBodyError || error instanceof client.AuthorizationResponseError
  const own = said ? `${error.message} (${error.error.replaceAll(/[^\w.-]/g, '?').slice(0, 50)})` : error.message
  return error.cause instanceof Error ? `${own}: ${reasonOf(error.cause)}` : own
}
