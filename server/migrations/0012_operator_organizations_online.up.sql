-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- The part of 0011_operator_organizations that lets others work.

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."organizations"
  validate constraint "organizations_suspended_reason";

-- lock: SHARE UPDATE EXCLUSIVE on audit_log_default: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently audit_log_default_actor on {{schema}}.audit_log_default using btree (actor_id, id);

-- lock: SHARE UPDATE EXCLUSIVE on audit_log_default: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently audit_log_default_id on {{schema}}.audit_log_default using btree (id);

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently organizations_created_at on {{schema}}.organizations using btree (created_at, id);

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently organizations_deleted on {{schema}}.organizations using btree (created_at, id)
  where (deleted_at is not null);

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently organizations_suspended on {{schema}}.organizations using btree (created_at, id)
  where (suspended_at is not null);

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently organizations_words on {{schema}}.organizations
  using gin ({{schema}}.organization_words(name, slug));
