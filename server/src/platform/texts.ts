/** The patterns of texts, for the server and the OpenAPI document; they mean the same with and without the flag `u`. */

/** C0, DEL, C1 with NEL; line and paragraph separators; characters that override or embed the direction of text. */
const UNPRINTABLE = '\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069'

/** Spaces, joiners, marks, fillers and selectors: allowed among other characters, but invisible alone. */
const INVISIBLE =
  ' \\u00a0\\u00ad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5\\u180b-\\u180f\\u2000-\\u200f\\u202f\\u205f-\\u206f\\u2800\\u3000\\u3164' +
  '\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb'

/** One line, such as a name, with a visible character; it cannot break a line or change the direction of text. */
export const LINE = `^(?=.*[^${UNPRINTABLE}${INVISIBLE}])[^${UNPRINTABLE}]*$`

/** A path in one line, without the segment `..`, which could lead out of a directory. */
export const PATH = `^(?!(?:.*/)?\\.\\.(?:/|$))(?=.*[^${UNPRINTABLE}${INVISIBLE}])[^${UNPRINTABLE}]*$`

/** Several lines: no control characters except tabs and line ends. */
export const LINES = '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$'

/** Any text that PostgreSQL can store. The default pattern of texts. */
export const STORABLE = '^[^\\u0000]*$'

const line = new RegExp(LINE, 'u')
const unprintable = new RegExp(`[${UNPRINTABLE}]+`, 'gu')
/** Also covers invisible characters outside the Basic Multilingual Plane, which a document's patterns cannot match. */
const visible = new RegExp(`[^${INVISIBLE}\\p{Default_Ignorable_Code_Point}\\p{White_Space}\\p{Cc}]`, 'u')

/** The format `line`: one line with a visible character. */
export const isLine = (text: string): boolean => visible.test(text) && line.test(text)

/** Text from another source as one line; undefined if it has no visible character. */
export function readLine(text: string): string | undefined {
  const found = text.toWellFormed().replaceAll(unprintable, ' ').trim()
  return isLine(found) ? found : undefined
}

const rightToLeft =
  /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u

/** A name within a sentence: if it is written from right to left, it does not reorder what stands beside it (UAX 9, 2.7). */
export const isolated = (name: string): string => (rightToLeft.test(name) ? `\u2068${name}\u2069` : name)
