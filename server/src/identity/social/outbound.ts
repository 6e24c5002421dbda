import { customFetch, ClientError } from 'openid-client'
import type { CustomFetch } from 'openid-client'
import { isLoopback } from '../../config/kinds.ts'

/** No answer of a provider is anywhere near as long. Bytes, unpacked. */
const MAX_ANSWER_BYTES = 256 * 1024

/** An answer that takes longer is not waited for. Seconds. */
const TIMEOUT_SECONDS = 5

/** Whether what is secret may travel there: by https, or within this machine. */
export const isSafe = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))

/** The only way out to a provider: the library asks for no redirects and a time limit, this adds a limit of size. */
const fetchBounded: CustomFetch = async (address, options) => {
  const url = new URL(address)
  if (!isSafe(url)) throw new ClientError(`${url.origin} is not https`)
  const response = await fetch(url, options as RequestInit)
  const hasBody = response.body !== null && ![204, 205, 304].includes(response.status)
  return new Response(hasBody ? await readBounded(response) : null, response)
}

async function readBounded(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength
    // Leaving the loop closes the connection.
    if (length > MAX_ANSWER_BYTES) throw new ClientError('the answer is too long')
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

export const outbound = { [customFetch]: fetchBounded, timeout: TIMEOUT_SECONDS }
