import { customFetch } from 'openid-client'
import type { CustomFetch } from 'openid-client'
import { networkTest } from '../../platform/addresses.ts'
import { send } from '../../platform/outbound/outbound.ts'

/** The timeout of requests to a provider, in seconds. */
const TIMEOUT_SECONDS = 5

/**
 * The fetch function for requests to a provider. Origins from the configuration are trusted; others come from the
 * metadata of the provider, and may lead only to public addresses, or to networks that the operator allows.
 */
export function outboundTo(addresses: readonly string[], networks: readonly string[]) {
  const origins = new Set(addresses.map(address => new URL(address).origin))
  const isAllowed = networkTest(networks)
  const fetchBounded: CustomFetch = async (address, { method, headers, body, signal }) => {
    // The library also sends forms.
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
