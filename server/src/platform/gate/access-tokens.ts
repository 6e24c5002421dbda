import { createSigner, createVerifier } from 'fast-jwt'
import { Problem } from '../problems.ts'
import type { RoleName } from './permissions.ts'
import type { SigningKey } from './signing-keys.ts'

/** The claims of an access token (RFC 9068); `user_id` and `tenant_id` repeat `sub` and `organization_id` for older clients. */
export interface AccessClaims {
  sub: string
  jti: string
  sid: string
  /** Unix seconds, like `iat` and `exp`. */
  auth_time: number
  email: string
  /** The operator who acts (RFC 8693, section 4.1), if the subject is the principal of a support access. */
  act?: { sub: string }
  /** The OAuth client that it was issued to; our own sign-in if not set. */
  client_id?: string
  user_id: string
  organization_id?: string
  tenant_id?: string
  role?: RoleName
  /** Those of the organization when it was issued, for clients to read; only if there are any. The gate does not. */
  entitlements?: readonly string[]
}

/** The client that stands for our own sign-in. */
const OWN_CLIENT = 'freehold'

/** How many verified tokens are cached, each until it expires. */
const MAX_VERIFIED = 10_000

/** The longest lifetime of a token; retired keys verify for as long. Seconds. */
export const MAX_TOKEN_SECONDS = 86_400

interface VerifiedClaims extends AccessClaims {
  exp: number
}

export interface AccessTokens {
  /** `seconds`: its lifetime, at most MAX_TOKEN_SECONDS; by default that of the configuration. */
  sign(claims: AccessClaims, seconds?: number): string
  /** @throws Problem not-signed-in, access-token-expired */
  verify(token: string): AccessClaims
  /** Replaces the keys, oldest first. Signs with the newest key that may sign, else the oldest. Clears the cache. */
  useKeys(keys: readonly SigningKey[]): void
}

export interface AccessTokenOptions {
  /** `iss` and `aud`: the service's public URL. */
  issuer: string
  accessTokenSeconds: number
}

/**
 * Access tokens. A token's header must equal, byte for byte, one that we issue. This check alone refuses `none`, other
 * algorithms, unknown key ids, `jku`, `x5u`, embedded keys and other types (RFC 8725, section 3).
 */
export function createAccessTokens({ issuer, accessTokenSeconds }: AccessTokenOptions): AccessTokens {
  let signingKey: SigningKey
  /** By the lifetime of the token. */
  let signers: Map<number, (claims: AccessClaims) => string>
  let verifiers: ReadonlyMap<string, (token: string) => VerifiedClaims>
  // Keyed by the token itself: fast-jwt's own cache computes a digest as its key, which costs more than the rest.
  let verified: Map<string, VerifiedClaims>

  return {
    sign: (claims, seconds = accessTokenSeconds) => {
      let sign = signers.get(seconds)
      if (sign === undefined) signers.set(seconds, (sign = signerOf(signingKey, seconds)))
      return sign({ client_id: OWN_CLIENT, ...claims })
    },
    verify: token => {
      const known = verified.get(token)
      if (known !== undefined && Date.now() < known.exp * 1000) return known
      const verify = verifiers.get(token.slice(0, token.indexOf('.')))
      if (verify === undefined) throw new Problem('not-signed-in')
      try {
        const claims = verify(token)
        const [oldest] = verified.size < MAX_VERIFIED ? [] : verified.keys()
        if (oldest !== undefined) verified.delete(oldest)
        verified.set(token, claims)
        return claims
      } catch (error) {
        const expired = (error as { code?: string }).code === 'FAST_JWT_EXPIRED'
        throw new Problem(expired ? 'access-token-expired' : 'not-signed-in')
      }
    },
    useKeys: keys => {
      const made = keys.map(key => ({ key, sign: signerOf(key, accessTokenSeconds) }))
      const ready = made.findLast(({ key }) => key.signs) ?? made[0]
      if (ready === undefined) throw new Error('there is no key to sign access tokens')
      signingKey = ready.key
      signers = new Map([[accessTokenSeconds, ready.sign]])
      verified = new Map()
      verifiers = new Map(
        made.map(({ key, sign: signer }) => [signer({} as AccessClaims).split('.')[0] as string, verifierOf(key)]),
      )
    },
  }

  function signerOf(key: SigningKey, seconds: number): (claims: AccessClaims) => string {
    return createSigner({
      algorithm: key.algorithm,
      key: key.privateKey,
      kid: key.id,
      header: { alg: key.algorithm, typ: 'at+jwt' },
      iss: issuer,
      aud: issuer,
      expiresIn: seconds * 1000,
    })
  }

  function verifierOf(key: SigningKey): (token: string) => VerifiedClaims {
    return createVerifier({
      algorithms: [key.algorithm],
      key: key.publicKey ?? key.privateKey,
      allowedIss: issuer,
      allowedAud: issuer,
      requiredClaims: ['sub', 'sid', 'exp', 'iat', 'jti', 'auth_time', 'email'],
    })
  }
}
