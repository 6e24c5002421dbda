-- Authenticator apps. Users see whether they have one; only the system login reads the secret.
create table totp_factors (
  user_id      uuid not null primary key references users on delete cascade,
  secret       bytea not null, -- encrypted under SECRET_KEY, bound to the user
  last_step    bigint,         -- the time step of the latest accepted code: none is accepted twice (RFC 6238, section 5.2)
  confirmed_at timestamptz,
  created_at   timestamptz not null default now(),
  id           uuid not null default new_id() -- the id of this enrolment; a new enrolment gets a new id
);
select person_table('totp_factors', shows => '{user_id, confirmed_at}');
