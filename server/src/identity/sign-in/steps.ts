import { sql } from 'kysely'
import { entitlementsOf } from '../../directory/limits/limits.ts'
import { chooseOrganization, countOrganizations } from '../../directory/organizations/organizations.ts'
import type { ChosenOrganization } from '../../directory/organizations/organizations.ts'
import { insertSession } from '../../directory/sessions/sessions.ts'
import { preferredOrganizations, rememberOrganization, userColumns } from '../../directory/users/users.ts'
import type { OrganizationHints, User } from '../../directory/users/users.ts'
import type { Origin } from '../../platform/database/database.ts'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { findDevice, rememberDevice } from '../devices/devices.ts'
import { listSecondFactors } from '../factors/factors.ts'
import { countInvitations } from '../invitations/invitations.ts'
import type { SecondFactor } from '../factors/factors.ts'
import type { Proof, SignedIn, SignInRules } from './sign-in.ts'

const query = tables('system', 'live_users')

/**
 * The account, locked: it may have been disabled, or its password changed, since the proof was checked.
 * @throws Problem (read) invalid-credentials
 */
export const lockUser = ({ user_id, password_hash }: Proof) => {
  const users = query
    .selectFrom('live_users')
    .select([...userColumns, 'last_organization_id', 'unopened_organization_ids', 'password_change_required_at'])
    .$narrowType<Pick<User, 'locale'>>()
    .where('id', '=', user_id)
    // Not a shared lock: two sign-ins to different organizations would deadlock when they store their organization.
    .forNoKeyUpdate()
  return statement(password_hash === undefined ? users : users.where('password_hash', '=', password_hash), ([row]) => {
    if (row === undefined) throw new Problem('invalid-credentials')
    const { last_organization_id, unopened_organization_ids, password_change_required_at, ...user } = row
    return {
      user,
      hints: { last_organization_id, unopened_organization_ids },
      needsNewPassword: password_change_required_at !== null,
    }
  })
}

export interface Account {
  user: User
  hints: OrganizationHints
  /** Whether an operator requires a new password, before the present one opens a session. */
  needsNewPassword: boolean
}

/** How many organizations the user belongs to, and how many invitations the user can accept. */
export interface PlaceCounts {
  organization_count: number
  invitation_count: number
}

/** The counts, as columns of another statement. */
export const countPlaces = (user_id: string) =>
  sql`${countOrganizations(user_id)} as organization_count, ${countInvitations(user_id)} as invitation_count`

/** What the sign-in depends on in addition to the account. */
export interface Found {
  counts: PlaceCounts
  factors: SecondFactor[]
  device_id: string | null
  is_trusted: boolean | null
  organization: ChosenPlace | undefined
}

/**
 * Fulfils the requirement of the sign-in, and looks up the second factors, the device and the organization. @throws
 * Problem (read)
 */
export const lookUp = (
  declared: Declarations,
  { user, hints }: Account,
  { device_id, organization_id, requires = [] }: Proof,
) => {
  const required = requires.map(({ row }, index) => sql`${sql.ref(`required_${index}`)} as (${row})`)
  const isMissing = requires.map((_, index) => sql`not exists (select from ${sql.ref(`required_${index}`)})`)
  return statement(
    raw(
      query,
      sql<Omit<Found, 'organization' | 'counts'> & PlaceCounts & { is_missing: boolean[] } & Nulls<ChosenPlace>>`
      ${required.length === 0 ? sql`` : sql`with ${sql.join(required)}`}
      select array[${sql.join(isMissing)}]::boolean[] as is_missing, ${listSecondFactors(declared, sql`${user.id}::uuid`)} as factors,
        device.id as device_id, device.is_trusted, ${countPlaces(user.id)}, organization.*, ${entitlementsOf(sql`organization.id`)} as entitlements
      from (select) as one
      left join lateral (${findDevice(user.id, device_id)}) as device on true
      left join lateral (${chooseOrganization(user.id, organization_id, preferredOrganizations(hints))}) as organization on true`,
    ),
    ([row]): Found => {
      const { is_missing, factors, device_id, is_trusted, organization_count, invitation_count, ...organization } =
        row as NonNullable<typeof row>
      const missing = requires[is_missing.indexOf(true)]
      if (missing !== undefined) throw new Problem(missing.otherwise)
      const counts = { organization_count, invitation_count }
      return { factors, device_id, is_trusted, counts, organization: foundIn(organization) }
    },
  )
}

/** With its entitlements, for the access token. */
export type ChosenPlace = ChosenOrganization & { entitlements: readonly string[] }

export type Nulls<Row> = { [Column in keyof Row]: Row[Column] | null }

/** The organization of a row of a left join. */
export const foundIn = (row: Nulls<ChosenPlace>): ChosenPlace | undefined =>
  row.id === null ? undefined : (row as ChosenPlace)

/**
 * The organization of the session; none if the account may access only its own data while its address is unverified.
 * @throws Problem email-unverified; invalid-fields when the organization asked for is not the user's
 */
export function admitTo(
  { unverifiedAccess }: SignInRules,
  { email_verified }: Pick<User, 'email_verified'>,
  asked: string | undefined,
  chosen: ChosenPlace | undefined,
): ChosenPlace | undefined {
  if (unverifiedAccess === 'own' && !email_verified) {
    if (asked !== undefined) throw new Problem('email-unverified')
    return undefined
  }
  if (chosen === undefined && asked !== undefined)
    throw invalidField('/organization_id', 'is not an organization of yours')
  return chosen
}

/** Settles the guess, as part of the column list of another statement. */
export const settled = ({ guess }: Proof) => (guess === undefined ? sql`` : sql`, ${guess.settlement(true)}`)

/** The results of the earlier steps. */
interface Opening {
  proof: Proof
  account: Account
  organization: ChosenPlace | undefined
  counts: PlaceCounts
  /** The device, if it is known. */
  device_id: string | null
}

/** Writes the device, the session, and the organization that it has chosen. */
export function openSession(
  { proof, account: { user, hints }, organization, counts, device_id }: Opening,
  { idleSeconds }: SignInRules,
  origin: Origin,
): Statement<'system', SignedIn> {
  const { methods, isTwoFactor, trustSeconds } = proof
  const session = { user_id: user.id, organization_id: organization?.id, methods, isTwoFactor, idleSeconds, origin }
  return statement(
    raw(
      query,
      sql<{ id: string; generation: number; auth_time: number; device_id: string }>`
      with device as (${rememberDevice(user.id, device_id ?? undefined, trustSeconds, origin)}),
      session as (${insertSession(session, sql`(select id from device)`)})${rememberChoice(user.id, hints, organization)}
      select session.*, device.id as device_id${settled(proof)} from session, device`,
    ),
    ([row]) => {
      const { device_id, ...opened } = row as NonNullable<typeof row>
      return { outcome: 'signed-in', user, organization, counts, session: opened, device_id }
    },
  )
}

/** Stores the organization that a session has chosen, as the last part of the `with` of another statement. */
export const rememberChoice = (user_id: string, hints: OrganizationHints, chosen: ChosenOrganization | undefined) =>
  chosen === undefined ||
  (chosen.id === hints.last_organization_id && !hints.unopened_organization_ids.includes(chosen.id))
    ? sql``
    : sql`, remembered as (${rememberOrganization(user_id, chosen.id)})`
