-- Users. An account belongs to the user, not to an organization, so this table has no organization_id.
create table users (
  id                   uuid not null default new_id() primary key,
  email                text not null constraint users_email_key unique check (email = lower(email)),
  username             text constraint users_username_key unique check (username = lower(username)),
  password_hash        text,
  given_name           text,
  family_name          text,
  full_name            text,
  superuser            boolean not null default false,
  email_verified_at    timestamptz,
  email_verified       boolean not null generated always as (email_verified_at is not null) stored,
  last_organization_id uuid, -- a hint for the next sign-in, not a key: global tables do not reference tables of an organization
  unopened_organization_ids uuid[] not null default '{}', -- joined by invitation and not yet chosen by a session, the newest last; also hints
  locale               text check (locale in ('en', 'de')), -- of emails; null: the operator's default
  disabled_at          timestamptz,
  deleted_at           timestamptz,
  erased_at            timestamptz, -- when a deleted account's personal values were overwritten
  gate_changed_in      xid8,        -- the last transaction that changed columns that the gate reads; set only by a trigger
  created_at           timestamptz not null default now(),
  updated_at           timestamptz not null default now(),
  version              integer not null default 1,
  guest                boolean not null default false, -- a viewer in every organization, without a personal one
  superuser_since      timestamptz, -- both are set by the trigger note_superuser
  superuser_through    uuid[] not null default '{}', -- the operator who gave the role, the one who gave it to that operator, and so on; {}: the command line or the configuration
  password_change_required_at timestamptz -- an operator required a new password; a sign-in with the present one sets it first
);
-- Deleted accounts that are not erased yet.
create index users_deleted_at on users (deleted_at) where deleted_at is not null and erased_at is null;
-- The filters of operators that few accounts match.
create index users_superuser on users (id) where superuser;
create index users_guest on users (id) where guest;
create index users_disabled on users (id) where disabled_at is not null;
create index users_deleted on users (id) where deleted_at is not null and erased_at is null;
create index users_unverified on users (id) where not email_verified and erased_at is null;
-- Without last_organization_id: a sign-in to another organization changes nothing that a client reads.
create trigger touch before update of email, username, password_hash, given_name, family_name, full_name, superuser, guest,
  email_verified_at, locale, disabled_at, deleted_at, password_change_required_at on users for each row execute function touch();

-- An organization counts as opened when a session chooses it for the first time.
create function open_organization() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  new.unopened_organization_ids := array_remove(new.unopened_organization_ids, new.last_organization_id);
  return new;
end $$;
revoke execute on function open_organization() from public;
create trigger open_organization before update of last_organization_id on users for each row execute function open_organization();

-- Enabled, not forced: the gate's views read this table as its owner.
alter table users enable row level security;
grant select (id, email, username, given_name, family_name, full_name, superuser, guest, email_verified, locale, disabled_at,
  deleted_at, erased_at, created_at, updated_at, version) on users to freehold_tenant;
grant update (username, given_name, family_name, full_name, locale, last_organization_id) on users to freehold_tenant;
grant select, insert, update on users to freehold_system;
create policy system on users to freehold_system using (true);
-- Accounts that can be used: neither disabled nor deleted. Sign-in considers only these.
create view live_users with (security_barrier) as select * from users where disabled_at is null and deleted_at is null;
grant select, update on live_users to freehold_system;

-- Verified addresses that an account had before: emails to them and rows about them still concern its user.
create table former_addresses (
  user_id    uuid not null references users on delete cascade,
  email      text not null check (email = lower(email)),
  held_until timestamptz not null default now(),
  primary key (user_id, email, held_until)
);
create index former_addresses_email on former_addresses (email, held_until);
alter table former_addresses enable row level security;
grant select, insert, delete on former_addresses to freehold_system;
create policy system on former_addresses to freehold_system using (true);
create function keep_former_address() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  insert into former_addresses (user_id, email) values (old.id, old.email) on conflict do nothing;
  return null;
end $$;
revoke execute on function keep_former_address() from public;
create trigger former_address after update of email on users for each row
  when (old.email is distinct from new.email and old.email_verified and new.erased_at is null) execute function keep_former_address();
-- The address of an account, and those that it had. If another account has or had it since, rows after `held_until` belong to
-- that account. An address that was never verified is left out: it may be a stranger's.
create view account_addresses with (security_barrier) as
  select id as user_id, email, null::timestamptz as held_until, email_verified from users
  union all
  select f.user_id, f.email, case when exists (select from users u where u.email = f.email and u.id <> f.user_id)
      or exists (select from former_addresses g where g.email = f.email and g.user_id <> f.user_id and g.held_until > f.held_until)
    then f.held_until end, true
  from former_addresses f;
grant select on account_addresses to freehold_system;

-- The names of erased accounts, as keyed digests, if a setting prevents their reuse.
create table retired_names (
  digest     bytea not null primary key,
  retired_at timestamptz not null default now()
);
alter table retired_names enable row level security;
grant select, insert, delete on retired_names to freehold_system;
grant select (digest) on retired_names to freehold_tenant;
create policy system on retired_names to freehold_system using (true);
