-- Authenticator apps. Users see whether they have one; the secret is the system login's.
create table totp_factors (
  user_id      uuid not null primary key references users on delete cascade,
  secret       bytea not null, -- encrypted under SECRET_KEY, bound to the user
  last_step    bigint,         -- the time step of the latest accepted code: none is accepted twice (RFC 6238, section 5.2)
  confirmed_at timestamptz,
  created_at   timestamptz not null default now(),
  id           uuid not null default new_id() -- of this enrolment: another one has another
);
select person_table('totp_factors', shows => '{user_id, confirmed_at}');
