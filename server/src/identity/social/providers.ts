import * as client from 'openid-client'
import type { Config } from '../../config/config.ts'
import type { OidcProvider, SocialConfig } from '../../config/social.ts'
import { Problem } from '../../platform/problems.ts'
import { createGithub } from './github.ts'
import { isSafe } from '../../platform/outbound/outbound.ts'
import { outboundTo } from './outbound.ts'
import { isStated, mergeClaims, readProfile } from './profile.ts'
import type { Profile } from './profile.ts'

/** The random secrets of one flow. */
export interface FlowSecrets {
  state: string
  nonce: string
  /** The code verifier of PKCE (RFC 7636). */
  verifier: string
}

/** A service where users have accounts. Its tokens are read once, here, and neither stored nor passed on. */
export interface Provider {
  /** Its name in the configuration, in paths and in sessions. */
  name: string
  /** The URL to redirect the browser to. @throws Problem provider-failed */
  authorizationUrl(flow: FlowSecrets): Promise<string>
  /**
   * The user who returned, from the query of the callback. @throws Problem provider-refused, provider-failed,
   * invalid-token
   */
  receive(query: string, flow: FlowSecrets): Promise<Profile>
}

/** Every configured provider, by name. No provider is contacted before a sign-in begins. */
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

/** How long the metadata of a provider is cached, in milliseconds. Its keys are fetched again every five minutes. */
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
      // For loopback only: the fetch function and the line below refuse any other address without https.
      execute: [
        client.enableNonRepudiationChecks,
        ...(server.protocol === 'http:' ? [client.allowInsecureRequests] : []),
      ],
    })
    const { issuer: said, authorization_endpoint } = found.serverMetadata()
    // The library skips this check for some providers.
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
      // Many providers state the address, or whether it is verified, only at the userinfo endpoint.
      const isWhole = isStated(claims['email']) && isStated(claims['email_verified'])
      const asksAgain = !isWhole && configuration.serverMetadata().userinfo_endpoint !== undefined
      const ask = (): Promise<Record<string, unknown>> =>
        client.fetchUserInfo(configuration, tokens.access_token, claims.sub)
      // An endpoint that fails ends the sign-in only if the ID token has no address.
      const answer = asksAgain && (isStated(claims['email']) ? ask().catch(() => ({})) : ask())
      const more = answer === false ? {} : await answer
      return readProfile({ ...mergeClaims(claims, more), issuer: claims.iss, subject: claims.sub })
    },
  }
}

/**
 * In the body if the provider supports it, else by the method that every provider supports (OpenID Connect Core,
 * section 9).
 */
function authentication(secret: string): client.ClientAuth {
  const [byBody, byHeader] = [client.ClientSecretPost(secret), client.ClientSecretBasic(secret)]
  return (server, ...rest) =>
    (server.token_endpoint_auth_methods_supported?.includes('client_secret_post') ? byBody : byHeader)(server, ...rest)
}

/** Caches the result of `make` for this time. Concurrent callers share it; a failure is not cached. */
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

/** Turns every failure of a provider into a problem; the reason goes only to the log. */
const reportFailures = (provider: Provider): Provider => ({
  name: provider.name,
  authorizationUrl: flow => provider.authorizationUrl(flow).catch((error: unknown) => fail(provider.name, error)),
  receive: (query, flow) => provider.receive(query, flow).catch((error: unknown) => fail(provider.name, error)),
})

/** Error codes that mean a refusal by the user or the provider's operator. */
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

/** The reason in the words of the library, which contain no token. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it failed'
  const said = error instanceof client.ResponseBodyError || error instanceof client.AuthorizationResponseError
  const own = said ? `${error.message} (${error.error.replaceAll(/[^\w.-]/g, '?').slice(0, 50)})` : error.message
  return error.cause instanceof Error ? `${own}: ${reasonOf(error.cause)}` : own
}
