import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import { execute, get, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import { invalidField } from '../../platform/problems.ts'
import { Nullable, OneOf, Strict, timestamps } from '../../platform/schemas.ts'

const query = tables('tenant', 'preferences')
const system = tables('system', 'preferences')

const Language = Type.String({
  maxLength: 35,
  pattern: '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$',
  description:
    'The language of the user interface (BCP 47); null: as the client. The language of emails is `locale` of the user.',
  examples: ['en-GB'],
})
const TimeZone = Type.String({
  maxLength: 64,
  pattern: '^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$',
  description: 'A name of the IANA time zone database; null: as the client.',
  examples: ['Europe/Berlin'],
})
const FontSize = Type.Integer({ minimum: 6, maximum: 72, description: 'Pixels.', examples: [14] })

/** How many values of its own a client can store in one request, and how long each can be. */
const CUSTOM = {
  type: 'object',
  maxProperties: 50,
  propertyNames: { type: 'string', maxLength: 64, pattern: '^[A-Za-z0-9_.-]+$' },
  examples: [{ sidebar: 'left', zoom: 1.25 }],
}
type Scalar = string | number | boolean
const Custom = Type.Unsafe<Record<string, Scalar>>({
  ...CUSTOM,
  maxProperties: 10_000,
  additionalProperties: { type: ['string', 'number', 'boolean'], maxLength: 500 },
  description: 'What clients store beyond these fields: names with texts, numbers, true or false; 16 KiB in total.',
})
const CustomChanges = Type.Unsafe<Record<string, Scalar | null>>({
  ...CUSTOM,
  additionalProperties: { type: ['string', 'number', 'boolean', 'null'], maxLength: 500 },
  description: 'PATCH keeps the names that are not sent, PUT removes them. Null removes a name.',
})

const fields = {
  theme: OneOf(['system', 'light', 'dark']),
  language: Nullable(Language),
  time_zone: Nullable(TimeZone),
  date_format: OneOf(['auto', 'iso', 'dmy', 'mdy'], { description: '`auto`: as the language.' }),
  time_format: OneOf(['auto', '12h', '24h'], { description: '`auto`: as the language.' }),
  editor_font_size: FontSize,
  editor_tab_size: Type.Integer({ minimum: 1, maximum: 8, description: 'Columns.', examples: [4] }),
  editor_word_wrap: Type.Boolean(),
  terminal_font_size: FontSize,
}

export const Preferences = Type.Object({ ...fields, custom: Custom, ...timestamps }, { title: 'Preferences' })
export type Preferences = Static<typeof Preferences>

const changes = { ...Type.Partial(Type.Object(fields)).properties, custom: Type.Optional(CustomChanges) }
export const PreferencesChanges = Strict(changes, { title: 'PreferencesChanges', minProperties: 1 })
export type PreferencesChanges = Static<typeof PreferencesChanges>
export const PreferencesReplacement = Strict(changes, {
  title: 'PreferencesReplacement',
  description: 'Omitted fields are reset.',
})

/** The values of a new account, and of fields that PUT omits. */
const defaults = {
  theme: 'system',
  language: null,
  time_zone: null,
  date_format: 'auto',
  time_format: 'auto',
  editor_font_size: 14,
  editor_tab_size: 4,
  editor_word_wrap: false,
  terminal_font_size: 14,
  custom: {},
} as const satisfies PreferencesChanges

const columns = [
  'theme',
  'language',
  'time_zone',
  'date_format',
  'time_format',
  'editor_font_size',
  'editor_tab_size',
  'editor_word_wrap',
  'terminal_font_size',
  'custom',
  'created_at',
  'updated_at',
  'version',
] as const

/** The current user's preferences. */
export const getPreferences = (user_id: string) =>
  get(
    query
      .selectFrom('preferences')
      .select(columns)
      .$narrowType<Pick<Preferences, 'custom'>>()
      .where('user_id', '=', user_id),
  )

/**
 * Changes the current user's preferences. The names in `custom` are merged, and null removes one.
 * @throws Problem entity-tag-stale; invalid-fields if the time zone does not exist or `custom` becomes too large
 */
export const updatePreferences = (user_id: string, changes: PreferencesChanges, condition: Condition) =>
  write(user_id, changes, condition, sql`target.custom`)

/** Replaces them: fields that are not given are reset. @throws Problem as updatePreferences */
export const replacePreferences = (user_id: string, given: PreferencesChanges, condition: Condition) =>
  write(user_id, { ...defaults, ...given }, condition, sql`'{}'::jsonb`)

function write(
  user_id: string,
  { custom, ...changes }: PreferencesChanges,
  condition: Condition,
  former: RawBuilder<unknown>,
): Statement<'tenant', Preferences & { version: number }> {
  if (typeof changes.time_zone === 'string' && !isTimeZone(changes.time_zone))
    throw invalidField('/time_zone', 'must be a name of the IANA time zone database, such as Europe/Berlin')
  const merged = custom && { custom: sql`jsonb_strip_nulls(${former} || ${JSON.stringify(custom)}::jsonb)` }
  const stored = updateRow(
    { query, table: 'preferences', key: { user_id }, columns, condition },
    { ...changes, ...merged },
    { preferences_custom_size: { pointer: '/custom', detail: 'must not exceed 16 KiB in total' } },
  )
  // PostgreSQL knows `custom` only as JSON; CustomChanges has decided what is in it.
  return stored as unknown as Statement<'tenant', Preferences & { version: number }>
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/** Deletes the preferences of an erased account. */
export const forgetPreferences = (user_id: string) =>
  execute(system.deleteFrom('preferences').where('user_id', '=', user_id))
