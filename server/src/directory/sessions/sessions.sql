-- One row for each session. The refresh token is derived (session, generation, MAC), so no token is stored.
create table sessions (
  id               uuid not null default new_id() primary key,
  user_id          uuid not null references users,
  organization_id  uuid, -- the organization chosen last, which a refresh without one uses; a hint, not a foreign key
  generation       integer not null default 1,
  rotated_at       timestamptz[] not null default '{}', -- when the latest generations were rotated, newest last
  authenticated_at timestamptz not null default now(),
  methods          text[] not null default '{password}', -- the authentication methods that were verified
  second_factor_at timestamptz, -- null: only one factor was verified
  device_id        uuid,        -- a hint, not a foreign key: devices are deleted sooner than sessions
  user_agent       text,
  ip               text,
  created_at       timestamptz not null default now(),
  last_seen_at     timestamptz not null default now(),
  expires_at       timestamptz not null,
  revoked_at       timestamptz,
  revoked_reason   text,
  gate_changed_in  xid8,        -- as in users
  over_noted       boolean not null default false -- that it was revoked or has expired; a job notes it within about an hour
);
create index sessions_user_id on sessions (user_id, id);
-- The lists of operators, who filter and sort the sessions of all users.
create index sessions_last_seen_at on sessions (last_seen_at, id);
create index sessions_organization_id on sessions (organization_id, id);
create index sessions_ip on sessions (ip, id);
-- Those that may be active. The condition is not on revoked_at, so that a revocation rewrites its row in the page (HOT).
create index sessions_not_over on sessions (id) where not over_noted;
create index sessions_not_over_last_seen_at on sessions (last_seen_at, id) where not over_noted;

alter table sessions enable row level security;
grant select (id, user_id, organization_id, authenticated_at, methods, second_factor_at, device_id, user_agent, ip, created_at, last_seen_at, expires_at,
  revoked_at, revoked_reason), update (revoked_at, revoked_reason, organization_id) on sessions to freehold_tenant;
grant select, insert, update, delete on sessions to freehold_system;
create policy system on sessions to freehold_system using (true);
