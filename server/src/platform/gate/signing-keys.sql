-- Keys that sign access tokens; the private half is encrypted under SECRET_KEY. Only the system login sees this table.
create table signing_keys (
  id          text not null primary key, -- the token's `kid`
  algorithm   text not null,
  public_key  text,                      -- SPKI, PEM; none for HS256
  private_key bytea not null,
  created_at  timestamptz not null default now(),
  retired_at  timestamptz                -- no longer signs, but verifies until its last token has expired
);
alter table signing_keys enable row level security;
grant select, insert, update, delete on signing_keys to freehold_system;
create policy system on signing_keys to freehold_system using (true);
