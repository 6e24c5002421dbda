-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- The part of 0006_many_invitations that lets others work.

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently invitations_accepted on {{schema}}.invitations using btree (organization_id, id)
  where (accepted_at is not null);

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently invitations_email on {{schema}}.invitations using btree (organization_id, email, id);

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently invitations_open on {{schema}}.invitations using btree (organization_id, expires_at)
  where ((accepted_at is null) AND (revoked_at is null));

-- lock: SHARE UPDATE EXCLUSIVE on invitations: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently invitations_revoked on {{schema}}.invitations using btree (organization_id, id)
  where (revoked_at is not null);

-- lock: SHARE UPDATE EXCLUSIVE on one_time_tokens: reads and writes go on; 10 to 60 seconds for 10 million rows, twice that when it is busy
create index concurrently one_time_tokens_mail_at on {{schema}}.one_time_tokens using btree (sender, mail_at)
  where (mail_at is not null);
