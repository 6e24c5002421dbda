-- Takes 0012_support_and_heartbeats back.
-- loses: licenses.transferred_to
-- loses: sessions.over_noted

set local check_function_bodies = off;

revoke all on function {{schema}}."hold_limits"(uuid) from "freehold_system";

drop policy "tenant_delete" on {{schema}}."license_activations";

drop trigger "keep_removable_at_later" on {{schema}}."license_activations";

drop trigger "keep_removable_at" on {{schema}}."license_activations";

drop trigger "still_open" on {{schema}}."license_activations";

drop trigger "touch" on {{schema}}."license_activations";

drop trigger "history" on {{schema}}."licenses";

drop trigger "support_contest" on {{schema}}."sessions";

drop trigger "support_contest" on {{schema}}."users";

drop view {{schema}}."contesting_owners";

alter table {{schema}}."licenses"
  drop constraint "licenses_transferred";

drop function {{schema}}."beat_license"(bytea, text, integer, timestamp with time zone);

drop function {{schema}}."changed_names"(jsonb, jsonb);

drop function {{schema}}."count_activations"(uuid, uuid);

drop function {{schema}}."find_license"(bytea, boolean);

drop function {{schema}}."keep_contesting_owner"();

drop function {{schema}}."organization_table"(text, text[], text[], text[], text, boolean, text[]);

alter table {{schema}}."licenses"
  drop column "transferred_to";

alter table {{schema}}."sessions"
  drop column "over_noted";

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
  l licenses := find_license(hash);
begin
  if l.id is not null then
    perform pg_advisory_xact_lock(lock_key('licenses', l.id::text));
    l := find_license(hash);
    perform set_config('app.organization_id', l.organization_id::text, true);
  end if;
  outcome := license_obstacle(l, true);
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
    used := (select count(*) from license_activations a where a.organization_id = l.organization_id and a.license_id = l.id and a.expires_at > clock_timestamp());
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
  OUT           outcome text,
  OUT           heartbeat_seconds integer,
  OUT           activation {{schema}}.license_activations
)
  returns record
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  l constant licenses := find_license(hash);
  renewed record;
begin
  outcome := license_obstacle(l, false);
  heartbeat_seconds := l.heartbeat_seconds;
  if outcome is null then
    -- A crash of PostgreSQL may forget the last heartbeats: the next ones follow.
    perform set_config('synchronous_commit', 'off', true);
    renewed := renew_activation(l, device, lease_seconds, null);
    outcome := renewed.outcome;
    activation := renewed.activation;
  end if;
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
  l constant licenses := find_license(hash);
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
  hash bytea
)
  returns {{schema}}.licenses
  language plpgsql
  stable
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  found_row record;
  found_license licenses;
begin
  select l as license, o.suspended_at is not null as is_suspended into found_row from licenses l join organizations o on o.id = l.organization_id
  where l.key_hash = hash and o.deleted_at is null;
  found_license := found_row.license;
  if found_row.is_suspended and found_license.status = 'active' then
    found_license.status := 'suspended';
  end if;
  return found_license;
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
  l licenses := find_license(hash);
  renewed record;
  activation license_activations;
begin
  outcome := license_obstacle(l, false);
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
  renewed := renew_activation(l, device, null, expires_at);
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

create or replace function {{schema}}.license_obstacle (
  l    {{schema}}.licenses,
  adds boolean
)
  returns text
  language plpgsql
  stable
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  current_status constant text := license_status(l.status, l.expires_at);
begin
  return case when l.id is null then 'not-found'
    when current_status = 'expired' then case when l.on_expiry = 'restrict' or adds and l.on_expiry = 'read-only' then 'expired' end
    when current_status <> 'active' then current_status
    when l.starts_at > now() then 'not-started' end;
end $function$;

create or replace function {{schema}}.organization_table (
  name       text,
  history    text[],
  writes     text[],
  commands   text[]  default '{insert,update,delete}'::text[],
  key        text    default 'organization_id'::text,
  for_system boolean default false
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
    'create trigger history after insert or update or delete on %1$I for each row execute function record_change(%1$L, %2$L)',
    'create constraint trigger still_open after insert or update or delete on %1$I deferrable initially deferred for each row execute function still_open()'
  ] loop
    execute format(line, name, history);
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
    (select jsonb_object_agg(key, value) from jsonb_each(old_row) where key = any (fields) and (new_row is null or new_row -> key is distinct from value)),
    (select jsonb_object_agg(key, value) from jsonb_each(new_row) where key = any (fields) and (old_row is null or old_row -> key is distinct from value)));
  return null;
end $function$;

create or replace function {{schema}}.renew_activation (
  l             {{schema}}.licenses,
  device        text,
  lease_seconds integer,
  file_end      timestamp with time zone,
  OUT           outcome text,
  OUT           activation {{schema}}.license_activations
)
  returns record
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform pg_advisory_xact_lock_shared(lock_key('licenses', l.id::text));
  perform set_config('app.organization_id', l.organization_id::text, true);
  update license_activations a set last_seen_at = clock_timestamp(),
    expires_at = greatest(nullif(a.expires_at, 'infinity'), file_end, activation_end(l, lease_seconds))
  where a.organization_id = l.organization_id and a.license_id = l.id and a.fingerprint = device and a.expires_at > clock_timestamp()
  returning a.* into activation;
  if activation.id is null then
    outcome := case when exists (select from license_activations a where a.organization_id = l.organization_id and a.license_id = l.id and a.fingerprint = device)
      then 'heartbeat-dead' else 'activation-missing' end;
  end if;
end $function$;

create or replace function {{schema}}.start_license (
  hash bytea
)
  returns timestamp with time zone
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  l licenses := find_license(hash);
begin
  perform set_config('app.organization_id', l.organization_id::text, true);
  update licenses set first_validated_at = now(),
    expires_at = case when expiry_basis = 'first-validation' and expires_at is null then now() + make_interval(days => duration_days) else expires_at end
  where organization_id = l.organization_id and id = l.id and first_validated_at is null and status = 'active';
  l := find_license(hash);
  return l.expires_at;
end $function$;

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
            WHEN ((m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (m.user_id IS NOT NULL) AND (o.deleted_at IS NULL) AND (current_setting('app.permission'::text, true) !~~ 'admin:%'::text)) THEN o.suspended_at
            ELSE NULL::timestamp with time zone
        END AS suspended_at,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND (COALESCE(current_setting('app.requires'::text, true), ''::text) <> ''::text) AND (NOT {{schema}}.is_entitled())) AS entitlement_missing
   FROM ((((( SELECT (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid AS session_id,
            (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid AS organization_id) named
     LEFT JOIN {{schema}}.sessions s ON ((s.id = named.session_id)))
     LEFT JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     LEFT JOIN {{schema}}.organizations o ON ((o.id = named.organization_id)))
     LEFT JOIN {{schema}}.memberships m ON (((m.organization_id = o.id) AND (m.user_id = s.user_id))));

-- lock: SHARE on licenses: writes wait while the index is built, 10 to 60 seconds for 10 million rows
create index licenses_plan_id on {{schema}}.licenses using btree (plan_id);

create trigger keep_removable_at
  before insert or update of expires_at on {{schema}}.license_activations
  for each row
  execute function {{schema}}.keep_removable_at();

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.license_activations deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.license_activations
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.licenses
  for each row
  execute function
    {{schema}}.record_change('licenses',
    '{plan_id,name,key_prefix,status,starts_at,expires_at,first_validated_at,first_activated_at,seats,max_activations,overage_percent,quotas,entitlements,activation,heartbeat_seconds,heartbeat_grace_seconds,duration_days,expiry_basis,on_expiry,transferred_from}');

create policy "tenant_delete" on {{schema}}."license_activations"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{licenses:write}'::text[]))))));

revoke all on function {{schema}}."beat_license"(bytea, text, integer) from public;

grant execute on function {{schema}}."beat_license"(bytea, text, integer) to "freehold_system";

revoke all on function {{schema}}."find_license"(bytea) from public;

grant execute on function {{schema}}."find_license"(bytea) to "freehold_system";

revoke all
  on function {{schema}}."license_obstacle"({{schema}}.licenses, boolean)
  from public;

grant execute
  on function {{schema}}."license_obstacle"({{schema}}.licenses, boolean)
  to "freehold_system";

revoke all
  on function {{schema}}."organization_table"(text, text[], text[], text[], text, boolean)
  from public;

revoke all
  on function {{schema}}."renew_activation"({{schema}}.licenses, text, integer, timestamp
    with time zone)
  from public;

grant execute
  on function {{schema}}."renew_activation"({{schema}}.licenses, text, integer, timestamp
    with time zone)
  to "freehold_system";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";
