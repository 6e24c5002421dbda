import { invalidField } from '../problems.ts'

/** The most words of a search, because its statement looks up each of them. */
const MAX_WORDS = 8

/** The words of a search, of which a row must have each. @throws Problem invalid-fields, at the filter */
export function readWords(filter: string, text: string): string[] {
  const words = text.trim().split(/\s+/u)
  if (words.length > MAX_WORDS) throw invalidField(`?${filter}`, `must have at most ${MAX_WORDS} words`)
  return words
}

/** The pattern of `like` for texts that contain this one. */
export const containing = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`
