-- What a person carries from one step to the next: a link in a mail, the pause before the second factor, a challenge. The
-- token itself is derived from the id (platform/tokens/one-time-tokens.ts), so whoever reads this table holds none.
create table one_time_tokens (
  id         uuid not null default new_id() primary key,
  purpose    text not null,
  user_id    uuid references users on delete cascade, -- none while nobody has looked whose the address is
  email      text,                                    -- where it is sent, lowered
  details    jsonb not null default '{}',
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at    timestamptz
);
create index one_time_tokens_email on one_time_tokens (email, purpose, id) where email is not null;
create index one_time_tokens_user_id on one_time_tokens (user_id, purpose);
create index one_time_tokens_expires_at on one_time_tokens (expires_at);

alter table one_time_tokens enable row level security;
grant select, insert, update, delete on one_time_tokens to freehold_system;
create policy system on one_time_tokens to freehold_system using (true);
