-- Recovery codes replace a lost second factor. Users see how many are left; only the system login reads the codes.
create table recovery_codes (
  user_id    uuid not null references users on delete cascade,
  code_hash  bytea not null, -- HMAC-SHA-256 of 120 random bits
  created_at timestamptz not null default now(),
  used_at    timestamptz,
  primary key (user_id, code_hash)
);
select person_table('recovery_codes', shows => '{user_id, used_at}');
