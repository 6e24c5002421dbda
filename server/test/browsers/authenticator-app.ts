import { createHmac } from 'node:crypto'
import type { Answer, Person, TestApp } from '../test-app.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The code of a time step (RFC 6238 with SHA-1 and six digits), from the RFCs and not from a library. */
export function codeOf(secret: string, step: number): string {
  const bits = Array.from(secret, letter => ALPHABET.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map(byte => Number.parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', key).update(counter).digest()
  const number = mac.readUInt32BE(mac.readUInt8(19) & 15) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, '0')
}

export const stepNow = (): number => Math.floor(Date.now() / 30_000)

/** An authenticator app that returns each code only once, if necessary the code of a later time step. */
export interface Authenticator {
  secret: string
  otpauth_uri: string
  qr_svg: string
  recovery_codes: string[]
  /** A code that has not been used; the server forgets that it has accepted later ones. */
  next(): Promise<string>
}

/** Enrolls an authenticator app for a user who has just signed in. */
export async function enrolApp(
  { admin }: TestApp,
  person: Person,
  proof: object = { password: person.password },
): Promise<Authenticator> {
  const begun = expect200(await person.call('POST', '/api/v1/auth/mfa/totp')).body
  const confirmed = await person.call('POST', '/api/v1/auth/mfa/totp/confirm', {
    code: codeOf(begun.secret, stepNow()),
    proof,
  })
  const { recovery_codes = [] } = expect200(confirmed).body
  return {
    ...begun,
    recovery_codes,
    next: async () => {
      await admin.query('update totp_factors set last_step = null where user_id = $1', [person.user_id])
      return codeOf(begun.secret, stepNow())
    },
  }
}

function expect200(answer: Answer): Answer {
  if (answer.status !== 200) throw new Error(`expected 200, got ${answer.status}: ${answer.text}`)
  return answer
}
