import { customFetch } from 'openid-client'
import type { CustomFetch } from 'openid-client'
import { networkTest } from '../../platform/addresses.ts'
import { send } from '../../platform/outbound/outbound.ts'

/** How long an answer of a provider is waited for. Seconds. */
const TIMEOUT_SECONDS = 5

/**
 * The library's way out to a provider. The origins that the configuration names are the operator's; others stand in what the
 * provider says of itself, and lead to public addresses, or to networks that the operator allows.
 */
export function outboundTo(addresses: readonly string[], networks: readonly string[]) {
  const origins = new Set(addresses.map(address => new URL(address).origin))
  const isAllowed = networkTest(networks)
  const fetchBounded: CustomFetch = async (address, { method, headers, body, signal }) => {
    // The library writes forms, among others.
    const content =
      body === undefined || body === null ? undefined : new Response(body as ConstructorParameters<typeof Response>[0])
    const fields = new Headers(headers)
    const type = content?.headers.get('content-type')
    if (type && !fields.has('content-type')) fields.set('content-type', type)
    return send(address, {
      method,
      headers: fields,
      body: content && new Uint8Array(await content.arrayBuffer()),
      signal: signal as AbortSignal | undefined,
      timeoutMs: TIMEOUT_SECONDS * 1000,
      to: origins.has(new URL(address).origin) ? 'operator' : { isAllowed },
    })
  }
  return { [customFetch]: fetchBounded, timeout: TIMEOUT_SECONDS }
}
