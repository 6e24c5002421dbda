-- Browsers and apps that a person has signed in with. A known device has failures of its own, so a stranger cannot lock it
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

-- Guesses, counted before they are verified: by account or unknown name, by known device, by address of the client.
create table throttles (
  key           text not null primary key,
  failures      integer not null default 0,
  pending       integer not null default 0, -- being verified right now
  pending_until timestamptz,                -- after that their process has died: they count as failures
  locked_until  timestamptz,
  updated_at    timestamptz not null default now()
);
create index throttles_updated_at on throttles (updated_at);

alter table throttles enable row level security;
grant select, insert, update, delete on throttles to freehold_system;
create policy system on throttles to freehold_system using (true);
