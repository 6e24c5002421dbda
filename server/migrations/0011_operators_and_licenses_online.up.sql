-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- The part of 0010_operators_and_licenses that lets others work.

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

-- lock: SHARE UPDATE EXCLUSIVE on security_events: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently security_events_actor on {{schema}}.security_events using btree (actor_id, id);

-- lock: SHARE UPDATE EXCLUSIVE on security_events: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently security_events_ip on {{schema}}.security_events using btree (ip, id);

-- lock: SHARE UPDATE EXCLUSIVE on security_events: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently security_events_type on {{schema}}.security_events using btree (type, id);

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently sessions_ip on {{schema}}.sessions using btree (ip, id);

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently sessions_last_seen_at on {{schema}}.sessions using btree (last_seen_at, id);

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently sessions_organization_id on {{schema}}.sessions using btree (organization_id, id);

-- lock: SHARE UPDATE EXCLUSIVE on throttles: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently throttles_locked on {{schema}}.throttles using btree (locked_until)
  where (locked_until is not null);

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently users_deleted on {{schema}}.users using btree (id)
  where ((deleted_at is not null) AND (erased_at is null));

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently users_disabled on {{schema}}.users using btree (id)
  where (disabled_at is not null);

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently users_guest on {{schema}}.users using btree (id)
  where guest;

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently users_superuser on {{schema}}.users using btree (id)
  where superuser;

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently users_unverified on {{schema}}.users using btree (id)
  where ((not email_verified) AND (erased_at is null));

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently organizations_words on {{schema}}.organizations
  using gin ({{schema}}.organization_words(name, slug));

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently users_words on {{schema}}.users
  using gin ({{schema}}.account_words(email, username, given_name, family_name, full_name))
  where (erased_at is null);
