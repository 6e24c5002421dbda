/** What texts may hold, as patterns that stand in the document as the server checks them; they mean the same with and without the flag `u`. */

/** C0, DEL, C1 with NEL; line and paragraph separators; what overrides or embeds the direction of the text around it. */
const UNPRINTABLE = '\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069'

/** Spaces, joiners, marks, fillers and selectors: welcome among others, and nothing to see alone. */
const INVISIBLE =
  ' \\u00a0\\u00ad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5\\u180b-\\u180f\\u2000-\\u200f\\u202f\\u205f-\\u206f\\u2800\\u3000\\u3164' +
  '\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb'

/** One line, such as a name: it neither ends the line where it is shown nor turns it around, and there is something to see. */
export const LINE = `^(?=.*[^${UNPRINTABLE}${INVISIBLE}])[^${UNPRINTABLE}]*$`

/** Several lines: no control characters but tabs and line ends. */
export const LINES = '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$'

/** Whatever PostgreSQL stores. Texts without a pattern of their own have this one. */
export const STORABLE = '^[^\\u0000]*$'

const line = new RegExp(LINE, 'u')
const unprintable = new RegExp(`[${UNPRINTABLE}]+`, 'gu')
/** Beyond the first plane, where no pattern of a document reaches, there are characters without a look as well. */
const visible = new RegExp(`[^${INVISIBLE}\\p{Default_Ignorable_Code_Point}\\p{White_Space}\\p{Cc}]`, 'u')

/** The format `line`: one line in which there is something to see. */
export const isLine = (text: string): boolean => visible.test(text) && line.test(text)

/** Text from elsewhere as one line; undefined where there is nothing to see. */
export function readLine(text: string): string | undefined {
  const found = text.toWellFormed().replaceAll(unprintable, ' ').trim()
  return isLine(found) ? found : undefined
}
