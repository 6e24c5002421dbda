import { sql } from 'kysely'
import { secondFactorLocked, signInLocked } from '../../identity/lockout/lockout.ts'
import { mfaFailed } from '../../identity/mfa/proofs.ts'
import { passkeyRefused } from '../../identity/passkeys/passkey-sign-in.ts'
import { loginFailed } from '../../identity/sign-in/log-in.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { firstIdAt } from '../../platform/database/ids.ts'
import { execute, raw, statement, tables } from '../../platform/database/statement.ts'
import { metrics, organizationMetrics } from './stats.ts'

const query = tables('system', 'security_events', 'audit_log', 'memberships', 'daily_stats', 'organization_daily_stats')

const DAY_MS = 86_400_000
/** Hours after the end of a day until its sums are final: transactions that began on the day have committed by then. */
const SETTLED_HOURS = 1
/** The oldest day that is made up for. */
const MAX_DAYS_BACK = 400

const failures = [loginFailed, mfaFailed, passkeyRefused].map(({ type }) => type)
const lockouts = [signInLocked, secondFactorLocked].map(({ type }) => type)
const counted = ['account-created', 'session-created', ...failures, ...lockouts]

const list = (types: readonly string[]) => sql`(${sql.join(types.map(type => sql.lit(type)))})`

/**
 * Computes the sums of all days that are not final: yesterday and today, and after an absence all days since, as far
 * as their events still exist. Each day is one transaction, so a run that is stopped continues at the next day.
 */
export async function computeStats(system: SystemRunner, signal?: AbortSignal, now = Date.now()): Promise<string[]> {
  const days: string[] = []
  for (;;) {
    if (signal?.aborted === true) break
    // system: sums over all organizations and accounts, outside of any session
    const day = await system.transaction(async transaction => {
      const next = await transaction.run(findOpenDay(new Date(now).toISOString(), days.at(-1)))
      if (next === undefined) return undefined
      await transaction.run(holdDay(next))
      await transaction.finish(computeDay(next))
      return next
    })
    if (day === undefined) break
    days.push(day)
  }
  return days
}

/**
 * The first day after `last`, and since the first event, whose sums are missing or were computed before the day was
 * settled.
 */
const findOpenDay = (now: string, last: string | undefined) =>
  statement(
    raw(
      query,
      sql<{ day: string }>`
        with moment as (select ${now}::timestamptz as now),
        first as (select greatest((select (created_at at time zone 'utc')::date from security_events order by id limit 1),
          (now at time zone 'utc')::date - ${sql.lit(MAX_DAYS_BACK)}, ${last ?? null}::date + 1) as day, (now at time zone 'utc')::date as today from moment)
        select days.day::date::text as day
        from first cross join generate_series(first.day::timestamp, first.today::timestamp, interval '1 day') as days (day)
        left join daily_stats s on s.day = days.day::date
        where s.day is null or s.computed_at < (days.day + interval '1 day' + ${sql.lit(`${SETTLED_HOURS} hours`)}::interval) at time zone 'utc'
        order by 1 limit 1`,
    ),
    ([found]) => found?.day,
  )

/** Two processes compute a day one after the other. */
const holdDay = (day: string) => execute(raw(query, sql`select pg_advisory_xact_lock(lock_key('stats', ${day}))`))

const updated = (names: readonly string[]) =>
  sql.join(names.map(name => sql`${sql.ref(name)} = excluded.${sql.ref(name)}`))
const columnsOf = (names: readonly string[]) => sql.join(names.map(name => sql.ref(name)))

/**
 * All sums of one day in one statement, which reads the day's events and entries once, by their ids. Rows are written
 * only where a sum has changed. Operators who change something in an organization are no members of it.
 */
function computeDay(day: string) {
  const start = Date.parse(day)
  const ids = sql`id >= ${firstIdAt(start)}::uuid and id < ${firstIdAt(start + DAY_MS)}::uuid`
  return execute(
    raw(
      query,
      sql`
        with events as materialized (
          select type, user_id, (details ->> 'organization_id')::uuid as organization_id from security_events where ${ids} and type in ${list(counted)}),
        sessions as materialized (select user_id, organization_id from events where type = 'session-created'),
        entries as materialized (
          select organization_id, actor_id, entity_type = 'invitations' and action = 'insert' as is_invitation,
            entity_type = 'invitations' and action = 'update' and after ->> 'accepted_at' is not null as is_acceptance
          from audit_log where ${ids}),
        active as materialized (
          select a.organization_id, a.actor_id as user_id from (select distinct organization_id, actor_id from entries) as a
            join memberships m on m.organization_id = a.organization_id and m.user_id = a.actor_id
          union select organization_id, user_id from sessions where organization_id is not null),
        daily as (
          insert into daily_stats (day, ${columnsOf(metrics)}, computed_at)
          select ${day}::date, count(*) filter (where type = 'account-created'), count(*) filter (where type = 'session-created'),
            count(*) filter (where type in ${list(failures)}), count(*) filter (where type in ${list(lockouts)}),
            (select count(*) from (select user_id from sessions union select actor_id from entries where actor_id is not null) as users),
            (select count(distinct organization_id) from active), clock_timestamp()
          from events
          on conflict (day) do update set ${updated([...metrics, 'computed_at'])}),
        parts as (
          select organization_id, 1 as sign_ins, 0 as active_members, 0 as invitations_sent, 0 as invitations_accepted, 0 as changes
            from sessions where organization_id is not null
          union all select organization_id, 0, 1, 0, 0, 0 from active
          union all select organization_id, 0, 0, is_invitation::int, is_acceptance::int, 1 from entries)
        insert into organization_daily_stats as s (organization_id, day, ${columnsOf(organizationMetrics)})
        select organization_id, ${day}::date, ${sql.join(organizationMetrics.map(name => sql`sum(${sql.ref(name)})`))} from parts group by organization_id
        on conflict (organization_id, day) do update set ${updated(organizationMetrics)}
        where (${sql.join(organizationMetrics.map(name => sql.ref(`s.${name}`)))}) is distinct from (${sql.join(organizationMetrics.map(name => sql.ref(`excluded.${name}`)))})`,
    ),
  )
}
