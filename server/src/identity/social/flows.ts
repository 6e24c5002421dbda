import type { Database, Origin } from '../../platform/database/database.ts'
import { findToken, issueToken, openToken, sealToken, spendToken } from '../../platform/tokens/one-time-tokens.ts'
import { Problem } from '../../platform/problems.ts'
import { sealId } from '../../platform/crypto/sealing.ts'
import { digest } from './browser-cookie.ts'
import type { FlowSecrets, Provider } from './providers.ts'

/** Where a flow leads, and who began it. */
export interface FlowPlan {
  /** Where the browser goes in the end; without it the callback answers by itself. */
  redirect_to?: string | undefined
  /** What the code at the end is bound to instead of the browser: SHA-256 of a secret of the client's, base64url. */
  code_challenge?: string | undefined
  /** Whose session adds the provider to the account, instead of signing somebody in. */
  link?: { user_id: string; session_id: string } | undefined
}

export interface Flow extends FlowPlan {
  secrets: FlowSecrets
}

interface Tools {
  database: Database
  /** What one-time tokens are sealed with. */
  key: Buffer
}

/** Derived from the flow's id, so that nothing secret stands in its row. */
const secretsOf = (key: Buffer, id: string): FlowSecrets => ({
  state: sealToken(key, 'social', id),
  nonce: sealId(key, 'social nonce', id),
  verifier: sealId(key, 'social verifier', id),
})

/** Begins a flow for this browser. @returns where it is sent to @throws Problem provider-failed, session-ended */
export async function beginFlow(
  { database, key }: Tools,
  origin: Origin,
  provider: Provider,
  browser: string,
  { link, ...plan }: FlowPlan,
): Promise<string> {
  const details = { ...plan, provider: provider.name, browser: digest(browser), session_id: link?.session_id }
  const flow = issueToken({ purpose: 'social', user_id: link?.user_id, details })
  // Under a session, which must live.
  const scope = link === undefined ? { origin } : { origin, session_id: link.session_id }
  const id = await database.system.transaction(scope, transaction => transaction.run(flow))
  return provider.authorizationUrl(secretsOf(key, id))
}

/**
 * The flow that a callback ends, once: begun with this provider (no code of one ever reaches another) and by this browser.
 * @throws Problem invalid-token, browser-unknown; both leave the flow as it is
 */
export async function endFlow(
  { database, key }: Tools,
  origin: Origin,
  provider: Provider,
  state: string | undefined,
  browser: string | undefined,
): Promise<Flow> {
  const id = openToken(key, 'social', state ?? '')
  const found = await database.system.run({ origin }, findToken('social', id))
  const details = found?.details as Record<string, string | undefined> | undefined
  if (details === undefined || details['provider'] !== provider.name) throw new Problem('invalid-token')
  if (browser === undefined || digest(browser) !== details['browser']) throw new Problem('browser-unknown')
  const { user_id } = await database.system.run({ origin }, spendToken('social', id))
  const { redirect_to, code_challenge, session_id } = details
  const link = user_id === null || session_id === undefined ? undefined : { user_id, session_id }
  return { redirect_to, code_challenge, link, secrets: secretsOf(key, id) }
}

/** Whether a sign-in may lead there: it begins with the origin, letter by letter, so nobody's name or password, and goes on as a path does. */
export function isAllowedRedirect(address: string, origins: readonly string[]): boolean {
  const url = URL.parse(address)
  if (url === null || /[\\\s\p{Cc}]/u.test(address)) return false
  const rest = address.slice(url.origin.length)
  return origins.includes(url.origin) && address.startsWith(url.origin) && /^(?:$|[/?#])/.test(rest)
}

/** The address with one more word for the page there. */
export function addParameter(address: string, name: string, value: string): string {
  const url = new URL(address)
  for (const known of ['code', 'error', 'linked']) url.searchParams.delete(known)
  url.searchParams.set(name, value)
  return url.href
}
