import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Transaction } from '../../platform/database/database.ts'
import { execute, raw, statement, tables } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import type { Locale } from '../../platform/locales.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import type { EventDeclaration } from '../../platform/mail/mails.ts'
import { Id, Nullable, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { tokenKind } from '../../platform/tokens/one-time-tokens.ts'

const query = tables('system', 'users', 'one_time_tokens', 'security_events')

const Row = Type.Record(Type.String(), Type.Unknown())
/** A row as JSON, as `to_jsonb` writes it. */
export type KeptRow = Static<typeof Row>

/** What a change of a sign-in method stores, so that exactly this change can be undone. */
const trace = {
  /** The row that was added: a passkey, an authenticator app, a linked identity. */
  added: Type.Optional(Id),
  /** The second factor that was removed; its row is among those kept. */
  removed: Type.Optional(Id),
  /** Removed rows, by table. Their secrets are encrypted or hashed, as in the table. */
  kept: Type.Optional(Type.Record(Type.String(), Type.Array(Row))),
  /** The former address. */
  former: Type.Optional(Strict({ email: Type.String(), email_verified_at: Nullable(Type.String()) })),
  /** Digest of the hash of the new password. */
  password: Type.Optional(Type.String()),
}
const TraceSchema = Strict(trace)
export type Trace = Static<typeof TraceSchema>

/**
 * Undoes one change of a sign-in method. The email about the change takes it to the address that was current before.
 */
export const undoToken = tokenKind({
  purpose: 'undo',
  seconds: 7 * 86400,
  details: Strict({
    ...trace,
    /** The type of the security event. */
    change: Type.String(),
    /** Second factors that the account had before; undoing requires one of those that still exist or are kept. */
    protectors: Type.Array(Id),
    /** The first token for this change, which its event names; this one was issued in its place. */
    replaces: Type.Optional(Id),
  }),
  // Otherwise an attacker could prevent the undo of a change by deleting the account.
  survivesDeletion: true,
})

/** A change to undo, under the lock of its account. */
interface Undoing {
  user_id: string
  trace: Trace
  /** When the change was made. */
  changed_at: string
}

/** The event of a changed sign-in method: a password, an address, a second factor or an identity. */
export interface ChangeKind extends EventDeclaration {
  readonly change: {
    /** Describes the event on the page of the link, in a full sentence. */
    words: Readonly<Record<Locale, string>>
    /** Reverts exactly this change. The caller revokes sessions and restores kept rows. @throws Problem */
    undo: (transaction: Transaction<'system'>, undoing: Undoing, services: Pick<Services, 'declared'>) => Promise<void>
  }
}

/**
 * Declares a change of a sign-in method. The email of the same name notifies the user, with the link that undoes it.
 */
export const changeKind = (
  type: string,
  change: ChangeKind['change'],
  options: Pick<EventDeclaration, 'toFormerAddress'> = {},
): ChangeKind => Object.freeze({ ...eventKind(type, { mailed: true }), ...options, change })

export const isChange = (kind: EventDeclaration | undefined): kind is ChangeKind => kind?.change !== undefined

/** The values for the email template of a change, in addition to those of all events. */
export const changeValues = ['when', 'ip', 'device', 'link', 'undo', 'undo_expires'] as const

interface Change {
  user_id: string
  /** The session that made the change; null if it was a link or a provider. */
  session_id: string | null
  trace: Trace
  /** What the security event stores in addition to the id of the token. */
  details?: Readonly<Record<string, unknown>>
}

/**
 * Records a change of a sign-in method, in the transaction of the change, and notifies the user at the address that was
 * current before, with the link that undoes it.
 */
export const recordChange = (
  declared: Pick<Declarations, 'secondFactorIds'>,
  { type }: ChangeKind,
  { user_id, session_id, trace: given, details = {} }: Change,
) =>
  execute(
    raw(
      query,
      sql`with token as (
        insert into one_time_tokens (purpose, user_id, email, details, expires_at)
        select ${undoToken.purpose}, id, coalesce(${given.former?.email ?? null}::text, email),
          ${JSON.stringify({ ...given, change: type })}::jsonb || jsonb_build_object('protectors', ${protectorsOf(declared, user_id, given.added)}),
          now() + make_interval(secs => ${undoToken.seconds})
        from users where id = ${user_id} returning id)
      select record_event(${type}, ${user_id}, ${session_id}, ${JSON.stringify(details)}::jsonb || jsonb_build_object('undo_id', token.id), true)
      from token`,
    ),
  )

/** Whether a change of the user's address can still be undone, as SQL; an undo deletes `former`. */
export const hasNewAddress = (user_id: RawBuilder<unknown>): RawBuilder<boolean> =>
  sql<boolean>`exists (select from one_time_tokens t where t.user_id = ${user_id} and t.purpose = ${undoToken.purpose}
    and t.details ? 'former' and t.expires_at > now())`

/** The changes of a user that can still be undone. */
const undoable = (user_id: string) =>
  sql`one_time_tokens where user_id = ${user_id} and purpose = ${undoToken.purpose} and used_at is null and expires_at > now()`

/**
 * The second factors that can authorize undoing a change: those that the account has apart from the added one, those
 * whose removal can still be undone, and, if one of these was itself added recently, those that it had before that.
 * Otherwise an attacker who adds a factor and removes the owner's would hold the only one that counts.
 */
const protectorsOf = (
  { secondFactorIds }: Pick<Declarations, 'secondFactorIds'>,
  user_id: string,
  added: string | undefined,
): RawBuilder<string[]> =>
  sql`(with undoable as (select details from ${undoable(user_id)}),
    others as (select id from ${secondFactorIds(sql`${user_id}::uuid`)} held where id is distinct from ${added ?? null}::uuid
      union select (details ->> 'removed')::uuid from undoable where details ? 'removed')
    select coalesce(jsonb_agg(distinct id), '[]') from (
      select id::text from others
      union select jsonb_array_elements_text(details -> 'protectors') from undoable
        where (details ->> 'added')::uuid in (select id from others)) as all_of_them)`

/**
 * Moves the later changes to a restored address, whose change at `changed_at` was undone. The links that were sent to the other
 * address are spent, and the emails are sent again, with new links. Later changes of the address become final, because undoing
 * them would restore such an address.
 */
export const readdressChanges = (user_id: string, email: string, changed_at: string) =>
  execute(
    raw(
      query,
      sql`with former as (select * from one_time_tokens where user_id = ${user_id} and purpose = ${undoToken.purpose}
          and used_at is null and expires_at > now() and created_at > ${changed_at}),
        spent as (update one_time_tokens t set used_at = now(), details = t.details - 'kept' - 'former' from former where t.id = former.id),
        made as (insert into one_time_tokens (purpose, user_id, email, details, created_at, expires_at)
          select purpose, user_id, ${email}, jsonb_build_object('replaces', id) || details, created_at, expires_at
          from former where not details ? 'former' order by created_at returning details ->> 'replaces' as first_id)
        select enqueue_job('mail', jsonb_build_object('event_id', e.id))
        from made join security_events e on e.user_id = ${user_id} and e.details ->> 'undo_id' = made.first_id`,
    ),
  )

/** A row that was kept when it was removed, and the change that keeps it. */
export interface KeptFactor {
  id: string
  /** The table of the row, which is stored as JSON. */
  table: string
  row: KeptRow
}

/** The second factors that can authorize undoing a change: those from before it that still exist or are kept. */
export interface Standing {
  ids: readonly string[]
  kept: readonly KeptFactor[]
  /** Recovery codes that were made after the change do not count: they may be the attacker's. */
  changed_at: string
}

/** Finds which of these second factors the user still has, and for which the removal can be undone. */
export const findStanding = (
  { secondFactorIds }: Pick<Declarations, 'secondFactorIds'>,
  user_id: string,
  protectors: readonly string[],
) =>
  statement(
    raw(
      query,
      sql<{ ids: string[]; kept: KeptFactor[] }>`select
        array(select id::text from ${secondFactorIds(sql`${user_id}::uuid`)} held where id = any (${protectors}::uuid[])) as ids,
        (select coalesce(jsonb_agg(jsonb_build_object('id', undoable.removed, 'table', rows_of.key, 'row', kept_row.value)), '[]')
          from (select details ->> 'removed' as removed, details -> 'kept' as kept from ${undoable(user_id)}) undoable
          cross join jsonb_each(undoable.kept) rows_of cross join jsonb_array_elements(rows_of.value) kept_row
          where undoable.removed::uuid = any (${protectors}::uuid[]) and kept_row.value ->> 'id' = undoable.removed) as kept`,
    ),
    ([found]): Pick<Standing, 'ids' | 'kept'> => found ?? { ids: [], kept: [] },
  )
