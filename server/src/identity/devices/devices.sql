-- Browsers and apps in which a user has signed in. A known device has its own failure counter, so that strangers cannot
-- lock it out, and can be trusted to skip the second factor for a while. Its token is derived from the id.
create table devices (
  id            uuid not null default new_id() primary key,
  user_id       uuid not null references users on delete cascade,
  user_agent    text,
  ip            text,
  trusted_until timestamptz, -- until this time it skips the second factor
  created_at    timestamptz not null default now(),
  last_seen_at  timestamptz not null default now(),
  revoked_at    timestamptz
);
create index devices_user_id on devices (user_id, id);
select person_table('devices', changes => '{revoked_at}', revocable => true);
