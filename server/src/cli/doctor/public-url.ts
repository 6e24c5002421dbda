/** How long the answer may take. Milliseconds. */
const ANSWER_MS = 3000

export type PublicAnswer =
  | { reason: string }
  | {
      /** By how much the clock of this machine is ahead. */
      skewSeconds: number
      hsts: boolean
      /** Whether the answer looks like one of this service. */
      isService: boolean
    }

/** Asks `/health` under the public URL, through the proxy, as clients do. */
export async function askPublicUrl(publicUrl: string): Promise<PublicAnswer> {
  try {
    const begun = Date.now()
    const answer = await fetch(`${publicUrl}/health`, { redirect: 'manual', signal: AbortSignal.timeout(ANSWER_MS) })
    const middle = (begun + Date.now()) / 2
    const body = (await answer.json().catch(() => ({}))) as { status?: unknown; database?: unknown }
    const date = Date.parse(answer.headers.get('date') ?? '')
    return {
      // The field has whole seconds, on average half a second ago.
      skewSeconds: Number.isNaN(date) ? 0 : Math.round((middle - date - 500) / 1000),
      hsts: answer.headers.has('strict-transport-security'),
      isService: typeof body.status === 'string' && answer.headers.has('x-request-id'),
    }
  } catch (error) {
    const { cause, message } = error as Error & { cause?: Error & { code?: string } }
    return { reason: cause?.code ?? cause?.message ?? message }
  }
}
