-- Takes 0012_support_and_heartbeats back.

set local check_function_bodies = off;

drop trigger "keep_removable_at_later" on {{schema}}."license_activations";

drop trigger "keep_removable_at" on {{schema}}."license_activations";

drop trigger "still_open" on {{schema}}."license_activations";

drop trigger "touch" on {{schema}}."license_activations";

drop function {{schema}}."beat_license"(bytea, text, integer, timestamp with time zone);

drop function {{schema}}."count_activations"(uuid, uuid);

drop function {{schema}}."find_license"(bytea, boolean);

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
  on function {{schema}}."renew_activation"({{schema}}.licenses, text, integer, timestamp
    with time zone)
  from public;

grant execute
  on function {{schema}}."renew_activation"({{schema}}.licenses, text, integer, timestamp
    with time zone)
  to "freehold_system";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";
