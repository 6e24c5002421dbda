-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- Takes 0007_organizations_online back.

-- lock: SHARE UPDATE EXCLUSIVE on roles: reads and writes go on
drop index concurrently if exists {{schema}}."roles_name_key";

-- lock: SHARE UPDATE EXCLUSIVE on one_time_tokens: reads and writes go on
drop index concurrently if exists {{schema}}."one_time_tokens_mail_at";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on
drop index concurrently if exists {{schema}}."invitations_to";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on
drop index concurrently if exists {{schema}}."invitations_role";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on
drop index concurrently if exists {{schema}}."invitations_revoked";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on
drop index concurrently if exists {{schema}}."invitations_open";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on
drop index concurrently if exists {{schema}}."invitations_email";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on
drop index concurrently if exists {{schema}}."invitations_accepted";
