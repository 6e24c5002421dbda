import { createHash } from 'node:crypto'
import { bytesOfId, idOfDigest } from '../../platform/database/ids.ts'

/** The namespace of the ids of personal organizations (docs/decisions/0004). */
const NAMESPACE = bytesOfId('3b2f6f0e-9f0c-5c57-8f2a-6a0d3f1f8b11')

/** A personal organization's id: UUIDv5 (RFC 9562, section 5.5) of its owner's id. */
export const personalOrganizationId = (user_id: string): string =>
  idOfDigest(createHash('sha1').update(NAMESPACE).update(user_id).digest(), 5)

/** A personal organization's slug, which says nothing about its owner. */
export const personalSlug = (organization_id: string): string =>
  `personal-${organization_id.replaceAll('-', '').slice(0, 20)}`
