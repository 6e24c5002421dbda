import type { Origin } from '../database/database.ts'
import { find, query } from '../database/statement.ts'
import type { MailName } from './mails.ts'

/** Under what the mail's statements run: the system login, for nobody. */
export const scope: { origin: Origin } = { origin: { request_id: 'mail', ip: '', user_agent: '' } }

/** A mail before it is written: which one, to whom, with what of its own. */
export interface Draft {
  name: MailName
  to: string
  person?: Person | undefined
  /** What whoever asked for it reads; the person's own choice comes before. */
  locale?: string | undefined
  values: Readonly<Record<string, string | boolean | Date | null | undefined>>
}

const people = query
  .selectFrom('users')
  .select([
    'id',
    'email',
    'email_verified',
    'given_name',
    'full_name',
    'locale',
    'disabled_at',
    'deleted_at',
    'erased_at',
  ])

export const findPersonById = (id: string) => find(people.where('id', '=', id))
export const findPersonByEmail = (email: string) => find(people.where('email', '=', email))

export interface Person {
  id: string
  email: string
  email_verified: boolean
  given_name: string | null
  full_name: string | null
  locale: string | null
  disabled_at: string | null
  deleted_at: string | null
  erased_at: string | null
}

export const isLive = (person: Person | undefined): person is Person =>
  person !== undefined && person.disabled_at === null && person.deleted_at === null

/**
 * What people call themselves or their organizations, fit to stand in a mail to somebody else: not long, and with an
 * invisible joiner where mail programs would see an address in it and make a link that we seem to recommend.
 */
export const asName = (text: string): string =>
  text
    .slice(0, 80)
    .toWellFormed()
    .replaceAll(/[.:/@](?=\S)/g, '$&\u2060')
