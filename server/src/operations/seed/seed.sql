-- The accounts that `freehold seed` created, each with a digest of the password hash that it got: outside development
-- the service does not start while such an account still has that password, which is public.
create table seeded_accounts (
  user_id     uuid not null primary key references users on delete cascade,
  hash_digest bytea not null
);
alter table seeded_accounts enable row level security;
grant select, insert, delete on seeded_accounts to freehold_system;
create policy system on seeded_accounts to freehold_system using (true);
