import { randomUUIDv7 } from 'node:crypto'
import type pg from 'pg'
import { hashRecoveryCode } from '../../src/identity/factors/recovery-codes.ts'
import { Fingerprint } from '../../src/product/license-activations/activations.ts'
import { createLicenseKey } from '../../src/product/licenses/license-key.ts'
import type { Resource } from './operations.ts'
import { buildCreation } from './requests.ts'
import type { Kind } from './values.ts'
import type { World } from './world.ts'

/**
 * Gives a user and an organization an invitation with a link, one to the user, a request for support access, a device, a
 * passkey with recovery codes, an identity, and a license with two activations, without
 * policies.
 */
export async function giveFixtures(
  admin: pg.Pool,
  recoveryKey: Buffer,
  { user_id, organization_id, word }: { user_id: string; organization_id: string; word: string },
) {
  const own = {
    invitation: randomUUIDv7(),
    'own invitation': randomUUIDv7(),
    device: randomUUIDv7(),
    passkey: randomUUIDv7(),
    identity: randomUUIDv7(),
    'support access': randomUUIDv7(),
    'license plan': randomUUIDv7(),
    license: randomUUIDv7(),
    'license activation': randomUUIDv7(),
  }
  const licensed = createLicenseKey()
  const codes = Array.from({ length: 10 }, (_, number) => `${word}-${number}`)
  const hashes = codes.map(code => hashRecoveryCode(recoveryKey, user_id, code))
  await admin.query({
    name: 'fixtures',
    text: `
      with invitation as (insert into invitations (organization_id, id, email, role, invited_by, expires_at)
          select organization_id, $3, 'invited-' || $7 || '@example.com', 'viewer', user_id, now() + interval '1 day'
          from live_inviters where organization_id = $1 order by user_id = $2 limit 1 returning organization_id, id, invited_by),
        link as (insert into invitation_links (organization_id, invitation_id, created_by) select organization_id, id, invited_by from invitation),
        inviter as (insert into users (id, email) select $9, 'inviter-' || $7 || '@example.com'),
        elsewhere as (insert into organizations (id, name, slug) select $9, 'Inviting ' || $7, 'inviting-' || $7),
        inviting as (insert into memberships (organization_id, user_id, role) select $9, $9, 'owner'),
        own_invitation as (insert into invitations (organization_id, id, email, role, invited_by, expires_at)
          select $9, $10, email, 'viewer', $9, now() + interval '1 day' from users where id = $2),
        support as (insert into support_grants (organization_id, id, operator_id, reason) values ($1, $11, $9, 'Asked for ' || $7)),
        device as (insert into devices (id, user_id, user_agent, trusted_until) values ($4, $2, 'device of ' || $7, now() + interval '1 day')),
        codes as (insert into recovery_codes (user_id, code_hash) select $2, unnest($8::bytea[])),
        plan as (insert into license_plans (id, code, name, description) values ($12, 'plan-' || $13::uuid, 'Plan', 'Sold') returning *),
        license as (insert into licenses (organization_id, id, plan_id, name, key_prefix, key_hash, overage_percent, quotas, entitlements, activation, heartbeat_grace_seconds, expiry_basis, on_expiry)
          select $1, $13, id, 'License of ' || $7, $14, $15, overage_percent, quotas, entitlements, activation, heartbeat_grace_seconds, expiry_basis, on_expiry from plan),
        activation as (insert into license_activations (organization_id, id, license_id, fingerprint, name)
          values ($1, $16, $13, $17, 'Device ' || $7), ($1, $18, $13, $7, 'Other device ' || $7)),
        passkey as (insert into passkeys (id, user_id, credential_id, public_key, name) values ($5, $2, convert_to($7, 'UTF8'), '\\x00', 'Key of ' || $7))
      insert into identities (id, user_id, provider, issuer, subject, email) values ($6, $2, 'google', 'https://accounts.google.com', $7, $7 || '@example.net')`,
    values: [
      organization_id,
      user_id,
      own.invitation,
      own.device,
      own.passkey,
      own.identity,
      word,
      hashes,
      randomUUIDv7(),
      own['own invitation'],
      own['support access'],
      own['license plan'],
      own.license,
      '0QZ7A', // the same for all, so that it does not distinguish two worlds
      licensed.hash,
      own['license activation'],
      (Fingerprint as { examples?: string[] }).examples?.[0],
      randomUUIDv7(),
    ],
  })
  return { own, license_key: licensed.key, nextProof: () => ({ recovery_code: codes.pop() ?? 'none' }) }
}

/**
 * Creates one of each resource by its own operation, from the schemas' examples, and adds the ids to those of the
 * organization. @throws Error with the response, if an example is refused
 */
export async function makeResources(
  call: World['call'],
  resources: readonly Resource[],
  own: Record<Kind, string>,
  word?: string,
): Promise<void> {
  for (const resource of resources) {
    const { path, body } = buildCreation(resource, own, word)
    const answer = await call('POST', path, body)
    if (answer.status !== 201)
      throw new Error(
        `the isolation attack makes a ${resource.kind} from the examples of its schema, and ${resource.create.id} answered ${answer.status} ${answer.text} to ${JSON.stringify(body)}: give the fields examples that it takes`,
      )
    own[resource.kind] = answer.body.id
  }
}
