import { sql } from 'kysely'
import type { Database } from '../database/database.ts'
import { find, query } from '../database/statement.ts'
import { describeDevice } from './device.ts'
import { asName, findPersonById, scope } from './drafts.ts'
import type { Draft } from './drafts.ts'
import { isMail } from './mails.ts'

const providers = new Map([
  ['google', 'Google'],
  ['github', 'GitHub'],
])

/**
 * The notice of a security event, to the person whose account it happened to, whatever state the account is in by now.
 * What concerns the address goes to the former one, which the token of the change remembers. Undefined: nobody is there.
 */
export async function draftOfEvent(database: Database, link: string, id: string): Promise<Draft | undefined> {
  const event = await database.system.run(scope, find(events.where('security_events.id', '=', id)))
  if (event === undefined || event.user_id === null || !isMail(event.type)) return undefined
  const person = await database.system.run(scope, findPersonById(event.user_id))
  const isAboutAddress = event.type === 'email-change-requested' || event.type === 'email-changed'
  const to = isAboutAddress ? event.old_email : person?.email
  if (person === undefined || person.erased_at !== null || to == null) return undefined
  const provider = event.details?.['provider']
  return {
    name: event.type,
    to,
    person,
    values: {
      when: new Date(event.created_at),
      ip: event.ip,
      device: describeDevice(event.user_agent),
      link,
      new_email: event.new_email,
      provider: typeof provider === 'string' ? asName(providers.get(provider) ?? provider) : undefined,
    },
  }
}

const events = query
  .selectFrom('security_events')
  .leftJoin('one_time_tokens as change', join =>
    join.on(
      sql<boolean>`change.id = (security_events.details ->> 'token_id')::uuid and change.purpose = 'change-email'`,
    ),
  )
  .select([
    'security_events.user_id',
    'security_events.type',
    'security_events.ip',
    'security_events.user_agent',
    'security_events.details',
    'security_events.created_at',
    'change.email as new_email',
    sql<string | null>`change.details ->> 'old_email'`.as('old_email'),
  ])
