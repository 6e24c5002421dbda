-- Only triggers write these tables. The gate and the functions below read them as their owner.
alter table allowances enable row level security;
alter table allowances force row level security;
create policy maintenance on allowances to freehold_owner using (current_setting('app.maintenance', true) = 'on');
create policy upkeep on allowances to freehold_owner using (pg_trigger_depth() > 0);
create policy gate on allowances for select to freehold_owner using (true);
alter table default_allowance enable row level security;
alter table default_allowance force row level security;
create policy maintenance on default_allowance to freehold_owner using (current_setting('app.maintenance', true) = 'on');
create policy upkeep on default_allowance to freehold_owner using (pg_trigger_depth() > 0);
create policy gate on default_allowance for select to freehold_owner using (true);
alter table limit_usage enable row level security;
alter table limit_usage force row level security;
create policy maintenance on limit_usage to freehold_owner using (current_setting('app.maintenance', true) = 'on');
create policy upkeep on limit_usage to freehold_owner using (pg_trigger_depth() > 0);
create policy gate on limit_usage for select to freehold_owner using (true);

-- A seat is a current, enabled membership of an account that is no guest.
create view seats with (security_barrier) as
  select m.organization_id, m.user_id from memberships m join users u on u.id = m.user_id
  where m.disabled_at is null and m.deleted_at is null and not u.guest;

-- The number of rows of an organization in the table or view that has the name of the limit.
create function count_units(organization uuid, limit_key text) returns bigint language plpgsql stable set search_path = {{schema}}, pg_temp as $$
declare
  counted bigint := 0;
begin
  if to_regclass(quote_ident(limit_key)) is not null then
    execute format('select count(*) from %I where organization_id = $1', limit_key) into counted using organization;
  end if;
  return counted;
end $$;
revoke execute on function count_units(uuid, text) from public;

-- The highest number that counts now; null: unlimited.
create function maximum_of(organization uuid, limit_key text) returns bigint language sql stable set search_path = {{schema}}, pg_temp as $$
  select case when count(*) = 0 then (select (maxima ->> limit_key)::bigint from default_allowance)
    when bool_or(maxima ->> limit_key is null and adds) then null
    else max(case when adds then (maxima ->> limit_key)::bigint else 0 end) end
  from current_allowances where organization_id = organization $$;
revoke execute on function maximum_of(uuid, text) from public;

-- Whether anything limits this, now or later.
create function is_limited(organization uuid, limit_key text) returns boolean language sql stable set search_path = {{schema}}, pg_temp as $$
  select exists (select from allowances where organization_id = organization and (maxima ->> limit_key is not null or on_expiry = 'read-only'))
    or exists (select from default_allowance where maxima ->> limit_key is not null) $$;
revoke execute on function is_limited(uuid, text) from public;

-- Shared, for a transaction that uses something of an organization: its limits, and the default ones, stay as they are.
create function hold_limits(organization uuid) returns void language sql volatile set search_path = {{schema}}, pg_temp as $$
  select pg_advisory_xact_lock_shared(lock_key('limits', '')), pg_advisory_xact_lock_shared(lock_key('limits', organization::text)) $$;
revoke execute on function hold_limits(uuid) from public;
grant execute on function hold_limits(uuid) to freehold_system;

-- Counts what a statement uses (or frees, if `change` is negative) and refuses what exceeds the maximum. A new allowance takes
-- the organization's key of limits exclusively, and a new default that of all: so none begins to limit an organization while
-- a transaction uses something there without counting it. Where something is limited, the keys that the commit asks for anyway
-- are taken before the rows of limit_usage, which come last in the order of locks (docs/guides/isolation.md).
create function count_use(organization uuid, limit_key text, change bigint) returns void language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
declare
  now_used bigint;
  maximum bigint;
begin
  perform hold_limits(organization);
  if not exists (select from limit_usage where organization_id = organization and key = limit_key) and not is_limited(organization, limit_key) then
    return;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', organization::text));
  update limit_usage set used = used + change where organization_id = organization and key = limit_key returning used into now_used;
  if not found then
    -- The count includes what this transaction has changed.
    insert into limit_usage (organization_id, key, used) select id, limit_key, count_units(id, limit_key) from organizations where id = organization
    on conflict do nothing returning used into now_used;
    if not found then
      update limit_usage set used = used + change where organization_id = organization and key = limit_key returning used into now_used;
    end if;
  end if;
  if change > 0 then
    maximum := maximum_of(organization, limit_key);
    if now_used > maximum then
      raise exception 'the limit is reached' using errcode = '23514', constraint = case limit_key when 'seats' then 'limit_of_seats' else 'limit_of_quota' end,
        detail = case limit_key when 'seats' then '{}' else jsonb_build_object('limit_key', limit_key) end || jsonb_build_object('limit', maximum, 'used', now_used - change);
    end if;
  end if;
end $$;
revoke execute on function count_use(uuid, text, bigint) from public;

-- Statement by statement and in order of the organizations, so that no two transactions wait for each other's counts.
create function count_rows() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  place record;
begin
  if tg_op = 'INSERT' then
    for place in select organization_id, count(*) as changed from new_rows group by organization_id order by organization_id loop
      perform count_use(place.organization_id, tg_table_name, place.changed);
    end loop;
  else
    for place in select organization_id, -count(*) as changed from old_rows group by organization_id order by organization_id loop
      perform count_use(place.organization_id, tg_table_name, place.changed);
    end loop;
  end if;
  return null;
end $$;
revoke execute on function count_rows() from public;

-- Makes the rows of a table count as uses of the limit that has its name.
create function counted_table(name text) returns void language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  execute format('create policy counting on %I for select to freehold_owner using (true)', name);
  execute format('create trigger usage_insert after insert on %I referencing new table as new_rows for each statement execute function count_rows()', name);
  execute format('create trigger usage_delete after delete on %I referencing old table as old_rows for each statement execute function count_rows()', name);
end $$;
revoke execute on function counted_table(text) from public;

create function count_seats() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  place record;
begin
  if tg_op = 'INSERT' then
    for place in select m.organization_id, count(*) as changed from new_rows m join users u on u.id = m.user_id
      where m.disabled_at is null and m.deleted_at is null and not u.guest group by m.organization_id order by m.organization_id
    loop
      perform count_use(place.organization_id, 'seats', place.changed);
    end loop;
  elsif tg_op = 'UPDATE' then
    for place in select m.organization_id, sum(m.seat) as changed
      from (select organization_id, user_id, 1 as seat from new_rows where disabled_at is null and deleted_at is null
        union all select organization_id, user_id, -1 from old_rows where disabled_at is null and deleted_at is null) as m
      join users u on u.id = m.user_id where not u.guest group by m.organization_id having sum(m.seat) <> 0 order by m.organization_id
    loop
      perform count_use(place.organization_id, 'seats', place.changed);
    end loop;
  else
    for place in select m.organization_id, -count(*) as changed from old_rows m join users u on u.id = m.user_id
      where m.disabled_at is null and m.deleted_at is null and not u.guest group by m.organization_id order by m.organization_id
    loop
      perform count_use(place.organization_id, 'seats', place.changed);
    end loop;
  end if;
  return null;
end $$;
revoke execute on function count_seats() from public;
-- Before the keys that a change of a membership takes: those of limits come first.
create function fence_seats() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  perform hold_limits(new.organization_id);
  return new;
end $$;
revoke execute on function fence_seats() from public;
create trigger fence_seats before update on memberships for each row
  when ((old.disabled_at, old.deleted_at) is distinct from (new.disabled_at, new.deleted_at)) execute function fence_seats();
create trigger seats_insert after insert on memberships referencing new table as new_rows for each statement execute function count_seats();
create trigger seats_update after update on memberships referencing old table as old_rows new table as new_rows for each statement execute function count_seats();
create trigger seats_delete after delete on memberships referencing old table as old_rows for each statement execute function count_seats();

-- Whether the organization has a seat for a person whose membership is about to be restored; guests need none.
create function has_seat(organization uuid, person uuid) returns boolean language sql stable security definer set search_path = {{schema}}, pg_temp as $$
  select exists (select from users where id = person and guest)
    or coalesce((select used from limit_usage where organization_id = organization and key = 'seats') < maximum_of(organization, 'seats'), true) $$;
revoke execute on function has_seat(uuid, uuid) from public;
grant execute on function has_seat(uuid, uuid) to freehold_system;

-- A guest who becomes a full account takes a seat in each organization, and the other way round.
create function count_seats_of_account() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  place record;
begin
  for place in select organization_id from memberships where user_id = new.id and disabled_at is null and deleted_at is null order by organization_id loop
    perform count_use(place.organization_id, 'seats', case when new.guest then -1 else 1 end);
  end loop;
  return null;
end $$;
revoke execute on function count_seats_of_account() from public;
create trigger seats after update of guest on users for each row when (old.guest is distinct from new.guest) execute function count_seats_of_account();

-- A change of an allowance may close gates (`requires` of a route), so it takes the organization's key exclusively, after
-- the actor's own: what was decided by the old allowance commits before, or sees the new one.
create function guard_allowance() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  organization constant uuid := case when tg_op = 'DELETE' then old.organization_id else new.organization_id end;
begin
  perform pg_advisory_xact_lock(lock_key('limits', organization::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock(lock_key('revocation', organization::text));
  return case when tg_op = 'DELETE' then old else new end;
end $$;
revoke execute on function guard_allowance() from public;
create trigger guard before insert or update or delete on allowances for each row execute function guard_allowance();

create function guard_default_allowance() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  perform pg_advisory_xact_lock(lock_key('limits', ''));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  return case when tg_op = 'DELETE' then old else new end;
end $$;
revoke execute on function guard_default_allowance() from public;
create trigger guard before insert or update or delete on default_allowance for each row execute function guard_default_allowance();

-- Whether the organization uses more of a limit than an allowance allows: the error names the limit.
create function require_room(organization uuid, wanted jsonb) returns void language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
declare
  one record;
  in_use bigint;
begin
  for one in select key, value::bigint as maximum from jsonb_each_text(wanted) where value is not null order by key loop
    in_use := coalesce((select used from limit_usage where organization_id = organization and key = one.key), count_units(organization, one.key));
    if in_use > one.maximum and in_use > maximum_of(organization, one.key) then
      raise exception 'the organization uses more' using errcode = '23514', constraint = 'limit_below_use',
        detail = jsonb_build_object('limit_key', one.key, 'limit', one.maximum, 'used', in_use);
    end if;
  end loop;
end $$;
revoke execute on function require_room(uuid, jsonb) from public;

-- The limits of the organization in the gate, with what is used of each.
create function limits_in_gate() returns table (organization_id uuid, key text, maximum bigint, used bigint) language sql stable
  security definer set search_path = {{schema}}, pg_temp as $$
  select gate.organization_id, keys.key, maximum_of(gate.organization_id, keys.key),
    coalesce((select u.used from limit_usage u where u.organization_id = gate.organization_id and u.key = keys.key), count_units(gate.organization_id, keys.key))
  from gate cross join lateral (
    select jsonb_object_keys(a.maxima) as key from allowances a where a.organization_id = gate.organization_id
    union select jsonb_object_keys(d.maxima) from default_allowance d
    union select 'seats') as keys
  where gate.reads $$;
revoke execute on function limits_in_gate() from public;
grant execute on function limits_in_gate() to freehold_tenant;
create view limits with (security_barrier) as select organization_id, key, maximum, used from limits_in_gate();
create view own_entitlements with (security_barrier) as
  select e.organization_id, e.code, bool_or(e.writes) as writes from gate join entitlements e on e.organization_id = gate.organization_id where gate.reads
  group by e.organization_id, e.code;
grant select on limits, own_entitlements to freehold_tenant;
