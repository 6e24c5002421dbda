-- licenses under attack

set local check_function_bodies = off;

alter table {{schema}}."license_activations"
  drop constraint "license_activations_metadata_check";

drop function {{schema}}."issue_license_file"(bytea, text, integer);

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

create or replace function {{schema}}.activation_end (
  l             {{schema}}.licenses,
  lease_seconds integer
)
  returns timestamp with time zone
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  term constant integer := coalesce(l.heartbeat_seconds + l.heartbeat_grace_seconds,
    case when l.activation = 'floating' then least(coalesce(lease_seconds, 3600), 86400) end);
begin
  return coalesce(clock_timestamp() + make_interval(secs => term), 'infinity');
end $function$;

create or replace function {{schema}}.activations_allowed (
  l {{schema}}.licenses
)
  returns integer
  language sql
  immutable
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select case when l.max_activations is not null then least(l.max_activations::bigint * (100 + l.overage_percent) / 100, 2147483647)::integer end $function$;

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

create or replace function {{schema}}.maxima_of (
  seats           integer,
  quotas          jsonb,
  overage_percent integer
)
  returns jsonb
  language sql
  immutable
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select coalesce(jsonb_object_agg(key, case when maximum is not null then least(floor(maximum::numeric * (100 + overage_percent) / 100), 9007199254740991) end), '{}')
  from (select 'seats' as key, seats::text as maximum union all select key, value from jsonb_each_text(quotas)) as maxima $function$;

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

-- lock: ACCESS EXCLUSIVE on license_activations, for a moment: from now on new rows are checked
alter table {{schema}}."license_activations"
  add constraint "license_activations_metadata_size"
    check (((jsonb_typeof(metadata) = 'object'::text) AND (octet_length((metadata)::text) <= 16384))) not valid;

-- lock: ACCESS EXCLUSIVE on license_plans, for a moment: from now on new rows are checked
alter table {{schema}}."license_plans"
  add constraint "license_plans_default_has_seat" check (((NOT is_default) OR (seats >= 1))) not valid;

-- lock: ACCESS EXCLUSIVE on licenses, for a moment: from now on new rows are checked
alter table {{schema}}."licenses"
  add constraint "licenses_expires_in_time" check ((expires_at < '9999-12-31 00:00:00+00'::timestamp with time zone)) not valid;

revoke all on function {{schema}}."issue_license_file"(bytea, text, integer) from public;

grant execute on function {{schema}}."issue_license_file"(bytea, text, integer) to "freehold_system";
