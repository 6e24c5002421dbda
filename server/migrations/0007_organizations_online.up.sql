-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- The part of 0006_organizations that lets others work.

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on while every row is checked, 10 to 60 seconds for 10 million rows
alter table {{schema}}."invitations"
  validate constraint "invitations_role_fkey";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."invitations"
  validate constraint "invitations_role_id";

-- lock: SHARE UPDATE EXCLUSIVE on roles: reads and writes go on while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."roles"
  validate constraint "roles_name_reserved";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently invitations_role on {{schema}}.invitations using btree (organization_id, role_id)
  where (role_id is not null);

-- lock: SHARE UPDATE EXCLUSIVE on roles: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create unique index concurrently roles_name_key on {{schema}}.roles using btree (organization_id, name_key)
  where (deleted_at is null);
