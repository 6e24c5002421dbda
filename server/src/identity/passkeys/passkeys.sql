-- Passkeys, which are two factors at once. Users list and rename their own; keys and counters are the system login's.
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

alter table passkeys enable row level security;
grant select, insert, update, delete on passkeys to freehold_system;
create policy system on passkeys to freehold_system using (true);
grant select (id, user_id, name, transports, backed_up, created_at, updated_at, last_used_at, version), update (name) on passkeys to freehold_tenant;
create policy self on passkeys for select to freehold_tenant using (user_id = (select user_id from self));
create policy self_update on passkeys for update to freehold_tenant using (user_id = (select user_id from self));
create constraint trigger still_open after update on passkeys deferrable initially deferred for each row execute function still_open();
