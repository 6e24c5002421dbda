-- Authenticator apps. Users see whether they have one; the secret is the system login's.
create table totp_factors (
  user_id      uuid not null primary key references users on delete cascade,
  secret       bytea not null, -- encrypted under SECRET_KEY, bound to the user
  last_step    bigint,         -- the time step of the latest accepted code: none is accepted twice (RFC 6238, section 5.2)
  confirmed_at timestamptz,
  created_at   timestamptz not null default now()
);
alter table totp_factors enable row level security;
grant select, insert, update, delete on totp_factors to freehold_system;
grant select (user_id, confirmed_at) on totp_factors to freehold_tenant;
create policy system on totp_factors to freehold_system using (true);
create policy self on totp_factors for select to freehold_tenant using (user_id = (select user_id from self));
