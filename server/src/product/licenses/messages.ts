import { Type } from 'typebox'
import type { Static, TObject } from 'typebox'
import { Id, IdOf, Name, Nullable, OneOf, Strict, Text, Time, timestamps } from '../../platform/schemas.ts'
import { terms } from '../license-plans/license-plans.ts'

export const statuses = ['draft', 'active', 'suspended', 'revoked', 'expired'] as const
export type Status = (typeof statuses)[number]

/** What validations compare, and the form of the other names. */
const product = { type: 'string', minLength: 1, maxLength: 63, description: 'For the `product` of a validation.' }
const max_version = {
  type: 'string',
  maxLength: 49,
  pattern: '^\\d{1,9}(\\.\\d{1,9}){0,4}$',
  description: 'The highest version that the license covers, for the `version` of a validation.',
  examples: ['2.4'],
}
const METADATA = {
  type: 'object',
  maxProperties: 50,
  propertyNames: { type: 'string', maxLength: 64, pattern: '^[A-Za-z0-9_.-]+$' },
  properties: { product, max_version },
  additionalProperties: { type: ['string', 'number', 'boolean'], maxLength: 500 },
  description:
    'What operators note: names with texts, numbers, true or false; 16 KiB in total. Validations compare `product` and `max_version`. The administrators of the organization see it.',
  examples: [{ order: 'A-1042' }],
}
type Scalar = string | number | boolean
const Metadata = Type.Unsafe<Record<string, Scalar>>(METADATA)
/** As it is stored: changes add names. */
const StoredMetadata = Type.Unsafe<Record<string, Scalar>>({ ...METADATA, maxProperties: 10_000 })
const orNull = (schema: { type: string }) => ({ ...schema, type: [schema.type, 'null'] })
const MetadataChanges = Type.Unsafe<Record<string, Scalar | null>>({
  ...METADATA,
  properties: { product: orNull(product), max_version: orNull(max_version) },
  additionalProperties: { type: ['string', 'number', 'boolean', 'null'], maxLength: 500 },
  description: 'Names that are not sent stay; null removes a name. The 16 KiB are those of all names.',
})
const about = { name: Nullable(Name), metadata: StoredMetadata }

export const License = Type.Object(
  {
    id: Id,
    organization_id: Id,
    plan_id: IdOf('license plan'),
    ...about,
    key_prefix: Type.String({ maxLength: 5, description: 'The first group of the key, to recognize it.' }),
    status: OneOf(statuses, { description: '`expired`: active, but `expires_at` has passed.' }),
    starts_at: Time,
    expires_at: Nullable({ ...Time, description: 'Null: without an end, or its clock has not started.' }),
    first_validated_at: Nullable(Time),
    first_activated_at: Nullable(Time),
    ...terms,
    ...timestamps,
  },
  { title: 'License' },
)
export const OperatorLicense = Type.Object(
  {
    ...License.properties,
    transferred_from: Nullable({ ...Id, description: 'The license that this one replaces.' }),
    transferred_to: Nullable({
      ...Id,
      description: 'The license that replaces this one, which was transferred: it stays revoked.',
    }),
  },
  { title: 'OperatorLicense' },
)
export type OperatorLicense = Static<typeof OperatorLicense>
export const IssuedLicense = Type.Object(
  {
    ...OperatorLicense.properties,
    key: Type.Optional(Type.String({ maxLength: 40, description: 'Sent once: only its hash is stored.' })),
  },
  { title: 'IssuedLicense' },
)

const Expiry = Type.String({ ...Time, description: 'In the future, RFC 3339.', examples: ['2126-01-01T00:00:00Z'] })
export const NewLicense = Strict(
  {
    organization_id: IdOf('organization'),
    plan_id: IdOf('license plan'),
    name: Type.Optional(about.name),
    metadata: Type.Optional(Metadata),
    status: Type.Optional(OneOf(['draft', 'active'], { description: 'A draft allows nothing until it is issued.' })),
    starts_at: Type.Optional(Type.String({ ...Time, description: 'By default now.' })),
    expires_at: Type.Optional(Expiry),
  },
  { title: 'NewLicense' },
)
export type NewLicense = Static<typeof NewLicense>
export const LicenseChanges = Strict(
  { name: Type.Optional(about.name), metadata: Type.Optional(MetadataChanges) },
  { title: 'LicenseChanges', minProperties: 1 },
)
export type LicenseChanges = Static<typeof LicenseChanges>
export const LicenseReplacement = Strict(
  { name: Type.Optional(about.name), metadata: Type.Optional(Metadata) },
  { title: 'LicenseReplacement', description: 'Omitted fields are reset.' },
)
export const LicenseExtension = Strict({ expires_at: Expiry }, { title: 'LicenseExtension' })
export const LicensePlanChoice = Strict({ plan_id: IdOf('license plan') }, { title: 'LicensePlanChoice' })
export const LicenseTransfer = Strict({ organization_id: IdOf('organization') }, { title: 'LicenseTransfer' })

export const licenseFilters = {
  sort: OneOf(['-created_at', 'created_at'], { default: '-created_at' }),
  status: Type.Optional(OneOf(statuses)),
  plan_id: Type.Optional(IdOf('license plan')),
}
export const operatorFilters = {
  ...licenseFilters,
  organization_id: Type.Optional(IdOf('organization')),
  key_prefix: Type.Optional(Type.String({ minLength: 5, maxLength: 5, pattern: '^[0-9A-HJKMNP-TV-Z]{5}$' })),
}
export type OperatorFilters = Static<TObject<typeof operatorFilters>>

/** Why an operator does something; the operators' log keeps it. */
export const Reason = Type.Optional(Type.String({ ...Text, maxLength: 500 }))
