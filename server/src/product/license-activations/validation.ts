import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { compileOnce, find, raw, statement, tables } from '../../platform/database/statement.ts'
import { Id, IdOf, Nullable, OneOf, Strict, Time } from '../../platform/schemas.ts'
import { Fingerprint, LicenseKeyText } from './activations.ts'
import { runForProgram, withLicense } from './program.ts'
import type { Program } from './program.ts'

const query = tables('system', 'licenses', 'license_plans', 'license_activations', 'organizations', 'memberships')

/** Every result of a validation, with a sentence for people. */
const codes = {
  valid: 'The license is valid.',
  'not-found': 'No license has this key.',
  draft: 'The license has not been issued yet.',
  suspended: 'The license is suspended.',
  revoked: 'The license was revoked.',
  'not-started': 'The license has not begun yet.',
  expired: 'The license has expired.',
  'plan-mismatch': 'The license belongs to another plan.',
  'product-mismatch': 'The license is for another product.',
  'version-mismatch': 'The license does not cover this version.',
  'user-mismatch': 'The user is not a member of the organization of the license.',
  'entitlements-missing': 'The license lacks entitlements.',
  'fingerprint-required': 'The license is bound to devices: send the fingerprint of this one.',
  'fingerprint-mismatch': 'The license is bound to other devices, and allows no more.',
  'activation-missing': 'This device is not activated: activate it.',
  'activations-exhausted': 'This device is not activated, and the license allows no more activations at the moment.',
  'heartbeat-dead': 'The activation of this device has expired: activate it again.',
} as const
type ValidationCode = keyof typeof codes

const Version = Type.String({
  maxLength: 50,
  pattern: '^\\d{1,9}(\\.\\d{1,9}){0,4}([-+].*)?$',
  description:
    'The version of the program; compared with `max_version` in the metadata of the license, if it is there.',
  examples: ['2.4.1'],
})
const Code = Type.String({ minLength: 1, maxLength: 63 })

export const ValidationRequest = Strict(
  {
    key: LicenseKeyText,
    fingerprint: Type.Optional(Fingerprint),
    plan: Type.Optional({ ...Code, description: 'The license must belong to the plan with this code.' } as typeof Code),
    product: Type.Optional({
      ...Code,
      description: 'Compared with `product` in the metadata of the license, if it is there.',
    } as typeof Code),
    version: Type.Optional(Version),
    entitlements: Type.Optional(Type.Array(Code, { maxItems: 100, description: 'The license must have all of them.' })),
    user: Type.Optional({
      ...IdOf('user'),
      description: 'Must be a member of the organization of the license.',
    } as typeof Id),
  },
  { title: 'LicenseValidationRequest' },
)
type Scopes = Omit<Static<typeof ValidationRequest>, 'key'>

const Whole = Type.Integer({ minimum: 0, maximum: 2147483647 })

export const Validation = Type.Object(
  {
    valid: Type.Boolean(),
    code: OneOf(Object.keys(codes) as ValidationCode[]),
    detail: Type.String({ maxLength: 200, description: 'The code as a sentence.' }),
    access: OneOf(['full', 'read-only', 'none'], { description: 'What the program may do.' }),
    missing_entitlements: Type.Array(Code, { maxItems: 100 }),
    license: Nullable(
      Type.Object(
        {
          id: Id,
          organization_id: Id,
          plan: Code,
          status: OneOf(['draft', 'active', 'suspended', 'revoked', 'expired']),
          starts_at: Time,
          expires_at: Nullable(Time),
          on_expiry: OneOf(['restrict', 'read-only', 'keep']),
          activation: OneOf(['node-locked', 'floating']),
          max_activations: Nullable(
            Type.Integer({ minimum: 0, maximum: 2147483647, description: 'With the overage. Null: unlimited.' }),
          ),
          heartbeat_seconds: Nullable(Whole),
          entitlements: Type.Array(Code, { maxItems: 1000 }),
        },
        { title: 'ValidatedLicense' },
      ),
    ),
    activation: Nullable(
      Type.Object(
        { id: IdOf('license activation'), expires_at: Nullable(Time), last_seen_at: Time },
        { title: 'ValidatedActivation' },
      ),
    ),
  },
  { title: 'LicenseValidation' },
)
type Validation = Static<typeof Validation>

/** What a validation reads. */
interface Found {
  id: string
  organization_id: string
  plan: string
  status: NonNullable<Validation['license']>['status']
  has_begun: boolean
  starts_at: string
  expires_at: string | null
  on_expiry: NonNullable<Validation['license']>['on_expiry']
  activation: NonNullable<Validation['license']>['activation']
  max_activations: number | null
  heartbeat_seconds: number | null
  entitlements: string[]
  product: string | null
  max_version: string | null
  is_first: boolean
  user_matches: boolean
  /** The activation of the device, and whether it counts. */
  activation_id: string | null
  is_alive: boolean | null
  activation_expires_at: string | null
  last_seen_at: string | null
  /** The activations that count; null if the device has one, or there is no limit. */
  used: number | null
}

// The expressions of license_status() and activations_allowed(): a call of each would cost more than the look-up.
const lookUp = compileOnce(
  ({ hash, fingerprint, user }: { hash: Buffer; fingerprint: string | null; user: string | null }) =>
    raw(
      query,
      sql<Found>`select l.id, l.organization_id, p.code as plan, case when l.status <> 'active' then l.status when o.suspended_at is not null then 'suspended' when l.expires_at <= now() then 'expired' else 'active' end as status, l.starts_at <= now() as has_begun,
        l.starts_at, l.expires_at, l.on_expiry, l.activation, case when l.max_activations is not null then least(l.max_activations::bigint * (100 + l.overage_percent) / 100, 2147483647)::integer end as max_activations, l.heartbeat_seconds, l.entitlements,
        l.metadata ->> 'product' as product, l.metadata ->> 'max_version' as max_version, l.first_validated_at is null as is_first,
        ${user}::uuid is null or exists (select from memberships m where m.organization_id = l.organization_id and m.user_id = ${user}::uuid
          and m.disabled_at is null and m.deleted_at is null) as user_matches,
        a.id as activation_id, a.expires_at > now() as is_alive, nullif(a.expires_at, 'infinity') as activation_expires_at, a.last_seen_at,
        case when a.expires_at > now() or l.max_activations is null then null else count_activations(l.organization_id, l.id) end as used
      from licenses l
      join organizations o on o.id = l.organization_id and o.deleted_at is null
      join license_plans p on p.id = l.plan_id
      left join license_activations a on a.organization_id = l.organization_id and a.license_id = l.id and a.fingerprint = ${fingerprint}
      where l.key_hash = ${hash}`,
    ),
)

/** Finds what a validation needs, in one statement; undefined if no license has the key. */
const findForValidation = (hash: Buffer, { fingerprint, user }: Scopes) =>
  find(lookUp({ hash, fingerprint: fingerprint ?? null, user: user ?? null }))

/** Notes the first validation, which may start the clock of the license. @returns its end */
const startLicense = (hash: Buffer) =>
  statement(
    raw(query, sql<{ expires_at: string | null }>`select start_license(${hash}) as expires_at`),
    ([row]) => row?.expires_at ?? null,
  )

/**
 * Validates a license for a program. The first validation with a valid result is noted, which may start the clock of the
 * license. @throws Problem malformed-key, rate-limited
 */
export async function validate(program: Program, key: string, scopes: Scopes): Promise<Validation> {
  let start = async (): Promise<string | null> => null
  const found = await withLicense(program, key, hash => {
    start = () => runForProgram(program.visitor, startLicense(hash))
    return findForValidation(hash, scopes)
  })
  const verdict = judge(found, scopes)
  if (found?.is_first !== true || !verdict.valid || verdict.license === null) return verdict
  return { ...verdict, license: { ...verdict.license, expires_at: await start() } }
}

/** The result of a validation: the license first, then what the program asks for, then the device. */
function judge(found: Found | undefined, scopes: Scopes): Validation {
  const missing = (scopes.entitlements ?? []).filter(code => found?.entitlements.includes(code) === false)
  const code = found === undefined ? 'not-found' : codeOf(found, scopes, missing)
  const isOver = found?.status === 'expired' && code === 'valid'
  const answer = isOver ? 'expired' : code
  return {
    valid: code === 'valid',
    code: answer,
    detail: codes[answer],
    access: code !== 'valid' ? 'none' : isOver && found.on_expiry === 'read-only' ? 'read-only' : 'full',
    missing_entitlements: missing,
    license: found === undefined ? null : found,
    activation:
      found?.activation_id == null || found.last_seen_at === null || found.is_alive !== true
        ? null
        : { id: found.activation_id, expires_at: found.activation_expires_at, last_seen_at: found.last_seen_at },
  }
}

function codeOf(found: Found, scopes: Scopes, missing: readonly string[]): ValidationCode {
  const { status, on_expiry, has_begun, product, max_version, user_matches } = found
  if (status !== 'active' && !(status === 'expired' && on_expiry !== 'restrict')) return status
  if (!has_begun) return 'not-started'
  if (scopes.plan !== undefined && scopes.plan !== found.plan) return 'plan-mismatch'
  if (scopes.product !== undefined && product !== null && scopes.product !== product) return 'product-mismatch'
  if (scopes.version !== undefined && max_version !== null && !covers(max_version, scopes.version))
    return 'version-mismatch'
  if (!user_matches) return 'user-mismatch'
  if (missing.length > 0) return 'entitlements-missing'
  return codeOfDevice(found, scopes.fingerprint)
}

/** A license whose activations are limited, expire or need heartbeats is valid only on an activated device. */
function codeOfDevice(found: Found, fingerprint: string | undefined): ValidationCode {
  const { activation, max_activations, heartbeat_seconds, is_alive, used } = found
  const isBound = max_activations !== null || heartbeat_seconds !== null || activation === 'floating'
  if (!isBound || is_alive === true) return 'valid'
  if (fingerprint === undefined) return 'fingerprint-required'
  if (is_alive === false) return 'heartbeat-dead'
  if (max_activations !== null && (used ?? 0) >= max_activations)
    return activation === 'floating' || max_activations === 0 ? 'activations-exhausted' : 'fingerprint-mismatch'
  return 'activation-missing'
}

/** Whether a version is at most the highest one: `2` covers 2.9.1, and `2.4` covers 2.4.7 but not 2.5. */
export function covers(highest: string, version: string): boolean {
  const given = version.split('.').map(part => Number.parseInt(part, 10))
  for (const [index, most] of highest.split('.').map(Number).entries()) {
    const part = given[index] ?? 0
    if (part !== most) return part < most
  }
  return true
}
