-- What operators sell: the terms of licenses. A license has a copy of the terms of its plan.
create table license_plans (
  id                      uuid not null default new_id() primary key,
  code                    text not null constraint license_plans_code_key unique check (code ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(code) <= 63),
  name                    text not null,
  description             text,
  seats                   integer check (seats >= 0),                -- null: unlimited, as in the next ones
  max_activations         integer check (max_activations >= 0),
  overage_percent         integer not null default 0 check (overage_percent between 0 and 1000), -- how far the maxima may be exceeded
  quotas                  jsonb not null default '{}' check (jsonb_typeof(quotas) = 'object'),
  entitlements            text[] not null default '{}',
  activation              text not null default 'node-locked' check (activation in ('node-locked', 'floating')),
  heartbeat_seconds       integer check (heartbeat_seconds >= 1),    -- null: no heartbeat
  heartbeat_grace_seconds integer not null default 0 check (heartbeat_grace_seconds >= 0),
  duration_days           integer check (duration_days >= 1),        -- null: without an end
  expiry_basis            text not null default 'creation' check (expiry_basis in ('creation', 'first-validation', 'first-activation')),
  on_expiry               text not null default 'restrict' check (on_expiry in ('restrict', 'read-only', 'keep')),
  is_default              boolean not null default false,
  created_at              timestamptz not null default now(),
  updated_at              timestamptz not null default now(),
  version                 integer not null default 1,
  -- Whoever signs up is the first member of an organization that follows the default.
  constraint license_plans_default_has_seat check (not is_default or seats >= 1)
);
-- At most one: what organizations without a license may use.
create unique index license_plans_is_default on license_plans (is_default) where is_default;
create index license_plans_name on license_plans (name, id);
create trigger touch before update on license_plans for each row execute function touch();
alter table license_plans enable row level security;
create policy system on license_plans to freehold_system using (true);
create policy signed_in on license_plans for select to freehold_tenant using (exists (select from self));
create policy owner_reads on license_plans for select to freehold_owner using (true);
grant select, insert, update, delete on license_plans to freehold_system;
grant select on license_plans to freehold_tenant;

-- A plan that becomes the default replaces the former one.
create function replace_default_plan() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  update license_plans set is_default = false where is_default and id <> new.id;
  return new;
end $$;
revoke execute on function replace_default_plan() from public;
create trigger replace_default before insert or update of is_default on license_plans for each row when (new.is_default) execute function replace_default_plan();

-- The maxima of an allowance: what the terms allow, with the overage, as far as JSON has integers.
create function maxima_of(seats integer, quotas jsonb, overage_percent integer) returns jsonb language sql immutable set search_path = {{schema}}, pg_temp as $$
  select coalesce(jsonb_object_agg(key, case when maximum is not null then least(floor(maximum::numeric * (100 + overage_percent) / 100), 9007199254740991) end), '{}')
  from (select 'seats' as key, seats::text as maximum union all select key, value from jsonb_each_text(quotas)) as maxima $$;
revoke execute on function maxima_of(integer, jsonb, integer) from public;

-- The default plan is the default allowance.
create function keep_default_allowance() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  if tg_op <> 'INSERT' and old.is_default and (tg_op = 'DELETE' or not new.is_default) then
    delete from default_allowance;
  end if;
  if tg_op <> 'DELETE' and new.is_default then
    insert into default_allowance (maxima, entitlements) values (maxima_of(new.seats, new.quotas, new.overage_percent), new.entitlements)
    on conflict (only_one) do update set maxima = excluded.maxima, entitlements = excluded.entitlements;
  end if;
  return null;
end $$;
revoke execute on function keep_default_allowance() from public;
create trigger default_allowance after insert or update or delete on license_plans for each row execute function keep_default_allowance();
-- What organizations use by default is in use, as the plan of a license is (licenses_plan_fkey).
create function keep_default_plan() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  raise exception 'the plan is the default' using errcode = '23514', constraint = 'license_plans_default_in_use';
end $$;
revoke execute on function keep_default_plan() from public;
create trigger keep_default before delete on license_plans for each row when (old.is_default) execute function keep_default_plan();
