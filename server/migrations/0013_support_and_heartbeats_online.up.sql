-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- The part of 0012_support_and_heartbeats that lets others work.

-- lock: SHARE UPDATE EXCLUSIVE on licenses: reads and writes go on while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."licenses"
  validate constraint "licenses_transferred";

-- lock: SHARE UPDATE EXCLUSIVE on licenses: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently licenses_plan_id on {{schema}}.licenses using btree (plan_id, id);

-- lock: SHARE UPDATE EXCLUSIVE on licenses: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently licenses_status on {{schema}}.licenses using btree (status, id)
  where (status <> 'active'::text);

-- lock: SHARE UPDATE EXCLUSIVE on operator_log: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently operator_log_entity_type on {{schema}}.operator_log using btree (entity_type, id)
  where (entity_type is not null);

-- lock: SHARE UPDATE EXCLUSIVE on operator_log: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently operator_log_operation on {{schema}}.operator_log using btree (operation, id);

-- lock: SHARE UPDATE EXCLUSIVE on operator_log: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently operator_log_request on {{schema}}.operator_log using btree (request_id, id)
  where (request_id is not null);

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently sessions_not_over_last_seen_at on {{schema}}.sessions using btree (last_seen_at, id)
  where (not over_noted);

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently sessions_not_over on {{schema}}.sessions using btree (id)
  where (not over_noted);
