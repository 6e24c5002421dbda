-- The first result of a POST with an Idempotency-Key, stored for 24 hours. The row belongs to the caller.
create table idempotency_keys (
  user_id         uuid not null references users on delete cascade,
  route           text not null,
  key             text not null,
  organization_id uuid,
  request_hash    text not null,
  result          jsonb not null,
  created_at      timestamptz not null default now(),
  primary key (user_id, route, key)
);
create index idempotency_keys_created_at on idempotency_keys (created_at);
alter table idempotency_keys enable row level security;
create policy self on idempotency_keys to freehold_tenant using (user_id = (select user_id from self));
create policy system on idempotency_keys to freehold_system using (true);
grant select, insert, update, delete on idempotency_keys to freehold_tenant;
grant select, insert, update, delete on idempotency_keys to freehold_system; -- for operators, and for the retention job
