import { sql } from 'kysely'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import { fillSeries, seriesOf } from './series.ts'
import type { Days } from './series.ts'

const system = tables('system', 'daily_stats')
const tenant = tables('tenant', 'organization_daily_stats', 'gate')

export const metrics = ['sign_ups', 'sign_ins', 'failures', 'lockouts', 'active_users', 'active_organizations'] as const
type Metric = (typeof metrics)[number]

export const Stats = seriesOf(
  metrics,
  'Stats',
  '`sign_ups`: new accounts. `sign_ins`: new sessions. `failures`: failed sign-ins. `lockouts`: of accounts and of unknown names. ' +
    '`active_users`: who signed in or changed something. `active_organizations`: with an active member.',
)

export const organizationMetrics = [
  'sign_ins',
  'active_members',
  'invitations_sent',
  'invitations_accepted',
  'changes',
] as const
type OrganizationMetric = (typeof organizationMetrics)[number]

export const OrganizationStats = seriesOf(
  organizationMetrics,
  'OrganizationStats',
  '`sign_ins`: new sessions that began in the organization. `active_members`: who signed in or changed something. ' +
    '`changes`: entries of the audit log.',
)

const columnsOf = (names: readonly string[]) => sql.join(names.map(name => sql.ref(name)))

type Row<Name extends string> = { day: string | null } & { [N in Name]: number | null }

/** The sums of the service. */
export const readStats = (days: Days, wanted: readonly Metric[]) =>
  statement(
    raw(
      system,
      sql<Row<Metric>>`select day::text, ${columnsOf(metrics)} from daily_stats
        where day between ${days.first}::date and ${days.last}::date`,
    ),
    rows => fillSeries(days, wanted, rows),
  )

/** The sums of the organization behind the gate. Without any, there is one row: an open gate is told apart from a closed one. */
export const readOrganizationStats = (organization_id: string, days: Days, wanted: readonly OrganizationMetric[]) =>
  statement(
    raw(
      tenant,
      sql<Row<OrganizationMetric>>`select s.day::text, ${columnsOf(organizationMetrics)} from gate
        left join organization_daily_stats s on s.organization_id = ${organization_id}::uuid
          and s.day between ${days.first}::date and ${days.last}::date`,
    ),
    rows => fillSeries(days, wanted, rows),
  )
