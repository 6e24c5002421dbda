/** How many characters of a text are looked at. */
const LOOKED_AT = 4000

/**
 * The message of an error, for the log, Sentry and operators: redacted, and in PostgreSQL's classes 22 and 23, whose
 * messages quote values, only that a value was refused.
 */
export function messageOf(error: Error): string {
  const { code, severity, message } = error as Error & { code?: string; severity?: string }
  return severity !== undefined && /^2[23]/.test(code ?? '') ? 'a value was refused' : redact(message)
}

/**
 * The text without what looks like an address, a token, a password's hash or another secret: for messages of errors, which may quote what
 * they are about. Everything else stays, such as ids, names of tables and of migrations. Each pattern reads a word once,
 * because a client may be able to choose the text.
 */
export const redact = (text: string): string =>
  text
    .slice(0, LOOKED_AT)
    .replaceAll(/\b(Bearer|Basic) +[^\s,"']+/gi, '$1 (removed)')
    .replaceAll(/\beyJ[\w-]+(?:\.[\w-]+)*/g, '(token)')
    .replaceAll(/\$[a-z0-9-]+\$[^\s"']+/gi, '(hash)')
    .replaceAll(/(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, '$1(removed)@')
    .replaceAll(/(?<![^\s<>"'(/:])(?!removed\)@)[^\s<>"'(/:]+@[^\s<>"')]+/g, '(address)')
    .replaceAll(/\?[^\s"')]+/g, '?(removed)')
    .replaceAll(/[\w-]{24,}/g, word => (/\d/.test(word) && !ID.test(word) && !NAME.test(word) ? '(removed)' : word))

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Words and numbers in a row, such as `0004_proof_consent_and_quotas`. */
const NAME = /^(\d{1,14}|[a-z]+|[A-Z]+)([_-]+(\d{1,14}|[a-z]+|[A-Z]+))*$/
