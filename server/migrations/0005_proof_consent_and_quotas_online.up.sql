-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- The part of 0004_proof_consent_and_quotas that lets others work.

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently invitations_over on {{schema}}.invitations
  using btree (COALESCE(accepted_at, revoked_at, expires_at));

-- lock: SHARE UPDATE EXCLUSIVE on memberships: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently memberships_role on {{schema}}.memberships using btree (organization_id, role_id)
  where (role_id is not null);
