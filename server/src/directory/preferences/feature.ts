import { sql } from 'kysely'
import { feature } from '../../platform/feature.ts'
import { forgetPreferences } from './preferences.ts'
import { preferenceRoutes } from './routes.ts'

/** Preferences: how a user wants clients to look and work, in every organization. */
export const preferences = feature({
  name: 'preferences',
  uses: ['users'],
  sql: [new URL('preferences.sql', import.meta.url)],
  erasure: ({ id }) => [forgetPreferences(id)],
  export: [
    {
      name: 'preferences',
      description: 'How clients look and work.',
      columns: sql`theme, language, time_zone, date_format, time_format, editor_font_size, editor_tab_size,
        editor_word_wrap, terminal_font_size, custom, created_at, updated_at`,
      from: sql`preferences where user_id = (select user_id from self)`,
      key: sql`user_id`,
    },
  ],
  routes: [preferenceRoutes],
})
