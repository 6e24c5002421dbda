-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- Takes 0005_proof_consent_and_quotas_online back.

-- lock: SHARE UPDATE EXCLUSIVE on memberships: reads and writes go on
drop index concurrently if exists {{schema}}."memberships_role";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on
drop index concurrently if exists {{schema}}."invitations_over";
