-- One row a signed-in device. The refresh token is derived (session, generation, MAC): no token stands here.
create table sessions (
  id               uuid not null default new_id() primary key,
  user_id          uuid not null references users,
  organization_id  uuid, -- the organization chosen last, where a refresh that names none goes; a hint, not a key
  generation       integer not null default 1,
  rotated_at       timestamptz[] not null default '{}', -- when the latest generations were handed on, newest last
  authenticated_at timestamptz not null default now(),
  methods          text[] not null default '{password}', -- how the person proved who they are
  second_factor_at timestamptz, -- none: by one factor alone
  device_id        uuid,        -- a hint, not a key: devices are forgotten sooner than sessions
  user_agent       text,
  ip               text,
  created_at       timestamptz not null default now(),
  last_seen_at     timestamptz not null default now(),
  expires_at       timestamptz not null,
  revoked_at       timestamptz,
  revoked_reason   text,
  gate_changed_in  xid8         -- as in users
);
create index sessions_user_id on sessions (user_id, id);

alter table sessions enable row level security;
grant select (id, user_id, organization_id, authenticated_at, methods, second_factor_at, device_id, user_agent, ip, created_at, last_seen_at, expires_at,
  revoked_at, revoked_reason), update (revoked_at, revoked_reason, organization_id) on sessions to freehold_tenant;
grant select, insert, update, delete on sessions to freehold_system;
create policy system on sessions to freehold_system using (true);
