-- Recovery codes stand in for a second factor. Users see how many are left; the codes are the system login's.
create table recovery_codes (
  user_id    uuid not null references users on delete cascade,
  code_hash  bytea not null, -- HMAC-SHA-256 of 120 random bits
  created_at timestamptz not null default now(),
  used_at    timestamptz,
  primary key (user_id, code_hash)
);
alter table recovery_codes enable row level security;
grant select, insert, update, delete on recovery_codes to freehold_system;
grant select (user_id, used_at) on recovery_codes to freehold_tenant;
create policy system on recovery_codes to freehold_system using (true);
create policy self on recovery_codes for select to freehold_tenant using (user_id = (select user_id from self));
