-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- The part of 0006_organizations that lets others work.

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."invitations"
  validate constraint "invitations_of_guests";

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently invitations_email on {{schema}}.invitations using btree (email);
