import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static, TObject } from 'typebox'
import { orderOf, pagesOf, whereGiven } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import {
  affect,
  compileOnce,
  find,
  gathered,
  get,
  raw,
  repeatable,
  statement,
  tables,
} from '../../platform/database/statement.ts'
import type { Place } from '../../platform/http/resource.ts'
import { Problem } from '../../platform/problems.ts'
import { Id, IdOf, Name, Nullable, OneOf, Strict, Time } from '../../platform/schemas.ts'

const query = tables('tenant', 'license_activations', 'licenses')
const system = tables('system', 'license_activations')
const either = tables('either', 'license_activations')

export const LicenseKeyText = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'The license key, as it was issued or as a person types it: small letters and spaces are accepted.',
  examples: ['EJFZK-ZKSB8-ETZ2Y-4D9E4-K02GN-S9RJT'],
})
export const Fingerprint = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: '^[!-~]+$',
  description: 'Names the device: visible ASCII characters, such as a SHA-256 of its machine id.',
  examples: ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
})
const LeaseSeconds = Type.Integer({
  minimum: 60,
  maximum: 86_400,
  description:
    'Only for floating licenses without heartbeats: the activation is a lease of so many seconds, an hour by default.',
})
const Metadata = Type.Unsafe<Record<string, string>>({
  type: 'object',
  maxProperties: 20,
  propertyNames: { type: 'string', maxLength: 64, pattern: '^[A-Za-z0-9_.-]+$' },
  additionalProperties: { type: 'string', maxLength: 500 },
  description:
    'What the program wants to remember about the device: names with texts, 16 KiB in total. The administrators see it.',
})

const columns = ['id', 'organization_id', 'license_id', 'fingerprint', 'name', 'metadata'] as const
const moments = ['last_seen_at', 'created_at', 'updated_at', 'version'] as const
const described = {
  id: Id,
  organization_id: Id,
  license_id: IdOf('license'),
  fingerprint: Fingerprint,
  name: Nullable(Name),
  metadata: Metadata,
  expires_at: Nullable(
    Type.String({
      ...Time,
      description: 'The activation ends then, unless it is renewed before; null: it does not end.',
    }),
  ),
  last_seen_at: Time,
  created_at: Time,
}

/** An activation, as the administrators see it. */
export const Activation = Type.Object(described, { title: 'LicenseActivation' })

/** An activation, as its program sees it. */
export const OwnActivation = Type.Object(
  {
    ...described,
    heartbeat_seconds: Nullable(
      Type.Integer({
        minimum: 1,
        maximum: 2147483647,
        description: 'The longest time between two heartbeats; null: none are needed.',
      }),
    ),
  },
  { title: 'OwnLicenseActivation' },
)
type OwnActivation = Static<typeof OwnActivation>

export const NewActivation = Strict(
  {
    key: LicenseKeyText,
    fingerprint: Fingerprint,
    name: Type.Optional(Nullable(Name)),
    metadata: Type.Optional(Metadata),
    lease_seconds: Type.Optional(LeaseSeconds),
  },
  { title: 'NewLicenseActivation' },
)
export const Heartbeat = Strict(
  { key: LicenseKeyText, fingerprint: Fingerprint, lease_seconds: Type.Optional(LeaseSeconds) },
  { title: 'LicenseHeartbeat' },
)
type Beat = Omit<Static<typeof Heartbeat>, 'key' | 'lease_seconds'> & { lease_seconds?: number | null }
export const Deactivation = Strict({ key: LicenseKeyText, fingerprint: Fingerprint }, { title: 'LicenseDeactivation' })
export const ActivationList = Strict({ key: LicenseKeyText }, { title: 'LicenseActivationList' })

/** What a program can be refused with, in every operation but a validation. */
export const licenseProblems = ['malformed-key', 'license-not-found', 'license-not-usable'] as const

export interface Outcome {
  outcome: string | null
  limit?: number | null
  used?: number | null
}

/** The problem that an outcome of the functions in license-activations.sql means; undefined if there is none. */
function refusalOf({ outcome, limit, used }: Outcome): Problem | undefined {
  switch (outcome) {
    case null:
      return undefined
    case 'not-found':
      return new Problem('license-not-found')
    case 'activation-missing':
    case 'heartbeat-dead':
      return new Problem(outcome)
    case 'activations-exhausted':
      return new Problem(outcome, { extension: { limit, used } })
    default:
      return new Problem('license-not-usable', { extension: { license_status: outcome } })
  }
}

/** The columns of the row `o.activation`, which ends at infinity if it does not end. */
const ownColumns = sql`o.heartbeat_seconds, nullif((o.activation).expires_at, 'infinity') as expires_at,
  ${sql.join([...columns, ...moments].map(column => sql`(o.activation).${sql.ref(column)}`))}`

export type Answered<Row> = Row | { refusal: Problem }

/** The row, or the problem that its outcome means; undefined if no license has the key. */
export function readOutcome<Row>(rows: (Row & Outcome)[]): Answered<Row> | undefined {
  const [row] = rows
  if (row === undefined || row.outcome === 'not-found') return undefined
  const refusal = refusalOf(row)
  return refusal === undefined ? row : { refusal }
}

/** The result, unless it is a refusal, which is thrown only now: the statement has been committed and counted. @throws Problem */
export function required<Row>(answer: Answered<Row> | undefined): Row {
  if (answer === undefined) throw new Problem('license-not-found')
  if (typeof answer === 'object' && answer !== null && 'refusal' in answer) throw answer.refusal
  return answer
}

/**
 * Activates a device, or renews its activation if it has one, which then keeps its name and metadata. Of simultaneous
 * activations no more succeed than the license allows. The result is undefined for an unknown key.
 */
export const activate = (
  hash: Buffer,
  { fingerprint, name, metadata, lease_seconds }: Omit<Static<typeof NewActivation>, 'key'>,
) =>
  statement(
    raw(
      system,
      sql<
        OwnActivation & Outcome & { is_new: boolean }
      >`select o.outcome, o.is_new, o.maximum as limit, o.used, ${ownColumns}
        from activate_license(${hash}, ${fingerprint}, ${name ?? null}, ${JSON.stringify(metadata ?? {})}::jsonb, ${lease_seconds ?? null}) as o`,
    ),
    readOutcome,
    {
      // The license was deleted at the same moment.
      license_activations_license_fkey: 'license-not-found',
      license_activations_metadata_size: { pointer: '/metadata', detail: 'must not exceed 16 KiB in total' },
    },
  )

const renewing = compileOnce(
  ({ hash, fingerprint, lease_seconds }: { hash: Buffer; fingerprint: string; lease_seconds: number | null }) =>
    raw(
      system,
      sql<OwnActivation & Outcome>`select g.place, o.outcome, ${ownColumns}
        from unnest(${hash}::bytea[], ${fingerprint}::text[], ${lease_seconds}::integer[]) with ordinality as g (hash, fingerprint, lease_seconds, place),
          beat_license(g.hash, g.fingerprint, g.lease_seconds) as o`,
    ),
)

/** Renews the activation of a device. A second heartbeat right after the first changes nothing more. */
export const beat = (hash: Buffer, { fingerprint, lease_seconds = null }: Beat) =>
  gathered(repeatable(statement(renewing({ hash, fingerprint, lease_seconds }), readOutcome)))

/** Deactivates a device, also if the license can no longer be used. */
export const deactivate = (hash: Buffer, { fingerprint }: { fingerprint: string }) =>
  statement(
    raw(system, sql<Outcome>`select outcome from deactivate_license(${hash}, ${fingerprint}) as outcome`),
    readOutcome<Outcome>,
  )

const shown = sql<string | null>`nullif(expires_at, 'infinity')`.as('expires_at')

export const ActivationFilters = {
  sort: OneOf(['-created_at', 'created_at'], { default: '-created_at' }),
  fingerprint: Type.Optional(Fingerprint),
  active: Type.Optional(
    Type.Boolean({ description: 'Only activations that count now, or only those that have expired. By default both.' }),
  ),
}
type ActivationFilters = Static<TObject<typeof ActivationFilters>>

const activationPages = pagesOf(
  ({
    is_active,
    is_over,
    ...given
  }: {
    organization_id: string
    license_id: string
    fingerprint: string | undefined
    is_active: true | undefined
    is_over: true | undefined
  }) => {
    let rows = either
      .selectFrom('license_activations')
      .select([...columns, ...moments])
      .select(shown)
    if (is_active) rows = rows.where('expires_at', '>', sql<string>`now()`)
    if (is_over) rows = rows.where('expires_at', '<=', sql<string>`now()`)
    return whereGiven(rows, given)
  },
)

/** The activations of a license, with those that have expired less than a day ago; for administrators and operators. */
export const listActivations = (
  { id, organization_id }: { id: string; organization_id: string },
  { sort, fingerprint, active }: ActivationFilters,
  page: Page,
) => {
  const is_active = active === true ? active : undefined
  const is_over = active === false ? (true as const) : undefined
  const values = { organization_id, license_id: id, fingerprint, is_active, is_over }
  return activationPages(values, orderOf(sort, 'license_activations'), page)
}

/** The license with the hash of this key, also if it can no longer be used; undefined if there is none. */
export const findLicenseOfKey = (hash: Buffer) =>
  find(
    raw(
      system,
      sql<{
        id: string
        organization_id: string
      }>`select (f.license).id, (f.license).organization_id from find_license(${hash}, false) as f where (f.license).id is not null`,
    ),
  )

/** The activations of a license that count now, newest first, for the programs that hold its key. */
export const listOwnActivations = (license: { id: string; organization_id: string }, page: Page) =>
  listActivations(license, { active: true, sort: '-created_at' }, page)

/** @throws Problem not-found */
export const requireLicense = ({ organization_id }: Place, id: string) =>
  get(query.selectFrom('licenses').select('id').where('organization_id', '=', organization_id).where('id', '=', id))

/** Deactivates a device, for administrators and operators. @throws Problem not-found */
export const deleteActivation = ({ organization_id }: Pick<Place, 'organization_id'>, license_id: string, id: string) =>
  affect(
    query
      .deleteFrom('license_activations')
      .where('organization_id', '=', organization_id)
      .where('license_id', '=', license_id)
      .where('id', '=', id)
      .returning('id'),
  )
