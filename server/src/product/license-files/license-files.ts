import { randomUUIDv7 } from 'node:crypto'
import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import { Id, Strict, Time } from '../../platform/schemas.ts'
import { Fingerprint, LicenseKeyText, readOutcome } from '../license-activations/activations.ts'
import type { Outcome } from '../license-activations/activations.ts'
import { MAX_FILE_DAYS } from './file-keys.ts'
import { encryptFile, signFile } from './sealing.ts'
import type { FileKey } from './sealing.ts'

const system = tables('system')

const DAY = 86_400

export const NewLicenseFile = Strict(
  {
    key: LicenseKeyText,
    fingerprint: Fingerprint,
    ttl_seconds: Type.Optional(
      Type.Integer({
        minimum: 60,
        maximum: MAX_FILE_DAYS * DAY,
        default: 30 * DAY,
        description:
          'The life of the file, at most 30 days for a floating license. The file ends with the license, unless that stays usable.',
      }),
    ),
    device_public_key: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_-]{43}$',
        minLength: 43,
        maxLength: 43,
        description: 'A public key of X25519, 32 bytes in base64url: the file is encrypted to it.',
        examples: ['3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08'],
      }),
    ),
  },
  { title: 'NewLicenseFile' },
)
type NewLicenseFile = Static<typeof NewLicenseFile>

export const LicenseFile = Type.Object(
  {
    id: Id,
    file: Type.String({
      maxLength: 200_000,
      description: 'The text to store; docs/reference/license-file.md has its format.',
    }),
    key_id: Type.String({
      maxLength: 64,
      description: 'The public key that verifies it, in /.well-known/license-jwks.json.',
    }),
    issued_at: Time,
    expires_at: Time,
  },
  { title: 'LicenseFile' },
)

interface Issued {
  activation_id: string
  license_id: string
  organization_id: string
  plan: string
  product: string | null
  max_version: string | null
  entitlements: string[]
  license_expires_at: string | null
  on_expiry: string
  issued_at: string
  expires_at: string
}

/** What a file says, for an activated device, whose activation then lasts as long; undefined for an unknown key. */
export const issueFile = (hash: Buffer, { fingerprint, ttl_seconds = 30 * DAY }: Omit<NewLicenseFile, 'key'>) =>
  statement(
    raw(
      system,
      sql<Issued & Outcome>`select o.* from issue_license_file(${hash}, ${fingerprint}, ${ttl_seconds}) as o`,
    ),
    readOutcome,
  )

const seconds = (time: string): number => Math.floor(Date.parse(time) / 1000)

/** Signs the file, and encrypts it to the device if it sent a key. @throws Problem invalid-fields if that is none */
export function makeFile(
  issued: Issued,
  { fingerprint, device_public_key }: Omit<NewLicenseFile, 'key'>,
  { issuer, key }: { issuer: string; key: FileKey },
): Static<typeof LicenseFile> {
  const { license_id, organization_id, activation_id, plan, product, max_version } = issued
  const { entitlements, on_expiry, license_expires_at } = issued
  const id = randomUUIDv7()
  const signed = signFile(
    {
      iss: issuer,
      jti: id,
      sub: license_id,
      organization_id,
      activation_id,
      fingerprint,
      plan,
      product,
      max_version,
      entitlements,
      iat: seconds(issued.issued_at),
      exp: seconds(issued.expires_at),
      license_expires_at: license_expires_at === null ? null : seconds(license_expires_at),
      on_expiry,
    },
    key,
  )
  return {
    id,
    file: device_public_key === undefined ? signed : encryptFile(signed, device_public_key),
    key_id: key.id,
    issued_at: issued.issued_at,
    expires_at: issued.expires_at,
  }
}
