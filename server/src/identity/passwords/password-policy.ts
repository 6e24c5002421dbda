import { Type } from 'typebox'
import { Problem } from '../../platform/problems.ts'
import type { FieldError } from '../../platform/problems.ts'

/** The requirements for a new password. */
export interface PasswordPolicy {
  /**
   * `composition` requires kinds of characters, which many products still need; `length` is OWASP ASVS 5's rule (6.2.1,
   * 6.2.5).
   */
  rule: 'composition' | 'length'
  /** The names of the product, which no password may contain (6.1.2). */
  words: readonly string[]
}

/** The maximum length of a password; it is hashed as received, never truncated. */
const PASSWORD_MAX_LENGTH = 128

export const NewPassword = Type.String({
  minLength: 1,
  maxLength: PASSWORD_MAX_LENGTH,
  format: 'password',
  examples: ['SecureP@ss123'],
})

/** A password to verify. It may be longer than a valid one; it is then simply wrong. */
export const Password = Type.String({ minLength: 1, maxLength: 1024, format: 'password' })

/**
 * A password as it is hashed and compared: keyboards write one character in several ways (RFC 8265, section 4.2, the
 * profile OpaqueString: spaces of all kinds are one, then NFC).
 */
export const preparePassword = (typed: string): string => typed.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC')

let common: Promise<ReadonlySet<string>> | undefined

/** About 49,000 common passwords, in lower case. Loaded when the first new password is checked. */
const commonPasswords = (): Promise<ReadonlySet<string>> =>
  (common ??= import('@zxcvbn-ts/language-common').then(
    ({ dictionary }) => new Set(dictionary['passwords-common'] as readonly string[]),
  ))

/** What every new password must have: each requirement as its refusal says it, and its check. */
const requirements: Record<
  PasswordPolicy['rule'],
  readonly (readonly [detail: string, (password: string) => boolean])[]
> = {
  length: [['must have at least 15 characters', password => lengthOf(password) >= 15]],
  composition: [
    ['must have at least 8 characters', password => lengthOf(password) >= 8],
    // A letter of a script without case is both.
    ['must have an upper-case letter', password => /[\p{Lu}\p{Lt}\p{Lo}]/u.test(password)],
    ['must have a lower-case letter', password => /[\p{Ll}\p{Lo}]/u.test(password)],
    ['must have a digit', password => /\p{Nd}/u.test(password)],
    // A mark, such as an accent or a vowel sign, belongs to its letter.
    ['must have a special character', password => /[^\p{L}\p{M}\p{Nd}\s]/u.test(password)],
  ],
}

/** In characters, not in UTF-16 units. */
const lengthOf = (password: string): number => Array.from(password).length

/** What every new password must have, as refusals say it, for the person who chooses one. */
export const requirementsOf = ({ rule }: Pick<PasswordPolicy, 'rule'>): readonly string[] =>
  requirements[rule].map(([detail]) => detail)

/**
 * Rejects a password that violates the policy, is common, or contains data of the user.
 * @throws Problem weak-password, with all reasons
 */
export async function checkPassword(
  typed: string,
  policy: PasswordPolicy,
  personal: readonly (string | null | undefined)[],
  pointer = '/password',
): Promise<void> {
  const password = preparePassword(typed)
  const lacks = requirements[policy.rule].flatMap(([detail, isMet]) => (isMet(password) ? [] : [detail]))
  if (lengthOf(password) > PASSWORD_MAX_LENGTH) lacks.push(`must have at most ${PASSWORD_MAX_LENGTH} characters`)
  const lowered = password.toLowerCase()
  const known = await commonPasswords()
  if (known.has(lowered) || known.has(lowered.replace(/[^a-z0-9]+$/, '')))
    lacks.push('is among the most used passwords')
  if (wordsOf([...policy.words, ...personal]).some(word => lowered.includes(word)))
    lacks.push('must not contain your email address, your name, your organization or what this product is called')
  if (lacks.length > 0)
    throw new Problem('weak-password', { errors: lacks.map((detail): FieldError => ({ pointer, detail })) })
}

/** The data of the user: the whole values, and their words of four or more letters. */
function wordsOf(personal: readonly (string | null | undefined)[]): string[] {
  const texts = personal.flatMap(text => (text ? [preparePassword(text).toLowerCase()] : []))
  return texts.flatMap(text => [text, ...text.split(/[^\p{L}\p{Nd}]+/u)]).filter(word => word.length >= 4)
}

/** The policy of this service. */
export const policyOf = ({
  passwordPolicy,
  appName,
}: {
  passwordPolicy: PasswordPolicy['rule']
  appName: string
}): PasswordPolicy => ({ rule: passwordPolicy, words: [appName] })
