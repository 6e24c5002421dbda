-- Passkeys, which are two factors at once. Users list and rename their own; only the system login reads keys and
-- counters.
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
select person_table('passkeys', shows => '{id, user_id, credential_id, name, transports, backed_up, created_at, updated_at, last_used_at, version}', changes => '{name}');
