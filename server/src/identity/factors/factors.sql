-- Second factors, and passkeys, which are both factors at once. Only the system login reads them.
create table totp_factors (
  user_id      uuid not null primary key references users on delete cascade,
  secret       bytea not null, -- encrypted under SECRET_KEY, bound to the user
  last_step    bigint,         -- the time step of the latest accepted code: none is accepted twice (RFC 6238, section 5.2)
  confirmed_at timestamptz,
  created_at   timestamptz not null default now()
);

create table recovery_codes (
  user_id    uuid not null references users on delete cascade,
  code_hash  bytea not null, -- HMAC-SHA-256 of 120 random bits
  created_at timestamptz not null default now(),
  used_at    timestamptz,
  primary key (user_id, code_hash)
);

create table passkeys (
  id            uuid not null default new_id() primary key,
  user_id       uuid not null references users on delete cascade,
  credential_id bytea not null constraint passkeys_credential_id_key unique,
  public_key    bytea not null, -- COSE
  counter       bigint not null default 0,
  transports    text[] not null default '{}',
  name          text not null,
  backed_up     boolean not null default false,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  last_used_at  timestamptz,
  version       integer not null default 1
);
create index passkeys_user_id on passkeys (user_id, id);
create trigger touch before update of name on passkeys for each row execute function touch();

-- Which second factors an account has: what a sign-in by password must be followed by.
create view second_factors with (security_barrier) as
  select users.id as user_id,
    exists (select from totp_factors t where t.user_id = users.id and t.confirmed_at is not null) as totp,
    exists (select from passkeys p where p.user_id = users.id) as passkey,
    (select count(*) from recovery_codes r where r.user_id = users.id and r.used_at is null)::int as recovery_codes
  from users;
grant select on second_factors to freehold_system;

-- A sign-in that waits for its second factor has proved a password that holds no more.
create function end_waiting_sign_ins() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  update one_time_tokens set used_at = now() where user_id = new.id and purpose = 'mfa' and used_at is null;
  return null;
end $$;
revoke execute on function end_waiting_sign_ins() from public;
create trigger end_waiting_sign_ins after update of password_hash on users for each row
  when (old.password_hash is distinct from new.password_hash) execute function end_waiting_sign_ins();

alter table totp_factors enable row level security;
grant select, insert, update, delete on totp_factors to freehold_system;
create policy system on totp_factors to freehold_system using (true);
alter table recovery_codes enable row level security;
grant select, insert, update, delete on recovery_codes to freehold_system;
create policy system on recovery_codes to freehold_system using (true);
alter table passkeys enable row level security;
grant select, insert, update, delete on passkeys to freehold_system;
create policy system on passkeys to freehold_system using (true);
