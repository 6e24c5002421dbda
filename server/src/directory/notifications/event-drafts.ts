import { sql } from 'kysely'
import type { Transaction } from '../../platform/database/database.ts'
import { find, tables } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import { asName } from '../../platform/mail/mails.ts'
import type { Draft } from '../../platform/mail/mails.ts'
import { findAddressee } from './addressees.ts'
import { describeDevice } from './device.ts'
import type { Links } from './token-drafts.ts'

const query = tables('system', 'security_events', 'one_time_tokens', 'organizations', 'users')

/** The longest reason that an email quotes. */
const REASON_LENGTH = 300

/** The longest part of a name before an address. */
const NAME_LENGTH = 60

const providers = new Map([
  ['google', 'Google'],
  ['github', 'GitHub'],
])

/**
 * The notice of a security event, for the user of the account in any state. Changes of a sign-in method go to the
 * address that was current before, with the link that undoes the change; changes of the address go to the former
 * address, which the token of the change stores. Returns undefined when no email is to be sent.
 */
export async function draftOfEvent(
  transaction: Transaction<'system'>,
  { events }: Pick<Declarations, 'events'>,
  links: Pick<Links, 'of' | 'reset'>,
  id: string,
): Promise<Draft | undefined> {
  const event = await transaction.run(findEvent(id))
  const kind = event && events.get(event.type)
  if (event === undefined || event.user_id === null || kind?.mailed !== true) return undefined
  const person = await transaction.run(findAddressee(event.user_id))
  const to = event.undo_email ?? (kind.toFormerAddress === true ? event.old_email : person?.email)
  if (person === undefined || person.erased_at !== null || to == null) return undefined
  const { provider, undo_id, undo_purpose, undo_expires } = event
  const isUndoable = undo_id !== null && undo_purpose !== null && undo_expires !== null
  return {
    name: event.type,
    to,
    person,
    values: {
      when: new Date(event.created_at),
      ip: event.ip,
      device: describeDevice(event.user_agent),
      link: links.reset,
      undo: isUndoable ? links.of(undo_purpose, undo_id) : undefined,
      undo_expires: isUndoable ? new Date(undo_expires) : undefined,
      new_email: event.new_email,
      provider: provider === null ? undefined : asName(providers.get(provider) ?? provider),
      organization: event.organization === null ? undefined : asName(event.organization),
      reason: event.reason === null ? undefined : asName(event.reason, REASON_LENGTH),
      opens: event.opens_at === null ? undefined : new Date(event.opens_at),
      expires: event.expires_at === null ? undefined : new Date(event.expires_at),
      // Who accepts an invitation does it to no one else.
      actor: event.actor_id === event.member_id ? undefined : labelOf(event.actor_name, event.actor_email),
      member: labelOf(event.member_name, event.member_email),
      you: event.member_id === event.user_id,
    },
  }
}

/** How an email names another user: `Jane Smith (jane@example.com)`. */
const labelOf = (name: string | null, email: string | null): string | undefined => {
  if (email === null) return undefined
  return name === null ? asName(email, email.length) : `${asName(name, NAME_LENGTH)} (${asName(email, email.length)})`
}

const findEvent = (id: string) =>
  find(
    query
      .selectFrom('security_events')
      .leftJoin('one_time_tokens as change', join =>
        join.on(
          sql<boolean>`change.id = (security_events.details ->> 'token_id')::uuid and change.purpose = 'change-email'`,
        ),
      )
      // The token that the event names, or the latest that was issued in its place.
      .leftJoinLateral(
        events =>
          events
            .selectFrom('one_time_tokens as t')
            .select(['t.id', 't.purpose', 't.email', 't.expires_at'])
            .whereRef('t.user_id', '=', 'security_events.user_id')
            .where(sql<boolean>`security_events.details ->> 'undo_id' in (t.id::text, t.details ->> 'replaces')`)
            .orderBy('t.id', 'desc')
            .limit(1)
            .as('undo'),
        join => join.onTrue(),
      )
      .leftJoin('organizations', join =>
        join.on(sql<boolean>`organizations.id = (security_events.details ->> 'organization_id')::uuid`),
      )
      .leftJoin('users as actor', 'actor.id', 'security_events.actor_id')
      .leftJoin('users as member', join =>
        join.on(sql<boolean>`member.id = (security_events.details ->> 'member_id')::uuid`),
      )
      .select([
        'actor.email as actor_email',
        'actor.full_name as actor_name',
        'member.email as member_email',
        'member.full_name as member_name',
        'security_events.actor_id',
        sql<string | null>`security_events.details ->> 'member_id'`.as('member_id'),
        'undo.id as undo_id',
        'undo.purpose as undo_purpose',
        'undo.email as undo_email',
        'undo.expires_at as undo_expires',
        'organizations.name as organization',
        'security_events.user_id',
        'security_events.type',
        'security_events.ip',
        'security_events.user_agent',
        'security_events.created_at',
        'change.email as new_email',
        sql<string | null>`security_events.details ->> 'provider'`.as('provider'),
        sql<string | null>`security_events.details ->> 'reason'`.as('reason'),
        sql<string | null>`security_events.details ->> 'opens_at'`.as('opens_at'),
        sql<string | null>`security_events.details ->> 'expires_at'`.as('expires_at'),
        sql<string | null>`change.details ->> 'old_email'`.as('old_email'),
      ])
      .where('security_events.id', '=', id),
  )
