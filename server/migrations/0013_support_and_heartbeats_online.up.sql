-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- The part of 0012_support_and_heartbeats that lets others work.

-- lock: SHARE UPDATE EXCLUSIVE on licenses: reads and writes go on while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."licenses"
  validate constraint "licenses_transferred";

-- lock: SHARE UPDATE EXCLUSIVE on license_activations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently license_activations_license on {{schema}}.license_activations
  using btree (organization_id, license_id, id);

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently sessions_not_over_last_seen_at on {{schema}}.sessions using btree (last_seen_at, id)
  where (not over_noted);

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently sessions_not_over on {{schema}}.sessions using btree (id)
  where (not over_noted);
