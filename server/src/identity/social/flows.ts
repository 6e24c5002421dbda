import { Type } from 'typebox'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import { signId } from '../../platform/crypto/sealing.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { Problem } from '../../platform/problems.ts'
import { Id, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  endToken,
  issueToken,
  presentedToken,
  recallToken,
  sealToken,
  startToken,
  tokenKind,
} from '../../platform/tokens/one-time-tokens.ts'
import type { Proof } from '../proofs/messages.ts'
import { changeWithProof } from '../proofs/proof.ts'
import type { ProofServices } from '../proofs/proof.ts'
import { digest } from '../accounts/browser-cookie.ts'
import type { FlowSecrets, Provider } from './providers.ts'

/** A flow to a provider and back; the sealed token is the `state`. */
export const socialToken = tokenKind({
  purpose: 'social',
  seconds: 600,
  details: Strict({
    provider: Type.String(),
    /** Digest of the browser's secret. */
    browser: Type.String(),
    redirect_to: Type.Optional(Type.String()),
    code_challenge: Type.Optional(Type.String()),
    session_id: Type.Optional(Id),
  }),
})

/** The target of a flow, and who began it. */
export interface FlowPlan {
  /** Where the browser is redirected at the end; without it the callback responds itself. */
  redirect_to?: string | undefined
  /** What the final code is bound to in addition to the browser: SHA-256 of a secret of the client, base64url. */
  code_challenge?: string | undefined
}

interface Flow extends FlowPlan {
  secrets: FlowSecrets
  /** The session whose account gets the provider; without one the flow signs in. */
  link?: SessionRef | undefined
}

/** The session whose account gets the provider, and the user's proof; the provider's sign-in is not such a proof. */
export interface Link {
  session: SessionRef
  proof: Proof | undefined
}

/** Derived from the flow's id, so that its row holds no secret. */
const secretsOf = (key: Buffer, id: string): FlowSecrets => ({
  state: sealToken(key, socialToken, id),
  nonce: signId(key, 'social nonce', id),
  verifier: signId(key, 'social verifier', id),
})

/**
 * Begins a flow for this browser. @returns the URL to redirect it to @throws Problem provider-failed, and what
 * changeWithProof throws
 */
export async function beginFlow(
  visitor: SystemRunner,
  services: ProofServices & Pick<Services, 'keys'>,
  provider: Provider,
  browser: string,
  { redirect_to, code_challenge }: FlowPlan,
  link?: Link,
): Promise<string> {
  const { keys } = services
  const details = {
    provider: provider.name,
    browser: digest(browser),
    ...(redirect_to !== undefined && { redirect_to }),
    ...(code_challenge !== undefined && { code_challenge }),
    ...(link !== undefined && { session_id: link.session.session_id }),
  }
  const token = { user_id: link?.session.user_id, details }
  const id =
    link === undefined
      ? await startToken(visitor, socialToken, token)
      : await changeWithProof(visitor, services, link.session, link.proof, transaction =>
          transaction.run(issueToken(socialToken, token)),
        )
  return provider.authorizationUrl(secretsOf(keys.oneTime, id))
}

/** A flow that can be ended, and how to do so: once. */
export interface FoundFlow extends Flow {
  /** Spends the flow. @throws Problem invalid-token when it was ended meanwhile */
  end: () => Promise<unknown>
}

/**
 * The flow that a callback ends: it must have begun with this provider (its code never goes to another) and in this
 * browser. @throws Problem invalid-token, browser-unknown; the flow stays as it is
 */
export async function findFlow(
  visitor: SystemRunner,
  { keys }: Pick<Services, 'keys'>,
  provider: Provider,
  state: string | undefined,
  browser: string | undefined,
): Promise<FoundFlow> {
  const { id, user_id, details } = await presentedToken(visitor, keys.oneTime, socialToken, state ?? '')
  if (details.provider !== provider.name) throw new Problem('invalid-token')
  if (browser === undefined || digest(browser) !== details.browser) throw new Problem('browser-unknown')
  const { redirect_to, code_challenge, session_id } = details
  const link = user_id === null || session_id === undefined ? undefined : { user_id, session_id }
  return {
    redirect_to,
    code_challenge,
    link,
    secrets: secretsOf(keys.oneTime, id),
    end: () => endToken(visitor, socialToken, id),
  }
}

/**
 * How a flow was to go on that cannot be ended any more, because it has expired or was ended before: the browser still
 * belongs where it came from. Undefined if we began no such flow with this provider, or it was too long ago.
 */
export async function recallFlow(
  visitor: SystemRunner,
  { keys }: Pick<Services, 'keys'>,
  provider: Provider,
  state: string | undefined,
): Promise<(FlowPlan & { isLink: boolean }) | undefined> {
  const former = await recallToken(visitor, keys.oneTime, socialToken, state ?? '')
  if (former === undefined || former.provider !== provider.name) return undefined
  const { redirect_to, code_challenge, session_id } = former
  return { redirect_to, code_challenge, isLink: session_id !== undefined }
}

/**
 * Whether a sign-in may redirect there: the address must begin with exactly this origin, so without a username or
 * password, and continue as a path does.
 */
export function isAllowedRedirect(address: string, origins: readonly string[]): boolean {
  const url = URL.parse(address)
  if (url === null || /[\\\s\p{Cc}]/u.test(address)) return false
  const rest = address.slice(url.origin.length)
  return origins.includes(url.origin) && address.startsWith(url.origin) && /^(?:$|[/?#])/.test(rest)
}

/** The address with one more parameter, for the page there. */
export function addParameter(address: string, name: string, value: string): string {
  const url = new URL(address)
  for (const known of ['code', 'error', 'linked']) url.searchParams.delete(known)
  url.searchParams.set(name, value)
  return url.href
}
