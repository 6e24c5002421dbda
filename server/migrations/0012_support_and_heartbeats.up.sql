-- support and heartbeats

set local check_function_bodies = off;

drop policy "tenant_delete" on {{schema}}."license_activations";

drop trigger "keep_removable_at" on {{schema}}."license_activations";

drop trigger "still_open" on {{schema}}."license_activations";

drop trigger "touch" on {{schema}}."license_activations";

drop trigger "history" on {{schema}}."licenses";

drop index {{schema}}."licenses_plan_id";

drop function {{schema}}."beat_license"(bytea, text, integer);

drop function {{schema}}."find_license"(bytea);

drop function {{schema}}."license_obstacle"({{schema}}.licenses, boolean);

drop function {{schema}}."organization_table"(text, text[], text[], text[], text, boolean);

drop function {{schema}}."renew_activation"({{schema}}.licenses, text, integer, timestamp
  with time zone);

alter table {{schema}}."licenses"
  add column "transferred_to" uuid;

alter table {{schema}}."sessions"
  add column "over_noted" boolean not null default false;

create or replace function {{schema}}.activate_license (
  hash            bytea,
  device          text,
  device_name     text,
  device_metadata jsonb,
  lease_seconds   integer,
  OUT             outcome text,
  OUT             is_new boolean,
  OUT             maximum integer,
  OUT             used integer,
  OUT             heartbeat_seconds integer,
  OUT             activation {{schema}}.license_activations
)
  returns record
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  found_row record := find_license(hash, true);
  l licenses := found_row.license;
begin
  if l.id is not null then
    perform pg_advisory_xact_lock(lock_key('licenses', l.id::text));
    found_row := find_license(hash, true);
    l := found_row.license;
    perform set_config('app.organization_id', l.organization_id::text, true);
  end if;
  outcome := found_row.obstacle;
  heartbeat_seconds := l.heartbeat_seconds;
  if outcome is not null then
    return;
  end if;
  update license_activations a set last_seen_at = clock_timestamp(), expires_at = greatest(nullif(a.expires_at, 'infinity'), activation_end(l, lease_seconds))
  where a.organization_id = l.organization_id and a.license_id = l.id and a.fingerprint = device and a.expires_at > clock_timestamp()
  returning a.* into activation;
  is_new := activation.id is null;
  if not is_new then
    return;
  end if;
  maximum := activations_allowed(l);
  if maximum is not null then
    used := count_activations(l.organization_id, l.id);
    if used >= maximum then
      outcome := 'activations-exhausted';
      return;
    end if;
  end if;
  insert into license_activations as a (organization_id, license_id, fingerprint, name, metadata, expires_at)
  values (l.organization_id, l.id, device, device_name, coalesce(device_metadata, '{}'), activation_end(l, lease_seconds))
  on conflict (organization_id, license_id, fingerprint) do update set name = excluded.name, metadata = excluded.metadata,
    expires_at = excluded.expires_at, last_seen_at = clock_timestamp()
  returning a.* into activation;
  if l.first_activated_at is null then
    update licenses set first_activated_at = now(),
      expires_at = case when expiry_basis = 'first-activation' and expires_at is null then now() + make_interval(days => duration_days) else expires_at end
    where organization_id = l.organization_id and id = l.id and first_activated_at is null and status = 'active';
  end if;
end $function$;

create or replace function {{schema}}.beat_license (
  hash          bytea,
  device        text,
  lease_seconds integer,
  file_end      timestamp with time zone                               default null::timestamp with time zone,
  OUT           outcome text,
  OUT           heartbeat_seconds integer,
  OUT           activation {{schema}}.license_activations
)
  returns record
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  found_row constant record := find_license(hash, false);
  l constant licenses := found_row.license;
begin
  outcome := found_row.obstacle;
  heartbeat_seconds := l.heartbeat_seconds;
  if outcome is not null then
    return;
  end if;
  if file_end is null then
    -- A crash of PostgreSQL may forget the last heartbeats: the next ones follow.
    perform set_config('synchronous_commit', 'off', true);
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('licenses', l.id::text)), set_config('app.organization_id', l.organization_id::text, true);
  update license_activations a set last_seen_at = clock_timestamp(),
    expires_at = greatest(nullif(a.expires_at, 'infinity'), file_end, activation_end(l, lease_seconds))
  where a.organization_id = l.organization_id and a.license_id = l.id and a.fingerprint = device and a.expires_at > clock_timestamp()
  returning a.* into activation;
  if activation.id is null then
    outcome := case when exists (select from license_activations a where a.organization_id = l.organization_id and a.license_id = l.id and a.fingerprint = device)
      then 'heartbeat-dead' else 'activation-missing' end;
  end if;
end $function$;

create or replace function {{schema}}.changed_names (
  given jsonb,
  other jsonb
)
  returns jsonb
  language sql
  immutable
  parallel safe
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select coalesce(jsonb_agg(key order by key), '[]') from jsonb_each(given) where other -> key is distinct from value $function$;

create or replace function {{schema}}.count_activations (
  organization uuid,
  license      uuid
)
  returns integer
  language plpgsql
  stable
  set search_path to {{schema}}, 'pg_temp'
  set enable_seqscan to 'off'
  AS $function$
begin
  return (select count(*) from license_activations a where a.organization_id = organization and a.license_id = license and a.expires_at > clock_timestamp());
end $function$;

create or replace function {{schema}}.deactivate_license (
  hash   bytea,
  device text,
  OUT    outcome text
)
  returns text
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  found_row constant record := find_license(hash, false);
  l constant licenses := found_row.license;
begin
  if l.id is null then
    outcome := 'not-found';
    return;
  end if;
  perform set_config('app.organization_id', l.organization_id::text, true);
  delete from license_activations a where a.organization_id = l.organization_id and a.license_id = l.id and a.fingerprint = device;
  if not found then
    outcome := 'activation-missing';
  end if;
end $function$;

create or replace function {{schema}}.find_license (
  hash bytea,
  adds boolean,
  OUT  license {{schema}}.licenses,
  OUT  obstacle text
)
  returns record
  language plpgsql
  stable
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  found_row record;
begin
  select l as license, case
    when l.status <> 'active' then l.status
    when o.suspended_at is not null then 'suspended'
    when l.expires_at <= now() then case when l.on_expiry = 'restrict' or adds and l.on_expiry = 'read-only' then 'expired' end
    when l.starts_at > now() then 'not-started' end as obstacle
  into found_row from licenses l join organizations o on o.id = l.organization_id where l.key_hash = hash and o.deleted_at is null;
  license := found_row.license;
  obstacle := case when found then found_row.obstacle else 'not-found' end;
end $function$;

create or replace function {{schema}}.guard_license()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if new.expires_at <= now() and (tg_op = 'INSERT' or old.expires_at is distinct from new.expires_at) then
    raise exception 'the license would have expired already' using errcode = '23514', constraint = 'licenses_expires_in_future';
  end if;
  if tg_op = 'INSERT' then
    return new;
  end if;
  if (old.id, old.organization_id, old.key_hash, old.key_prefix, old.transferred_from, old.created_at)
    is distinct from (new.id, new.organization_id, new.key_hash, new.key_prefix, new.transferred_from, new.created_at) then
    raise exception 'this column of a license never changes' using errcode = '42501';
  end if;
  if old.transferred_to is distinct from new.transferred_to and (old.status = 'revoked' or new.status <> 'revoked') then
    raise exception 'only the transfer that revokes a license names its replacement' using errcode = '42501';
  end if;
  if old.status = 'revoked' and (new.status <> 'revoked' or (old.plan_id, old.expires_at) is distinct from (new.plan_id, new.expires_at))
    and coalesce(current_setting('app.permission', true), '') <> 'admin:licenses:reinstate' then
    raise exception 'the license is revoked' using errcode = '23514', constraint = 'licenses_revoked';
  end if;
  if old.status <> new.status and not (case old.status
      when 'draft' then new.status in ('active', 'revoked')
      when 'active' then new.status in ('suspended', 'revoked')
      when 'suspended' then new.status in ('active', 'revoked')
      else new.status in ('active', 'suspended') end) then
    raise exception 'no such change of the status' using errcode = '23514', constraint = 'licenses_status_path', detail = jsonb_build_object('license_status', old.status);
  end if;
  return new;
end $function$;

create or replace function {{schema}}.guard_support_grant()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  of_operators constant boolean := current_setting('app.permission', true) = 'admin:support:write';
  ends constant boolean := tg_op = 'UPDATE' and old.ended_at is null and new.ended_at is not null;
  actor constant uuid := acting_user();
  owner_id uuid;
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if tg_op = 'INSERT' then
    if not of_operators or new.operator_id is distinct from actor or new.granted_at is not null or new.ended_at is not null or new.emergency then
      raise exception 'only an operator asks for support access' using errcode = '42501';
    end if;
    new.created_at := now();
    return new;
  end if;
  if old.ended_at is not null or old.expires_at <= now() or old.granted_at is null and old.created_at < now() - interval '7 days'
    or old.granted_at is not null and not ends then
    raise exception 'the support access has been decided' using errcode = '23514', constraint = 'support_grants_decided';
  end if;
  if (old.organization_id, old.id, old.operator_id, old.reason, old.created_at) is distinct from (new.organization_id, new.id, new.operator_id, new.reason, new.created_at)
    or not ends and new.granted_at is null then
    raise exception 'support access is granted or ended, and not changed otherwise' using errcode = '42501';
  end if;
  if ends then
    new.role := old.role;
    new.minutes := old.minutes;
    new.emergency := old.emergency;
    new.granted_by := old.granted_by;
    new.granted_at := old.granted_at;
    new.opens_at := old.opens_at;
    new.expires_at := old.expires_at;
    new.ended_by := actor;
    new.ended_at := now();
    return new;
  end if;
  if actor = old.operator_id then
    raise exception 'someone else grants the support access' using errcode = '23514', constraint = 'support_grants_own';
  end if;
  if of_operators and not exists (select from users u, users first where u.id = actor and first.id = old.operator_id
      and u.superuser_since <= now() - interval '7 days' and old.operator_id <> all (u.superuser_through)
      and (actor <> all (first.superuser_through) or first.superuser_since <= now() - interval '7 days')) then
    raise exception 'another operator must grant it' using errcode = '23514', constraint = 'support_grants_second';
  end if;
  if of_operators then
    -- The keys of the owners, so that what an operator does to them has either happened, or finds this access.
    for owner_id in select m.user_id from memberships m
      where m.organization_id = new.organization_id and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null
      union select actor order by 1 loop
      perform pg_advisory_xact_lock_shared(lock_key('revocation', owner_id::text));
    end loop;
    if not exists (select from memberships m join live_users u on u.id = m.user_id where m.organization_id = new.organization_id
        and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null and m.user_id not in (actor, old.operator_id)) then
      raise exception 'no owner could end the support access' using errcode = '23514', constraint = 'support_grants_uncontested';
    end if;
  end if;
  new.emergency := of_operators;
  new.granted_by := actor;
  new.granted_at := now();
  new.opens_at := now() + case when of_operators then interval '15 minutes' else interval '0' end;
  new.expires_at := new.opens_at + make_interval(mins => new.minutes);
  new.ended_by := null;
  return new;
end $function$;

create or replace function {{schema}}.issue_license_file (
  hash    bytea,
  device  text,
  seconds integer,
  OUT     outcome text,
  OUT     activation_id uuid,
  OUT     license_id uuid,
  OUT     organization_id uuid,
  OUT     plan text,
  OUT     product text,
  OUT     max_version text,
  OUT     entitlements text[],
  OUT     license_expires_at timestamp with time zone,
  OUT     on_expiry text,
  OUT     issued_at timestamp with time zone,
  OUT     expires_at timestamp with time zone
)
  returns record
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  found_row constant record := find_license(hash, false);
  l licenses := found_row.license;
  renewed record;
  activation license_activations;
begin
  outcome := found_row.obstacle;
  if outcome is not null then
    return;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('licenses', l.id::text));
  -- A device that works offline validates its license by the file.
  if l.first_validated_at is null and exists (select from license_activations a
    where a.organization_id = l.organization_id and a.license_id = l.id and a.fingerprint = device and a.expires_at > clock_timestamp()) then
    l.expires_at := start_license(hash);
  end if;
  issued_at := date_trunc('second', now());
  expires_at := least(issued_at + make_interval(secs => case when l.activation = 'floating' then least(seconds, 30 * 86400) else seconds end),
    case when l.on_expiry = 'restrict' then l.expires_at end);
  renewed := beat_license(hash, device, null, expires_at);
  outcome := renewed.outcome;
  activation := renewed.activation;
  activation_id := activation.id;
  license_id := l.id;
  organization_id := l.organization_id;
  plan := (select p.code from license_plans p where p.id = l.plan_id);
  product := l.metadata ->> 'product';
  max_version := l.metadata ->> 'max_version';
  entitlements := l.entitlements;
  license_expires_at := l.expires_at;
  on_expiry := l.on_expiry;
end $function$;

create or replace function {{schema}}.keep_contesting_owner()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  person constant uuid := (to_jsonb(new) ->> tg_argv[0])::uuid;
  access constant uuid := (select support_id from contesting_owners where user_id = person limit 1);
begin
  if access is not null then
    raise exception 'an owner can end a support access' using errcode = '23514', constraint = 'support_grants_uncontested',
      detail = jsonb_build_object('support_id', access);
  end if;
  return new;
end $function$;

create or replace function {{schema}}.organization_table (
  name       text,
  history    text[],
  writes     text[],
  commands   text[]  default '{insert,update,delete}'::text[],
  key        text    default 'organization_id'::text,
  for_system boolean default false,
  names      text[]  default '{}'::text[]
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  line text;
  command text;
  in_setting constant text := format('%I = nullif(current_setting(''app.organization_id'', true), '''')::uuid', key);
  in_gate constant text := format('%I = (select organization_id from gate where reads)', key);
  in_writing_gate constant text := format('%I = (select organization_id from gate where writes and permission = any (%L::text[]))', key, writes);
begin
  foreach line in array array[
    'alter table %1$I enable row level security',
    'alter table %1$I force row level security',
    -- to a role, never to public: a policy for everyone would be asked by the gate's own view, without end
    'create policy tenant_read on %1$I for select to freehold_tenant using (' || in_gate || ')',
    -- forced row-level security blinds the owner too; migrations set app.maintenance
    'create policy maintenance on %1$I to freehold_owner using (current_setting(''app.maintenance'', true) = ''on'')',
    'grant select on %1$I to freehold_tenant',
    'create trigger touch before update on %1$I for each row execute function touch()',
    'create trigger history after insert or update or delete on %1$I for each row execute function record_change(%1$L, %2$L' || case when names = '{}' then '' else ', %3$L' end || ')',
    'create constraint trigger still_open after insert or update or delete on %1$I deferrable initially deferred for each row execute function still_open()'
  ] loop
    execute format(line, name, history, names);
  end loop;
  if for_system then
    execute format('create policy system_read on %1$I for select to freehold_system using (true)', name);
    execute format('grant select on %1$I to freehold_system', name);
  end if;
  foreach command in array commands loop
    line := 'create policy %2$I on %1$I for %3$s to %4$I ' || case command when 'insert' then 'with check' else 'using' end || ' (%5$s)';
    execute format(line, name, 'tenant_' || command, command, 'freehold_tenant', in_writing_gate);
    execute format('grant %2$s on %1$I to freehold_tenant', name, command);
    if for_system then
      execute format(line, name, 'system_' || command, command, 'freehold_system', in_setting);
      execute format('grant %2$s on %1$I to freehold_system', name, command);
    end if;
  end loop;
end $function$;

create or replace function {{schema}}.record_change()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  entity constant text := tg_argv[0];
  fields constant text[] := tg_argv[1];
  named constant text[] := coalesce(tg_argv[2], '{}');
  old_row constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  new_row constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  any_row constant jsonb := coalesce(new_row, old_row);
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  support constant uuid := nullif(current_setting('app.support_id', true), '')::uuid;
begin
  insert into audit_log (organization_id, actor_id, operator_id, session_id, request_id, ip, user_agent, action, entity_type, entity_id, before, after)
  values (
    coalesce(any_row ->> 'organization_id', any_row ->> 'id')::uuid,
    coalesce(support, acting_user(), (context ->> 'user_id')::uuid), case when support is not null then acting_user() end, nullif(current_setting('app.session_id', true), '')::uuid,
    context ->> 'request_id', context ->> 'ip', context ->> 'user_agent',
    case when tg_op = 'UPDATE' and old_row ->> 'deleted_at' is null and new_row ->> 'deleted_at' is not null then 'delete'
      else lower(tg_op) end,
    entity, coalesce(any_row ->> 'id', any_row ->> 'user_id', any_row ->> 'role_id')::uuid,
    (select jsonb_object_agg(key, case when key = any (named) then changed_names(value, new_row -> key) else value end)
      from jsonb_each(old_row) where key = any (fields || named) and (new_row is null or new_row -> key is distinct from value)),
    (select jsonb_object_agg(key, case when key = any (named) then changed_names(value, old_row -> key) else value end)
      from jsonb_each(new_row) where key = any (fields || named) and (old_row is null or old_row -> key is distinct from value)));
  return null;
end $function$;

create or replace function {{schema}}.start_license (
  hash bytea
)
  returns timestamp with time zone
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  found_row record := find_license(hash, false);
  l licenses := found_row.license;
begin
  perform set_config('app.organization_id', l.organization_id::text, true);
  update licenses set first_validated_at = now(),
    expires_at = case when expiry_basis = 'first-validation' and expires_at is null then now() + make_interval(days => duration_days) else expires_at end
  where organization_id = l.organization_id and id = l.id and first_validated_at is null and status = 'active';
  found_row := find_license(hash, false);
  l := found_row.license;
  return l.expires_at;
end $function$;

-- lock: ACCESS EXCLUSIVE on licenses, for a moment: from now on new rows are checked
alter table {{schema}}."licenses"
  add constraint "licenses_transferred" check (((transferred_to IS NULL) OR (status = 'revoked'::text))) not valid;

create view {{schema}}."contesting_owners" with (security_barrier=true) AS  SELECT m.user_id,
    g.id AS support_id
   FROM ({{schema}}.memberships m
     JOIN {{schema}}.support_grants g ON ((g.organization_id = m.organization_id)))
  WHERE ((m.role = 'owner'::text) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND g.emergency AND (g.ended_at IS NULL) AND (g.opens_at > now()));

create or replace view {{schema}}."gate_state" with (security_barrier=true) AS  SELECT (EXISTS ( SELECT
           FROM {{schema}}.self)) AS live,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL)) AS member,
    (o.second_factor_required AND (s.second_factor_at IS NULL) AND (o.deleted_at IS NULL) AND (((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL)) OR u.superuser)) AS second_factor_missing,
    (EXISTS ( SELECT
           FROM {{schema}}.gate)) AS permitted,
    (EXISTS ( SELECT
           FROM {{schema}}.operator)) AS operator,
    ({{schema}}.support_role() IS NOT NULL) AS supported,
        CASE
            WHEN ((((m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (m.user_id IS NOT NULL)) OR ({{schema}}.support_role() IS NOT NULL)) AND (o.deleted_at IS NULL) AND (current_setting('app.permission'::text, true) !~~ 'admin:%'::text)) THEN o.suspended_at
            ELSE NULL::timestamp with time zone
        END AS suspended_at,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND (COALESCE(current_setting('app.requires'::text, true), ''::text) <> ''::text) AND (NOT {{schema}}.is_entitled())) AS entitlement_missing
   FROM ((((( SELECT (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid AS session_id,
            (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid AS organization_id) named
     LEFT JOIN {{schema}}.sessions s ON ((s.id = named.session_id)))
     LEFT JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     LEFT JOIN {{schema}}.organizations o ON ((o.id = named.organization_id)))
     LEFT JOIN {{schema}}.memberships m ON (((m.organization_id = o.id) AND (m.user_id = s.user_id))));

create trigger keep_removable_at_later
  before update of expires_at on {{schema}}.license_activations
  for each row
  when ((date_trunc('hour'::text, new.expires_at) IS DISTINCT FROM date_trunc('hour'::text, old.expires_at)))
  execute function {{schema}}.keep_removable_at();

create trigger keep_removable_at
  before insert on {{schema}}.license_activations
  for each row
  execute function {{schema}}.keep_removable_at();

create constraint TRIGGER still_open
  after insert or delete on {{schema}}.license_activations deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update of name, metadata on {{schema}}.license_activations
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.licenses
  for each row
  execute function
    {{schema}}.record_change('licenses',
    '{plan_id,name,key_prefix,status,starts_at,expires_at,first_validated_at,first_activated_at,seats,max_activations,overage_percent,quotas,entitlements,activation,heartbeat_seconds,heartbeat_grace_seconds,duration_days,expiry_basis,on_expiry,transferred_from,transferred_to}', '{metadata}');

create trigger support_contest
  before update on {{schema}}.sessions
  for each row
  when (((old.revoked_at IS NULL) AND (new.revoked_at IS
    NOT NULL) AND (current_setting('app.permission'::text, true) ~~ 'admin:%'::text)))
  execute function {{schema}}.keep_contesting_owner('user_id');

create trigger support_contest
  before update on {{schema}}.users
  for each row
  when (((((old.disabled_at IS NULL) AND (new.disabled_at IS
    NOT NULL)) OR ((old.deleted_at IS NULL) AND (new.deleted_at IS
    NOT NULL)) OR ((old.password_change_required_at IS NULL) AND (new.password_change_required_at IS
    NOT NULL))) AND (current_setting('app.permission'::text, true) ~~ 'admin:%'::text)))
  execute function {{schema}}.keep_contesting_owner('id');

create policy "tenant_delete" on {{schema}}."license_activations"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{licenses:write,admin:licenses:write}'::text[]))))));

revoke all
  on function {{schema}}."beat_license"(bytea, text, integer, timestamp with time zone)
  from public;

grant execute
  on function {{schema}}."beat_license"(bytea, text, integer, timestamp with time zone)
  to "freehold_system";

revoke all on function {{schema}}."changed_names"(jsonb, jsonb) from public;

grant execute
  on function {{schema}}."changed_names"(jsonb, jsonb)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."count_activations"(uuid, uuid) from public;

grant execute on function {{schema}}."count_activations"(uuid, uuid) to "freehold_system";

revoke all on function {{schema}}."find_license"(bytea, boolean) from public;

grant execute on function {{schema}}."find_license"(bytea, boolean) to "freehold_system";

revoke all on function {{schema}}."hold_limits"(uuid) from "freehold_system";

grant execute on function {{schema}}."hold_limits"(uuid) to "freehold_system";

revoke all on function {{schema}}."keep_contesting_owner"() from public;

revoke all
  on function {{schema}}."organization_table"(text, text[], text[], text[], text, boolean, text[])
  from public;

grant select on table {{schema}}."contesting_owners" to "freehold_system";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

revoke all ("transferred_to") on table {{schema}}."licenses" from "freehold_tenant";

grant select ("transferred_to") on table {{schema}}."licenses" to "freehold_tenant";

-- Licenses that were transferred before, and not reinstated since, stay revoked as well. No version and no entry of the audit log
-- changes.
alter table {{schema}}.licenses disable trigger user;
update {{schema}}.licenses former set transferred_to = made.id
from {{schema}}.licenses made where made.transferred_from = former.id and former.status = 'revoked';
set constraints all immediate;
alter table {{schema}}.licenses enable trigger user;
