-- Browsers and apps that a user has signed in with. A known device has failures of its own, so a stranger cannot lock it
-- out, and may be trusted to skip the second factor for a while. Its token is derived from the id.
create table devices (
  id            uuid not null default new_id() primary key,
  user_id       uuid not null references users on delete cascade,
  user_agent    text,
  ip            text,
  trusted_until timestamptz, -- until then it skips the second factor
  created_at    timestamptz not null default now(),
  last_seen_at  timestamptz not null default now(),
  revoked_at    timestamptz
);
create index devices_user_id on devices (user_id, id);

alter table devices enable row level security;
grant select, update (revoked_at) on devices to freehold_tenant;
grant select, insert, update, delete on devices to freehold_system;
create policy system on devices to freehold_system using (true);

create policy self on devices for select to freehold_tenant using (user_id = (select user_id from self));
create policy self_revoke on devices for update to freehold_tenant
  using (user_id = (select user_id from self) and revoked_at is null)
  with check (user_id = (select user_id from self) and revoked_at is not null);
create constraint trigger still_open after update on devices deferrable initially deferred for each row execute function still_open();
