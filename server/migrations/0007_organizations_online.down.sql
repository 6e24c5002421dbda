-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- Takes 0007_organizations_online back.

-- lock: SHARE UPDATE EXCLUSIVE on roles: reads and writes go on
drop index concurrently if exists {{schema}}."roles_name_key";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on
drop index concurrently if exists {{schema}}."invitations_role";
