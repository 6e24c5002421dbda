-- operators and licenses

set local check_function_bodies = off;

drop policy "forget" on {{schema}}."audit_log";

drop policy "tenant_insert" on {{schema}}."invitations";

drop policy "tenant_update" on {{schema}}."invitations";

drop policy "leaving" on {{schema}}."memberships";

drop policy "creation" on {{schema}}."organizations";

drop policy "tenant_insert" on {{schema}}."organizations";

drop policy "tenant_update" on {{schema}}."organizations";

drop policy "colleagues" on {{schema}}."users";

drop trigger "history" on {{schema}}."organizations";

drop trigger "revocation" on {{schema}}."organizations";

drop trigger "touch" on {{schema}}."users";

create table {{schema}}."allowances" (
  "organization_id" uuid                     not null,
  "id"              uuid                     not null,
  "maxima"          jsonb                    not null,
  "entitlements"    text[]                   not null default '{}'::text[],
  "starts_at"       timestamp with time zone not null default now(),
  "expires_at"      timestamp with time zone,
  "on_expiry"       text                     not null default 'restrict'::text,
  constraint "allowances_maxima_check" check ((jsonb_typeof(maxima) = 'object'::text)),
  constraint "allowances_on_expiry_check"
    check ((on_expiry = ANY (ARRAY['restrict'::text, 'read-only'::text, 'keep'::text]))),
  constraint "allowances_pkey" primary key (organization_id, id)
);

alter table {{schema}}."allowances"
  enable row level security;

alter table {{schema}}."allowances"
  force row level security;

create table {{schema}}."daily_stats" (
  "day"                  date                     not null,
  "sign_ups"             integer                  not null,
  "sign_ins"             integer                  not null,
  "failures"             integer                  not null,
  "lockouts"             integer                  not null,
  "active_users"         integer                  not null,
  "active_organizations" integer                  not null,
  "computed_at"          timestamp with time zone not null,
  constraint "daily_stats_pkey" primary key (day)
);

alter table {{schema}}."daily_stats"
  enable row level security;

create table {{schema}}."default_allowance" (
  "only_one"     boolean not null default true,
  "maxima"       jsonb   not null,
  "entitlements" text[]  not null default '{}'::text[],
  constraint "default_allowance_maxima_check" check ((jsonb_typeof(maxima) = 'object'::text)),
  constraint "default_allowance_only_one_check" check (only_one),
  constraint "default_allowance_pkey" primary key (only_one)
);

alter table {{schema}}."default_allowance"
  enable row level security;

alter table {{schema}}."default_allowance"
  force row level security;

create table {{schema}}."license_activations" (
  "organization_id" uuid                     not null,
  "license_id"      uuid                     not null,
  "fingerprint"     text                     not null,
  "name"            text,
  "metadata"        jsonb                    not null default '{}'::jsonb,
  "expires_at"      timestamp with time zone not null default 'infinity'::timestamp with time zone,
  "last_seen_at"    timestamp with time zone not null default now(),
  "removable_at"    timestamp with time zone not null default 'infinity'::timestamp with time zone,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "license_activations_fingerprint_key" unique (organization_id, license_id, fingerprint),
  constraint "license_activations_fingerprint" check ((fingerprint ~ '^[!-~]{1,255}$'::text)),
  constraint "license_activations_metadata_size"
    check (((jsonb_typeof(metadata) = 'object'::text) AND (octet_length((metadata)::text) <= 16384))),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "license_activations_pkey" primary key (organization_id, id)
);

alter table {{schema}}."license_activations"
  enable row level security;

alter table {{schema}}."license_activations"
  force row level security;

alter table {{schema}}."license_activations"
  set (fillfactor=70);

create table {{schema}}."license_file_keys" (
  "id"          text                     not null,
  "public_key"  text                     not null,
  "private_key" bytea                    not null,
  "signs_at"    timestamp with time zone not null,
  "created_at"  timestamp with time zone not null default now(),
  constraint "license_file_keys_pkey" primary key (id),
  constraint "license_file_keys_signs_at_key" unique (signs_at)
);

alter table {{schema}}."license_file_keys"
  enable row level security;

create table {{schema}}."license_plans" (
  "code"                    text                     not null,
  "name"                    text                     not null,
  "description"             text,
  "seats"                   integer,
  "max_activations"         integer,
  "overage_percent"         integer                  not null default 0,
  "quotas"                  jsonb                    not null default '{}'::jsonb,
  "entitlements"            text[]                   not null default '{}'::text[],
  "activation"              text                     not null default 'node-locked'::text,
  "heartbeat_seconds"       integer,
  "heartbeat_grace_seconds" integer                  not null default 0,
  "duration_days"           integer,
  "expiry_basis"            text                     not null default 'creation'::text,
  "on_expiry"               text                     not null default 'restrict'::text,
  "is_default"              boolean                  not null default false,
  "created_at"              timestamp with time zone not null default now(),
  "updated_at"              timestamp with time zone not null default now(),
  "version"                 integer                  not null default 1,
  constraint "license_plans_activation_check" check ((activation = ANY (ARRAY['node-locked'::text, 'floating'::text]))),
  constraint "license_plans_code_check"
    check (((code ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text) AND (char_length(code) <= 63))),
  constraint "license_plans_code_key" unique (code),
  constraint "license_plans_default_has_seat" check (((NOT is_default) OR (seats >= 1))),
  constraint "license_plans_duration_days_check" check ((duration_days >= 1)),
  constraint "license_plans_expiry_basis_check"
    check ((expiry_basis = ANY (ARRAY['creation'::text, 'first-validation'::text, 'first-activation'::text]))),
  constraint "license_plans_heartbeat_grace_seconds_check" check ((heartbeat_grace_seconds >= 0)),
  constraint "license_plans_heartbeat_seconds_check" check ((heartbeat_seconds >= 1)),
  constraint "license_plans_max_activations_check" check ((max_activations >= 0)),
  constraint "license_plans_on_expiry_check"
    check ((on_expiry = ANY (ARRAY['restrict'::text, 'read-only'::text, 'keep'::text]))),
  constraint "license_plans_overage_percent_check" check (((overage_percent >= 0) AND (overage_percent <= 1000))),
  constraint "license_plans_quotas_check" check ((jsonb_typeof(quotas) = 'object'::text)),
  constraint "license_plans_seats_check" check ((seats >= 0)),
  "id"                      uuid                     not null default {{schema}}.new_id(),
  constraint "license_plans_pkey" primary key (id)
);

alter table {{schema}}."license_plans"
  enable row level security;

create table {{schema}}."licenses" (
  "organization_id"         uuid                     not null,
  "plan_id"                 uuid                     not null,
  "name"                    text,
  "key_prefix"              text                     not null,
  "key_hash"                bytea                    not null,
  "status"                  text                     not null default 'active'::text,
  "starts_at"               timestamp with time zone not null default now(),
  "expires_at"              timestamp with time zone,
  "first_validated_at"      timestamp with time zone,
  "first_activated_at"      timestamp with time zone,
  "seats"                   integer,
  "max_activations"         integer,
  "overage_percent"         integer                  not null,
  "quotas"                  jsonb                    not null,
  "entitlements"            text[]                   not null,
  "activation"              text                     not null,
  "heartbeat_seconds"       integer,
  "heartbeat_grace_seconds" integer                  not null,
  "duration_days"           integer,
  "expiry_basis"            text                     not null,
  "on_expiry"               text                     not null,
  "metadata"                jsonb                    not null default '{}'::jsonb,
  "transferred_from"        uuid,
  "created_at"              timestamp with time zone not null default now(),
  "updated_at"              timestamp with time zone not null default now(),
  "version"                 integer                  not null default 1,
  constraint "licenses_activation_check" check ((activation = ANY (ARRAY['node-locked'::text, 'floating'::text]))),
  constraint "licenses_expires_in_time" check ((expires_at < '9999-12-31 00:00:00+00'::timestamp with time zone)),
  constraint "licenses_expires_later" check ((expires_at > starts_at)),
  constraint "licenses_expiry_basis_check"
    check ((expiry_basis = ANY (ARRAY['creation'::text, 'first-validation'::text, 'first-activation'::text]))),
  constraint "licenses_key_hash_key" unique (organization_id, key_hash),
  constraint "licenses_metadata_size"
    check (((jsonb_typeof(metadata) = 'object'::text) AND (octet_length((metadata)::text) <= 16384))),
  constraint "licenses_on_expiry_check"
    check ((on_expiry = ANY (ARRAY['restrict'::text, 'read-only'::text, 'keep'::text]))),
  constraint "licenses_status_check"
    check ((status = ANY (ARRAY['draft'::text, 'active'::text, 'suspended'::text, 'revoked'::text]))),
  "id"                      uuid                     not null default {{schema}}.new_id(),
  constraint "licenses_pkey" primary key (organization_id, id)
);

alter table {{schema}}."licenses"
  enable row level security;

alter table {{schema}}."licenses"
  force row level security;

create table {{schema}}."limit_usage" (
  "organization_id" uuid   not null,
  "key"             text   not null,
  "used"            bigint not null,
  constraint "limit_usage_pkey" primary key (organization_id, key)
);

alter table {{schema}}."limit_usage"
  enable row level security;

alter table {{schema}}."limit_usage"
  force row level security;

create table {{schema}}."operator_log" (
  "actor_id"        uuid                     not null,
  "session_id"      uuid                     not null,
  "request_id"      text,
  "ip"              text,
  "user_agent"      text,
  "operation"       text                     not null,
  "organization_id" uuid,
  "entity_type"     text,
  "entity_id"       uuid,
  "details"         jsonb,
  "created_at"      timestamp with time zone not null default now(),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "operator_log_pkey" primary key (id)
);

alter table {{schema}}."operator_log"
  enable row level security;

create table {{schema}}."organization_daily_stats" (
  "organization_id"      uuid    not null,
  "day"                  date    not null,
  "sign_ins"             integer not null,
  "active_members"       integer not null,
  "invitations_sent"     integer not null,
  "invitations_accepted" integer not null,
  "changes"              integer not null,
  constraint "organization_daily_stats_pkey" primary key (organization_id, day)
);

alter table {{schema}}."organization_daily_stats"
  enable row level security;

alter table {{schema}}."organization_daily_stats"
  force row level security;

create table {{schema}}."support_grants" (
  "organization_id" uuid                     not null,
  "operator_id"     uuid                     not null,
  "reason"          text                     not null,
  "role"            text                     not null default 'viewer'::text,
  "minutes"         integer                  not null default 60,
  "emergency"       boolean                  not null default false,
  "granted_by"      uuid,
  "granted_at"      timestamp with time zone,
  "opens_at"        timestamp with time zone,
  "expires_at"      timestamp with time zone,
  "ended_by"        uuid,
  "ended_at"        timestamp with time zone,
  "gate_changed_in" xid8,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "support_grants_duration" check ((expires_at <= (opens_at + '08:00:00'::interval))),
  constraint "support_grants_granted"
    check
    ((((granted_at IS NULL) = (granted_by IS NULL)) AND ((granted_at IS NULL) = (opens_at IS NULL)) AND ((granted_at IS
    NULL) = (expires_at IS NULL)))),
  constraint "support_grants_minutes_check" check (((minutes >= 1) AND (minutes <= 480))),
  constraint "support_grants_role_check" check ((role = ANY (ARRAY['viewer'::text, 'member'::text]))),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "support_grants_pkey" primary key (organization_id, id)
);

alter table {{schema}}."support_grants"
  enable row level security;

alter table {{schema}}."support_grants"
  force row level security;

alter table {{schema}}."audit_log"
  add column "operator_id" uuid;

alter table {{schema}}."organizations"
  add column "suspended_at" timestamp with time zone;

alter table {{schema}}."organizations"
  add column "suspended_reason" text;

alter table {{schema}}."users"
  add column "superuser_since" timestamp with time zone;

alter table {{schema}}."users"
  add column "superuser_through" uuid[] not null default '{}'::uuid[];

alter table {{schema}}."users"
  add column "password_change_required_at" timestamp with time zone;

alter table {{schema}}."invitations"
  alter column "invited_by" drop not null;

create or replace function {{schema}}.account_search (
  given text
)
  returns tsquery
  language sql
  immutable
  parallel safe
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery from unnest(search_words(given)) as word $function$;

create or replace function {{schema}}.account_words (
  email       text,
  username    text,
  given_name  text,
  family_name text,
  full_name   text
)
  returns tsvector
  language sql
  immutable
  parallel safe
  security definer
  cost 1000
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select array_to_tsvector(array(select word from words_of_member(email, username, given_name, family_name, full_name) where kind = 'word')) $function$;

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

create or replace function {{schema}}.count_rows()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
end $function$;

create or replace function {{schema}}.count_seats()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
end $function$;

create or replace function {{schema}}.count_seats_of_account()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  place record;
begin
  for place in select organization_id from memberships where user_id = new.id and disabled_at is null and deleted_at is null order by organization_id loop
    perform count_use(place.organization_id, 'seats', case when new.guest then -1 else 1 end);
  end loop;
  return null;
end $function$;

create or replace function {{schema}}.count_units (
  organization uuid,
  limit_key    text
)
  returns bigint
  language plpgsql
  stable
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  counted bigint := 0;
begin
  if to_regclass(quote_ident(limit_key)) is not null then
    execute format('select count(*) from %I where organization_id = $1', limit_key) into counted using organization;
  end if;
  return counted;
end $function$;

create or replace function {{schema}}.count_use (
  organization uuid,
  limit_key    text,
  change       bigint
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
end $function$;

create or replace function {{schema}}.counted_table (
  name text
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  execute format('create policy counting on %I for select to freehold_owner using (true)', name);
  execute format('create trigger usage_insert after insert on %I referencing new table as new_rows for each statement execute function count_rows()', name);
  execute format('create trigger usage_delete after delete on %I referencing old table as old_rows for each statement execute function count_rows()', name);
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

create or replace function {{schema}}.delete_stats()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  delete from organization_daily_stats where organization_id = old.id;
  return null;
end $function$;

create or replace function {{schema}}.enqueue_job (
  queue_name text,
  data       jsonb,
  start_at   timestamp with time zone default now()
)
  returns uuid
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  job_id uuid;
  trace constant text := nullif(current_setting('app.context', true), '')::jsonb ->> 'traceparent';
begin
  if exists (select from jsonb_each_text(data) where value !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') then
    raise exception 'a job of the queue % is given something that is no id', queue_name using errcode = '22023';
  end if;
  insert into {{jobs}}.job (name, data, start_after, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, keep_until, dead_letter, policy)
  select name, enqueue_job.data || case when trace ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$' then jsonb_build_object('traceparent', trace) else '{}' end, start_at, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, greatest(now(), start_at) + make_interval(secs => retention_seconds), dead_letter, policy
  from {{jobs}}.queue where name = queue_name
  returning id into strict job_id;
  return job_id;
end $function$;

create or replace function {{schema}}.fence_seats()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform hold_limits(new.organization_id);
  return new;
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

create or replace function {{schema}}.gate_is_open()
  returns boolean
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  own constant xid8 := pg_current_xact_id();
begin
  -- Support access changes nothing that a gate depends on.
  if coalesce(current_setting('app.support_id', true), '') <> '' then
    return exists (select from gate);
  elsif wanted = '' then
    return exists (select from sessions s join users u on u.id = s.user_id
      where s.id = nullif(current_setting('app.session_id', true), '')::uuid
        and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now())
        and (u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null));
  end if;
  -- An operator's change of accounts and sessions concerns no organization.
  if wanted like 'admin:%' and coalesce(current_setting('app.organization_id', true), '') = '' then
    return exists (select from operator);
  end if;
  return exists (select from gate) or exists (select from sessions s
    join users u on u.id = s.user_id
    join organizations o on o.id = nullif(current_setting('app.organization_id', true), '')::uuid
    left join memberships m on m.organization_id = o.id and m.user_id = s.user_id
    where own in (s.gate_changed_in, u.gate_changed_in, o.gate_changed_in, m.gate_changed_in)
      and s.id = nullif(current_setting('app.session_id', true), '')::uuid
      and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now())
      and (u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null)
      and (o.gate_changed_in = own
        or o.deleted_at is null and (o.suspended_at is null or wanted like 'admin:%' or wanted = 'organization:leave')
          and (s.gate_changed_in = own or s.second_factor_at is not null or not o.second_factor_required or is_way_out()))
      and (m.gate_changed_in = own
        or (u.superuser or u.gate_changed_in = own) and exists (select from role_permissions p where p.permission = wanted and p.role = 'superuser')
        or m.disabled_at is null and m.deleted_at is null and wanted = any (permissions_of(o.id, m.role, m.role_id)))
      and (coalesce(current_setting('app.requires', true), '') = '' or is_entitled()));
end $function$;

create or replace function {{schema}}.guard_allowance()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  organization constant uuid := case when tg_op = 'DELETE' then old.organization_id else new.organization_id end;
begin
  perform pg_advisory_xact_lock(lock_key('limits', organization::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock(lock_key('revocation', organization::text));
  return case when tg_op = 'DELETE' then old else new end;
end $function$;

create or replace function {{schema}}.guard_default_allowance()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform pg_advisory_xact_lock(lock_key('limits', ''));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  return case when tg_op = 'DELETE' then old else new end;
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

create or replace function {{schema}}.guard_new_guest()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from memberships where user_id = new.id and deleted_at is null and (role <> 'viewer' or role_id is not null)) then
    raise exception 'the user has another role than viewer' using errcode = '23514', constraint = 'users_guests_are_viewers';
  end if;
  return null;
end $function$;

create or replace function {{schema}}.guard_organization()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  closes constant boolean := old.deleted_at is distinct from new.deleted_at;
  changes constant boolean := (old.name, old.slug, old.second_factor_required) is distinct from (new.name, new.slug, new.second_factor_required);
  suspends constant boolean := (old.suspended_at, old.suspended_reason) is distinct from (new.suspended_at, new.suspended_reason);
  wanted constant text := coalesce(current_setting('app.permission', true), '');
begin
  -- Without a permission it is the system login, which closes what an account's deletion leaves empty.
  if wanted <> '' and (closes and wanted <> 'organization:delete' or changes and wanted <> 'organization:write'
    or suspends and wanted <> 'admin:organizations:write' or old.kind <> new.kind) then
    raise exception '% does not allow this change of an organization', wanted using errcode = '42501';
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

create or replace function {{schema}}.has_seat (
  organization uuid,
  person       uuid
)
  returns boolean
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select exists (select from users where id = person and guest)
    or coalesce((select used from limit_usage where organization_id = organization and key = 'seats') < maximum_of(organization, 'seats'), true) $function$;

create or replace function {{schema}}.hold_limits (
  organization uuid
)
  returns void
  language sql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select pg_advisory_xact_lock_shared(lock_key('limits', '')), pg_advisory_xact_lock_shared(lock_key('limits', organization::text)) $function$;

create or replace function {{schema}}.hold_superusers()
  returns void
  language sql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select pg_advisory_xact_lock(lock_key('superusers', '')) $function$;

create or replace function {{schema}}.hold_transfer (
  license uuid,
  source  uuid,
  target  uuid
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform from licenses where organization_id = source and id = license for no key update;
  perform pg_advisory_xact_lock(lock_key('limits', least(source, target)::text));
  perform pg_advisory_xact_lock(lock_key('limits', greatest(source, target)::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock(lock_key('revocation', least(source, target)::text));
  perform pg_advisory_xact_lock(lock_key('revocation', greatest(source, target)::text));
end $function$;

create or replace function {{schema}}.hold_users (
  ids uuid[]
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  id uuid;
begin
  for id in select distinct held from unnest(ids || acting_user()) as held where held is not null order by held loop
    if id = any (ids) then
      perform pg_advisory_xact_lock(lock_key('revocation', id::text));
    else
      perform pg_advisory_xact_lock_shared(lock_key('revocation', id::text));
    end if;
  end loop;
end $function$;

create or replace function {{schema}}.is_entitled()
  returns boolean
  language plpgsql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  organization constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  return exists (select from entitlements e where e.organization_id = organization and e.code = current_setting('app.requires', true)
      and (e.writes or current_setting('app.permission', true) like '%:read'))
    and (exists (select from memberships m where m.organization_id = organization and m.user_id = acting_user())
      or exists (select from users u where u.id = acting_user() and u.superuser));
end $function$;

create or replace function {{schema}}.is_limited (
  organization uuid,
  limit_key    text
)
  returns boolean
  language sql
  stable
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select exists (select from allowances where organization_id = organization and (maxima ->> limit_key is not null or on_expiry = 'read-only'))
    or exists (select from default_allowance where maxima ->> limit_key is not null) $function$;

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

create or replace function {{schema}}.keep_a_superuser()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if nullif(current_setting('app.session_id', true), '') is not null then
    perform hold_superusers();
    if not exists (select from users where superuser and disabled_at is null and deleted_at is null) then
      raise exception 'the service needs a superuser' using errcode = '23514', constraint = 'users_keep_a_superuser';
    end if;
  end if;
  return null;
end $function$;

create or replace function {{schema}}.keep_allowance()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  maxima constant jsonb := case when tg_op <> 'DELETE' then maxima_of(new.seats, new.quotas, new.overage_percent) end;
begin
  if tg_op <> 'INSERT' and (tg_op = 'DELETE' or new.status <> 'active') then
    delete from allowances where organization_id = old.organization_id and id = old.id;
    return null;
  end if;
  if new.status = 'active' then
    insert into allowances as kept (organization_id, id, maxima, entitlements, starts_at, expires_at, on_expiry)
    values (new.organization_id, new.id, maxima, new.entitlements, new.starts_at, new.expires_at, new.on_expiry)
    on conflict (organization_id, id) do update set maxima = excluded.maxima, entitlements = excluded.entitlements, starts_at = excluded.starts_at,
      expires_at = excluded.expires_at, on_expiry = excluded.on_expiry;
    if tg_op = 'INSERT' or old.status = 'draft' or maxima_of(old.seats, old.quotas, old.overage_percent) <> maxima then
      perform require_room(new.organization_id, maxima);
    end if;
  end if;
  return null;
end $function$;

create or replace function {{schema}}.keep_default_allowance()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if tg_op <> 'INSERT' and old.is_default and (tg_op = 'DELETE' or not new.is_default) then
    delete from default_allowance;
  end if;
  if tg_op <> 'DELETE' and new.is_default then
    insert into default_allowance (maxima, entitlements) values (maxima_of(new.seats, new.quotas, new.overage_percent), new.entitlements)
    on conflict (only_one) do update set maxima = excluded.maxima, entitlements = excluded.entitlements;
  end if;
  return null;
end $function$;

create or replace function {{schema}}.keep_default_plan()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  raise exception 'the plan is the default' using errcode = '23514', constraint = 'license_plans_default_in_use';
end $function$;

create or replace function {{schema}}.keep_removable_at()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  new.removable_at := date_trunc('hour', new.expires_at) + interval '1 day';
  return new;
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

create or replace function {{schema}}.license_status (
  status     text,
  expires_at timestamp with time zone
)
  returns text
  language sql
  stable
  parallel safe
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select case when status = 'active' and expires_at <= now() then 'expired' else status end $function$;

create or replace function {{schema}}.limits_in_gate()
  returns table (
    organization_id uuid,
    key             text,
    maximum         bigint,
    used            bigint
  )
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select gate.organization_id, keys.key, maximum_of(gate.organization_id, keys.key),
    coalesce((select u.used from limit_usage u where u.organization_id = gate.organization_id and u.key = keys.key), count_units(gate.organization_id, keys.key))
  from gate cross join lateral (
    select jsonb_object_keys(a.maxima) as key from allowances a where a.organization_id = gate.organization_id
    union select jsonb_object_keys(d.maxima) from default_allowance d
    union select 'seats') as keys
  where gate.reads $function$;

create or replace function {{schema}}.lock_key (
  space text,
  name  text
)
  returns bigint
  language plpgsql
  immutable
  parallel safe
  set search_path to 'pg_catalog', 'pg_temp'
  AS $function$
declare
  place constant integer := array_position(array['revocation', 'owners', 'idempotency', 'superusers', 'signing-keys', 'mail', 'product', 'structure', 'stats', 'limits', 'licenses'], space);
begin
  if place is null then
    raise exception 'there is no lock space %: add it to lock_key()', space using errcode = '22023';
  end if;
  return (place::bigint << 56) | ('x' || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 14))::bit(56)::bigint;
end $function$;

create or replace function {{schema}}.lock_place (
  organization uuid,
  person       uuid
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  since timestamptz;
begin
  perform from memberships where organization_id = organization and user_id = person for no key update;
  select suspended_at into since from organizations where id = organization for share; -- which is not closed meanwhile
  if since is not null then
    raise exception 'the organization is suspended' using errcode = '23514', constraint = 'organizations_suspended',
      detail = jsonb_build_object('suspended_at', replace(to_jsonb(since) #>> '{}', '+00:00', 'Z'));
  end if;
  perform from users where id = person for no key update;
end $function$;

create or replace function {{schema}}.log_operation (
  operation   text,
  entity_type text,
  entity_id   uuid,
  details     jsonb
)
  returns void
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
begin
  insert into operator_log (actor_id, session_id, request_id, ip, user_agent, operation, organization_id, entity_type, entity_id, details)
  select o.user_id, o.session_id, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', operation,
    nullif(current_setting('app.organization_id', true), '')::uuid, entity_type, entity_id, details
  from operator o where current_setting('app.permission', true) not like '%:read';
  if not found then
    raise exception 'only an operator records an operation' using errcode = '42501';
  end if;
end $function$;

create or replace function {{schema}}.mail_invitation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  sender_name constant text := 'organization ' || new.organization_id;
  has_ended constant boolean := new.accepted_at is not null or new.revoked_at is not null;
  inviter constant uuid := coalesce(acting_user(), new.invited_by); -- also an operator: the quota counts their emails, too
  token_id uuid;
begin
  if not has_ended and new.mail_at is not null then
    new.invited_by := case when coalesce(current_setting('app.permission', true), '') not like 'admin:%' then inviter end;
    perform pg_advisory_xact_lock(lock_key('mail', sender_name));
    perform pg_advisory_xact_lock(lock_key('mail', 'inviter ' || inviter));
    if is_over_mail_quota('invitation', new.email, sender_name, null) or (select count(*) from one_time_tokens where email = new.email
        and purpose = 'invitation' and details ->> 'invited_by' = inviter::text and created_at > now() - interval '1 hour') >= 5 then
      if exists (select from gate where organization_id = new.organization_id and writes) then
        return null;
      end if;
      -- Another organization's row, which its policy refuses, whatever the quota is.
      new.mail_at := null;
      return new;
    end if;
  end if;
  if tg_op = 'UPDATE' then
    update one_time_tokens set used_at = now(), mail_at = case when mail_at <= now() then mail_at end
    where email = new.email and purpose = 'invitation' and used_at is null and details ->> 'invitation_id' = new.id::text;
    if has_ended then
      new.mail_at := case when old.mail_at <= now() then old.mail_at end;
    end if;
  end if;
  if has_ended or new.mail_at is null then
    return new;
  end if;
  new.mail_at := case when tg_op = 'UPDATE' and old.mail_at > now() then old.mail_at else next_mail_at(sender_name) end;
  new.expires_at := new.mail_at + interval '7 days';
  insert into one_time_tokens (purpose, email, details, expires_at, sender, mail_at)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version,
    'invited_by', inviter), new.expires_at, sender_name, new.mail_at)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id), new.mail_at);
  return new;
end $function$;

create or replace function {{schema}}.make_invitation_link()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  invitation invitations%rowtype;
begin
  select * into invitation from invitations where organization_id = new.organization_id and id = new.invitation_id and accepted_at is null and revoked_at is null;
  if invitation.id is null or invitation.invited_by is not null and not exists (select from live_inviters i where i.organization_id = new.organization_id and i.user_id = invitation.invited_by
      and permissions_of(new.organization_id, invitation.role, invitation.role_id) <@ permissions_of(i.organization_id, i.role, i.role_id)) then
    raise exception 'the invitation has ended' using errcode = '23514', constraint = 'invitation_links_open';
  end if;
  if invitation.role = 'owner' and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'invitation_links_owner_by_owner';
  end if;
  perform require_offerable_role(invitation.role, invitation.role_id);
  update one_time_tokens set used_at = now()
  where email = invitation.email and purpose = 'invitation-link' and used_at is null and details ->> 'invitation_id' = new.invitation_id::text;
  insert into one_time_tokens (id, purpose, email, details, expires_at)
  values (new.id, 'invitation-link', invitation.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.invitation_id,
    'version', invitation.version, 'made_by', new.created_by), new.expires_at);
  return null;
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

create or replace function {{schema}}.maximum_of (
  organization uuid,
  limit_key    text
)
  returns bigint
  language sql
  stable
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select case when count(*) = 0 then (select (maxima ->> limit_key)::bigint from default_allowance)
    when bool_or(maxima ->> limit_key is null and adds) then null
    else max(case when adds then (maxima ->> limit_key)::bigint else 0 end) end
  from current_allowances where organization_id = organization $function$;

create or replace function {{schema}}.note_superuser()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if not new.superuser then
    new.superuser_since := null;
    new.superuser_through := '{}';
  elsif tg_op = 'INSERT' or not old.superuser then
    new.superuser_since := now();
    new.superuser_through := coalesce((select u.id || u.superuser_through from users u where u.id = acting_user()), '{}');
  else
    new.superuser_since := old.superuser_since;
    new.superuser_through := old.superuser_through;
  end if;
  return new;
end $function$;

create or replace function {{schema}}.organization_words (
  name text,
  slug text
)
  returns tsvector
  language sql
  immutable
  parallel safe
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select array_to_tsvector(array(select word_beginnings(name || ' ' || slug))) $function$;

create or replace function {{schema}}.record_account()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform record_event(case when tg_op = 'INSERT' then 'account-created' else 'account-changed' end, new.id,
    nullif(current_setting('app.session_id', true), '')::uuid,
    case when tg_op = 'UPDATE' then jsonb_build_object('changed', (select jsonb_agg(n.key order by n.key)
      from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o using (key)
      where n.value is distinct from o.value and key not in ('version', 'updated_at', 'last_organization_id', 'unopened_organization_ids', 'gate_changed_in', 'superuser_since', 'superuser_through'))) end);
  return null;
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

create or replace function {{schema}}.record_event (
  type       text,
  user_id    uuid,
  session_id uuid,
  details    jsonb   default null::jsonb,
  mailed     boolean default false
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  event_id constant uuid := new_id();
begin
  insert into security_events (id, type, user_id, session_id, actor_id, request_id, ip, user_agent, details)
  values (event_id, type, user_id, session_id, coalesce(acting_user(), (context ->> 'user_id')::uuid), context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', details);
  if mailed and user_id is not null then
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end if;
end $function$;

create or replace function {{schema}}.record_operation()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  insert into audit_log (organization_id, actor_id, session_id, request_id, ip, user_agent, action, entity_type, entity_id, after)
  values (new.organization_id, new.actor_id, new.session_id, new.request_id, new.ip, new.user_agent, 'operate', coalesce(new.entity_type, 'organizations'),
    coalesce(new.entity_id, new.organization_id), jsonb_strip_nulls(jsonb_build_object('operation', new.operation, 'details', new.details)));
  return null;
end $function$;

create or replace function {{schema}}.record_session()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if tg_op = 'INSERT' then
    perform record_event('session-created', new.user_id, new.id, jsonb_strip_nulls(jsonb_build_object('methods', new.methods, 'organization_id', new.organization_id)));
  else
    perform record_event('session-revoked', new.user_id, new.id, jsonb_build_object('reason', new.revoked_reason));
  end if;
  return null;
end $function$;

create or replace function {{schema}}.record_support_request (
  operation text,
  path      text
)
  returns boolean
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  role constant text := support_role();
  principal constant uuid := nullif(current_setting('app.support_id', true), '')::uuid;
begin
  if role is null then
    return false;
  end if;
  insert into audit_log (organization_id, actor_id, operator_id, session_id, request_id, ip, user_agent, action, entity_type, entity_id, after)
  values (nullif(current_setting('app.organization_id', true), '')::uuid, principal, acting_user(), nullif(current_setting('app.session_id', true), '')::uuid,
    context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', operation, 'support', principal, jsonb_build_object('role', role, 'path', path));
  return true;
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

create or replace function {{schema}}.replace_default_plan()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  update license_plans set is_default = false where is_default and id <> new.id;
  return new;
end $function$;

create or replace function {{schema}}.require_offerable_role (
  built_in text,
  custom   uuid
)
  returns void
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  place constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return;
  end if;
  if custom is not null then
    perform from roles where organization_id = place and id = custom and deleted_at is null for share;
    if not found then
      raise exception 'there is no such role' using errcode = '23503', constraint = 'invitations_role_fkey';
    end if;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', place::text));
  if not gate_is_open() then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
  -- An operator has no role there, and offers any.
  if current_setting('app.permission', true) not like 'admin:%' then
    perform require_own_permissions(permissions_of(place, built_in, custom));
  end if;
end $function$;

create or replace function {{schema}}.require_room (
  organization uuid,
  wanted       jsonb
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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

create or replace function {{schema}}.support_role()
  returns text
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select g.role
  from support_grants g
  join organizations o on o.id = g.organization_id and o.deleted_at is null
  join sessions s on s.user_id = g.operator_id and s.id = nullif(current_setting('app.session_id', true), '')::uuid
    and s.revoked_at is null and s.expires_at > now()
  join users u on u.id = g.operator_id and u.superuser and u.disabled_at is null and u.deleted_at is null
  where g.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid
    and g.id = nullif(current_setting('app.support_id', true), '')::uuid
    and g.opens_at <= now() and g.expires_at > now() and g.ended_at is null $function$;

create or replace function {{schema}}.tell_owners (
  organization uuid,
  type         text,
  details      jsonb,
  but          uuid[]  default '{}'::uuid[],
  also         uuid    default null::uuid,
  hourly       integer default null::integer
)
  returns void
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  told constant jsonb := jsonb_strip_nulls(details || jsonb_build_object('organization_id', organization));
  event_id uuid;
  owner_id uuid;
begin
  for owner_id in select m.user_id from memberships m join live_users u on u.id = m.user_id
    where m.organization_id = organization and m.user_id <> all (array_remove(but, null))
      and (m.role = 'owner' and m.disabled_at is null and m.deleted_at is null or m.user_id = also)
    order by m.user_id loop
    event_id := new_id();
    insert into security_events (id, type, user_id, actor_id, request_id, details)
    values (event_id, tell_owners.type, owner_id, acting_user(), context ->> 'request_id', told);
    if hourly is null or (select count(*) from security_events e where e.user_id = owner_id and e.type = tell_owners.type
        and e.details ->> 'organization_id' = organization::text and e.created_at > now() - interval '1 hour') <= hourly then
      perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
    end if;
  end loop;
end $function$;

create or replace function {{schema}}.tell_owners_of_invitation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform tell_owners(new.organization_id, 'invited-by-operator', jsonb_build_object('invitation_id', new.id));
  return null;
end $function$;

create or replace function {{schema}}.tell_owners_of_organization()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform tell_owners(new.id, case when old.deleted_at is null and new.deleted_at is not null then 'organization-deleted' else 'second-factor-optional' end,
    '{}', array[acting_user()], hourly => 10);
  return null;
end $function$;

create or replace function {{schema}}.tell_owners_of_owner()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  actor constant uuid := acting_user();
  was_owner constant boolean := tg_op = 'UPDATE' and old.role = 'owner' and old.disabled_at is null and old.deleted_at is null;
  is_owner constant boolean := new.role = 'owner' and new.disabled_at is null and new.deleted_at is null;
  member constant jsonb := jsonb_build_object('member_id', new.user_id);
begin
  if current_setting('app.permission', true) = 'organization:transfer' then
    if is_owner then
      perform tell_owners(new.organization_id, 'organization-transferred', member, array[actor], hourly => 10);
    end if;
  elsif was_owner and not is_owner and new.user_id is distinct from actor then
    perform tell_owners(new.organization_id,
      case when new.deleted_at is not null then 'owner-removed' when new.disabled_at is not null then 'owner-disabled' else 'owner-demoted' end,
      member, array[actor], new.user_id, 10);
  elsif is_owner and not was_owner then
    perform tell_owners(new.organization_id, 'owner-added', member, array[actor, new.user_id], hourly => 10);
  end if;
  return null;
end $function$;

create or replace function {{schema}}.tell_owners_of_support()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  type constant text := case when tg_op = 'INSERT' then 'support-requested' when new.ended_at is null then case when new.emergency then 'support-opened-in-emergency' else 'support-opened' end
    when new.granted_at is not null then 'support-ended' end;
begin
  if type is not null then
    perform tell_owners(new.organization_id, type,
      jsonb_build_object('support_id', new.id, 'reason', new.reason, 'opens_at', new.opens_at, 'expires_at', new.expires_at));
  end if;
  return null;
end $function$;

create or replace function {{schema}}.tell_owners_of_suspension()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform tell_owners(new.id, case when new.suspended_at is null then 'organization-reactivated' else 'organization-suspended' end,
    jsonb_build_object('reason', new.suspended_reason));
  return null;
end $function$;

create or replace function {{schema}}.words_wanted (
  search text
)
  returns tsquery
  language sql
  immutable
  parallel safe
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery from unnest(search_words(search)) as word $function$;

alter table {{schema}}."allowances"
  add constraint "allowances_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."license_activations"
  add constraint "license_activations_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."licenses"
  add constraint "licenses_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."limit_usage"
  add constraint "limit_usage_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

-- lock: ACCESS EXCLUSIVE on organizations, for a moment: from now on new rows are checked
alter table {{schema}}."organizations"
  add constraint "organizations_suspended_reason" check (((suspended_at IS NULL) = (suspended_reason IS NULL))) not valid;

alter table {{schema}}."support_grants"
  add constraint "support_grants_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

create view {{schema}}."current_allowances" with (security_barrier=true) AS  SELECT organization_id,
    id,
    maxima,
    entitlements,
    ((expires_at IS NULL) OR (expires_at > now()) OR (on_expiry = 'keep'::text)) AS adds
   FROM {{schema}}.allowances
  WHERE ((starts_at <= now()) AND ((expires_at IS NULL) OR (expires_at > now()) OR (on_expiry <> 'restrict'::text)));

create view {{schema}}."entitlements" with (security_barrier=true) AS  SELECT a.organization_id,
    code.code,
    a.adds AS writes
   FROM ({{schema}}.current_allowances a
     CROSS JOIN LATERAL unnest(a.entitlements) code(code))
UNION ALL
 SELECT o.id AS organization_id,
    code.code,
    true AS writes
   FROM (({{schema}}.organizations o
     CROSS JOIN {{schema}}.default_allowance d)
     CROSS JOIN LATERAL unnest(d.entitlements) code(code))
  WHERE (NOT (EXISTS ( SELECT
           FROM {{schema}}.current_allowances a
          WHERE (a.organization_id = o.id))));

create or replace view {{schema}}."gate" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    o.id AS organization_id,
    current_setting('app.permission'::text, true) AS permission,
        CASE
            WHEN (current_setting('app.permission'::text, true) !~~ 'admin:%'::text) THEN m.role
            WHEN u.superuser THEN 'superuser'::text
            ELSE NULL::text
        END AS role,
    (current_setting('app.permission'::text, true) !~~ '%:read'::text) AS writes,
    (((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required)) AND ((o.suspended_at IS NULL) OR (current_setting('app.permission'::text, true) ~~ 'admin:%'::text))) AS reads
   FROM ((({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     JOIN {{schema}}.organizations o ON ((o.id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid)))
     LEFT JOIN LATERAL ( SELECT memberships.role,
                CASE
                    WHEN (memberships.role_id IS NULL) THEN memberships.role
                    WHEN (EXISTS ( SELECT
                       FROM {{schema}}.custom_role_permissions c
                      WHERE ((c.organization_id = o.id) AND (c.role_id = memberships.role_id) AND (c.permission = current_setting('app.permission'::text, true))))) THEN 'admin'::text
                    ELSE NULL::text
                END AS rank
           FROM {{schema}}.memberships
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL) AND (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text))
         OFFSET 0) m ON (true))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required) OR {{schema}}.is_way_out()) AND ((o.suspended_at IS NULL) OR (current_setting('app.permission'::text, true) ~~ 'admin:%'::text) OR (current_setting('app.permission'::text, true) = 'organization:leave'::text)) AND (EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting)) AND ((p.role = m.rank) OR (u.superuser AND (p.role =
                CASE
                    WHEN (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text) THEN 'superuser'::text
                    ELSE ('support-'::text || {{schema}}.support_role())
                END)))))) AND ((COALESCE(current_setting('app.requires'::text, true), ''::text) = ''::text) OR {{schema}}.is_entitled()));

create view {{schema}}."colleagues" with (security_barrier=true) AS  SELECT user_id
   FROM {{schema}}.memberships
  WHERE ((organization_id = ( SELECT gate.organization_id
           FROM {{schema}}.gate
          WHERE gate.reads)) AND ( SELECT (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create view {{schema}}."limits" with (security_barrier=true) AS  SELECT organization_id,
    key,
    maximum,
    used
   FROM {{schema}}.limits_in_gate() limits_in_gate(organization_id, key, maximum, used);

create or replace view {{schema}}."live_invitations" with (security_barrier=true) AS  SELECT invited.id AS user_id,
    i.organization_id,
    i.id,
        CASE
            WHEN invited.guest THEN 'viewer'::text
            WHEN (i.role_id IS NULL) THEN i.role
            ELSE 'custom'::text
        END AS role,
        CASE
            WHEN (NOT invited.guest) THEN i.role_id
            ELSE NULL::uuid
        END AS role_id,
        CASE
            WHEN (NOT invited.guest) THEN ( SELECT r.name
               FROM {{schema}}.roles r
              WHERE ((r.organization_id = i.organization_id) AND (r.id = i.role_id)))
            ELSE NULL::text
        END AS role_name,
    i.title,
    i.company,
    i.expires_at,
    i.created_at,
    o.name AS organization_name,
    COALESCE(inviting.full_name, inviting.given_name) AS inviter_name
   FROM (((({{schema}}.users invited
     CROSS JOIN LATERAL ( SELECT invitations.organization_id,
            invitations.id,
            invitations.email,
            invitations.role,
            invitations.role_id,
            invitations.title,
            invitations.company,
            invitations.invited_by,
            invitations.expires_at,
            invitations.mail_at,
            invitations.accepted_at,
            invitations.revoked_at,
            invitations.created_at,
            invitations.updated_at,
            invitations.version,
            invitations.guest
           FROM {{schema}}.invitations
          WHERE ((invitations.email = invited.email) AND (invitations.accepted_at IS NULL) AND (invitations.revoked_at IS NULL) AND (invitations.expires_at > now()))
         OFFSET 0) i)
     JOIN {{schema}}.organizations o ON (((o.id = i.organization_id) AND (o.deleted_at IS NULL) AND (o.suspended_at IS NULL))))
     LEFT JOIN {{schema}}.users inviting ON ((inviting.id = i.invited_by)))
     LEFT JOIN LATERAL ( SELECT l.role,
            l.role_id
           FROM {{schema}}.live_inviters l
          WHERE ((l.organization_id = i.organization_id) AND (l.user_id = i.invited_by))
         OFFSET 0) inviter ON (true))
  WHERE ((invited.disabled_at IS NULL) AND (invited.deleted_at IS NULL) AND invited.email_verified AND ((i.invited_by IS NULL) OR ((inviter.role IS NOT NULL) AND (NOT (EXISTS ( SELECT
           FROM {{schema}}.role_permissions wanted
          WHERE ((wanted.role =
                CASE
                    WHEN (i.role_id IS NULL) THEN i.role
                    ELSE 'admin'::text
                END) AND ((i.role_id IS NULL) OR (EXISTS ( SELECT
                   FROM {{schema}}.custom_role_permissions c
                  WHERE ((c.organization_id = i.organization_id) AND (c.role_id = i.role_id) AND (c.permission = wanted.permission))))) AND (NOT (EXISTS ( SELECT
                   FROM {{schema}}.role_permissions own
                  WHERE ((own.permission = wanted.permission) AND (own.role =
                        CASE
                            WHEN (inviter.role_id IS NULL) THEN inviter.role
                            ELSE 'admin'::text
                        END) AND ((inviter.role_id IS NULL) OR (EXISTS ( SELECT
                           FROM {{schema}}.custom_role_permissions c
                          WHERE ((c.organization_id = i.organization_id) AND (c.role_id = inviter.role_id) AND (c.permission = wanted.permission))))))))))))))));

create or replace view {{schema}}."live_users" with (security_barrier=true) AS  SELECT id,
    email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name,
    superuser,
    email_verified_at,
    email_verified,
    last_organization_id,
    unopened_organization_ids,
    locale,
    disabled_at,
    deleted_at,
    erased_at,
    gate_changed_in,
    created_at,
    updated_at,
    version,
    guest,
    superuser_since,
    superuser_through,
    password_change_required_at
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create view {{schema}}."own_account" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    (s.second_factor_at IS NOT NULL) AS second_factor,
    u.superuser,
    u.email_verified,
    u.email,
    u.username,
    u.given_name,
    u.family_name,
    u.full_name,
    u.guest,
    u.locale,
    u.created_at,
    u.updated_at,
    u.version,
    s.created_at AS session_created_at,
    s.last_seen_at,
    s.expires_at,
    s.authenticated_at,
    s.ip,
    s.user_agent
   FROM ({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text));

create view {{schema}}."own_entitlements" with (security_barrier=true) AS  SELECT e.organization_id,
    e.code,
    bool_or(e.writes) AS writes
   FROM ({{schema}}.gate
     JOIN {{schema}}.entitlements e ON ((e.organization_id = gate.organization_id)))
  WHERE gate.reads
  GROUP BY e.organization_id, e.code;

create view {{schema}}."seats" with (security_barrier=true) AS  SELECT m.organization_id,
    m.user_id
   FROM ({{schema}}.memberships m
     JOIN {{schema}}.users u ON ((u.id = m.user_id)))
  WHERE ((m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (NOT u.guest));

create or replace view {{schema}}."self" with (security_barrier=true) AS  SELECT session_id,
    user_id,
    second_factor,
    superuser,
    email_verified
   FROM {{schema}}.own_account;

create view {{schema}}."operator" with (security_barrier=true) AS  SELECT session_id,
    user_id
   FROM {{schema}}.self
  WHERE (superuser AND (EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting)) AND (p.role = 'superuser'::text)))));

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

create or replace view {{schema}}."own_organizations" with (security_barrier=true) AS  SELECT o.id,
    o.kind,
    o.name,
    o.slug,
    o.second_factor_required,
    o.created_at,
    o.updated_at,
    o.version,
        CASE
            WHEN (m.role_id IS NULL) THEN m.role
            ELSE 'custom'::text
        END AS role,
    m.created_at AS joined_at,
    self.user_id,
    m.role_id,
    ( SELECT r.name
           FROM {{schema}}.roles r
          WHERE ((r.organization_id = m.organization_id) AND (r.id = m.role_id))) AS role_name,
    ARRAY( SELECT p.permission
           FROM {{schema}}.role_permissions p
          WHERE ((p.role =
                CASE
                    WHEN (m.role_id IS NULL) THEN m.role
                    ELSE 'admin'::text
                END) AND ((m.role_id IS NULL) OR (EXISTS ( SELECT
                   FROM {{schema}}.custom_role_permissions c
                  WHERE ((c.organization_id = m.organization_id) AND (c.role_id = m.role_id) AND (c.permission = p.permission))))))
          ORDER BY (p.permission COLLATE "C")) AS permissions,
    o.suspended_at,
    ARRAY( SELECT DISTINCT (e.code COLLATE "C") AS code
           FROM {{schema}}.entitlements e
          WHERE (e.organization_id = o.id)
          ORDER BY (e.code COLLATE "C")) AS entitlements
   FROM (({{schema}}.self
     JOIN {{schema}}.memberships m ON (((m.user_id = self.user_id) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL))))
     JOIN {{schema}}.organizations o ON (((o.id = m.organization_id) AND (o.deleted_at IS NULL))));

create view {{schema}}."own_security_events" with (security_barrier=true) AS  SELECT id,
    user_id,
    type,
    session_id,
        CASE
            WHEN (actor_id IS NULL) THEN 'unknown'::text
            WHEN (actor_id = user_id) THEN 'self'::text
            ELSE 'other'::text
        END AS actor,
        CASE
            WHEN ((actor_id IS NULL) OR (actor_id = user_id)) THEN ip
            ELSE NULL::text
        END AS ip,
        CASE
            WHEN ((actor_id IS NULL) OR (actor_id = user_id)) THEN user_agent
            ELSE NULL::text
        END AS user_agent,
    created_at
   FROM {{schema}}.security_events
  WHERE (user_id = ( SELECT self.user_id
           FROM {{schema}}.self));

create index license_activations_removable_at on {{schema}}.license_activations using btree (removable_at);

create unique index license_plans_is_default on {{schema}}.license_plans using btree (is_default)
  where is_default;

create index licenses_key_hash on {{schema}}.licenses using btree (key_hash);

create index licenses_key_prefix on {{schema}}.licenses using btree (key_prefix);

create index licenses_plan_id on {{schema}}.licenses using btree (plan_id);

create index organization_daily_stats_day on {{schema}}.organization_daily_stats using btree (day);

create trigger guard
  before insert or delete or update on {{schema}}.allowances
  for each row
  execute function {{schema}}.guard_allowance();

create trigger guard
  before insert or delete or update on {{schema}}.default_allowance
  for each row
  execute function {{schema}}.guard_default_allowance();

create trigger told
  after insert or update of role, role_id, invited_by on {{schema}}.invitations
  for each row
  when
    (((new.invited_by IS NULL) AND (new.revoked_at IS NULL) AND (current_setting('app.permission'::text, true) ~~
    'admin:%'::text)))
  execute function {{schema}}.tell_owners_of_invitation();

create trigger history
  after insert or delete on {{schema}}.license_activations
  for each row
  execute function {{schema}}.record_change('license_activations', '{license_id, name}');

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

create trigger default_allowance
  after insert or delete or update on {{schema}}.license_plans
  for each row
  execute function {{schema}}.keep_default_allowance();

create trigger keep_default
  before delete on {{schema}}.license_plans
  for each row
  when (old.is_default)
  execute function {{schema}}.keep_default_plan();

create trigger replace_default
  before insert or update of is_default on {{schema}}.license_plans
  for each row
  when (new.is_default)
  execute function {{schema}}.replace_default_plan();

create trigger touch
  before update on {{schema}}.license_plans
  for each row
  execute function {{schema}}.touch();

create trigger allowance_insert
  after insert or delete on {{schema}}.licenses
  for each row
  execute function {{schema}}.keep_allowance();

create trigger allowance_update
  after update on {{schema}}.licenses
  for each row
  when
    (((old.status IS DISTINCT FROM new.status) OR (old.starts_at IS DISTINCT FROM new.starts_at) OR (old.expires_at IS
    DISTINCT FROM new.expires_at) OR (old.seats IS DISTINCT FROM new.seats) OR (old.quotas IS DISTINCT FROM new.quotas)
    OR (old.overage_percent IS DISTINCT FROM new.overage_percent) OR
    (old.entitlements IS DISTINCT FROM new.entitlements) OR (old.on_expiry IS DISTINCT FROM new.on_expiry)))
  execute function {{schema}}.keep_allowance();

create trigger guard
  before insert or update on {{schema}}.licenses
  for each row
  execute function {{schema}}.guard_license();

create trigger history
  after insert or delete or update on {{schema}}.licenses
  for each row
  execute function
    {{schema}}.record_change('licenses',
    '{plan_id,name,key_prefix,status,starts_at,expires_at,first_validated_at,first_activated_at,seats,max_activations,overage_percent,quotas,entitlements,activation,heartbeat_seconds,heartbeat_grace_seconds,duration_days,expiry_basis,on_expiry,transferred_from}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.licenses deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.licenses
  for each row
  execute function {{schema}}.touch();

create trigger fence_seats
  before update on {{schema}}.memberships
  for each row
  when (((old.disabled_at IS DISTINCT FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.fence_seats();

create trigger owner_added
  after insert on {{schema}}.memberships
  for each row
  when
    (((new.role = 'owner'::text) AND (((NULLIF(current_setting('app.context'::text, true), ''::text))::jsonb ->>
    'ip'::text) <> ''::text)))
  execute function {{schema}}.tell_owners_of_owner();

create trigger owner_changed
  after update on {{schema}}.memberships
  for each row
  when
    ((((old.role = 'owner'::text) OR (new.role = 'owner'::text)) AND ((COALESCE(current_setting('app.permission'::text,
    true),
    ''::text) <> ''::text) OR
    ((old.created_at <> new.created_at) AND (((NULLIF(current_setting('app.context'::text, true), ''::text))::jsonb ->>
    'ip'::text) <> ''::text)))))
  execute function {{schema}}.tell_owners_of_owner();

create trigger seats_delete
  after delete on {{schema}}.memberships referencing OLD table as old_rows
  for each STATEMENT
  execute function {{schema}}.count_seats();

create trigger seats_insert
  after insert on {{schema}}.memberships referencing NEW table as new_rows
  for each STATEMENT
  execute function {{schema}}.count_seats();

create trigger seats_update
  after update on {{schema}}.memberships referencing OLD table as old_rows NEW table as new_rows
  for each STATEMENT
  execute function {{schema}}.count_seats();

create trigger history
  after insert on {{schema}}.operator_log
  for each row
  when ((new.organization_id IS NOT NULL))
  execute function {{schema}}.record_operation();

create constraint TRIGGER still_open
  after insert on {{schema}}.operator_log deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger history
  after insert or delete or update on {{schema}}.organizations
  for each row
  execute function
    {{schema}}.record_change('organizations',
    '{name,slug,kind,second_factor_required,deleted_at,suspended_at,suspended_reason}');

create trigger revocation
  before update on {{schema}}.organizations
  for each row
  when
    (((old.deleted_at IS DISTINCT FROM new.deleted_at) OR (old.second_factor_required IS DISTINCT FROM
    new.second_factor_required) OR (old.suspended_at IS DISTINCT FROM new.suspended_at)))
  execute function {{schema}}.lock_revocation('organization', 'id');

create trigger stats
  after delete on {{schema}}.organizations
  for each row
  execute function {{schema}}.delete_stats();

create trigger suspension_told
  after update on {{schema}}.organizations
  for each row
  when (((old.suspended_at IS NULL) <> (new.suspended_at IS NULL)))
  execute function {{schema}}.tell_owners_of_suspension();

create trigger told
  after update on {{schema}}.organizations
  for each row
  when ((((old.deleted_at IS NULL) AND (new.deleted_at IS
    NOT NULL)) OR (old.second_factor_required AND (NOT new.second_factor_required))))
  execute function {{schema}}.tell_owners_of_organization();

create trigger usage_delete
  after delete on {{schema}}.projects referencing OLD table as old_rows
  for each STATEMENT
  execute function {{schema}}.count_rows();

create trigger usage_insert
  after insert on {{schema}}.projects referencing NEW table as new_rows
  for each STATEMENT
  execute function {{schema}}.count_rows();

create trigger gate_column
  before insert or update of gate_changed_in on {{schema}}.support_grants
  for each row
  execute function {{schema}}.keep_gate_changed_in();

create trigger guard
  before insert or update on {{schema}}.support_grants
  for each row
  execute function {{schema}}.guard_support_grant();

create trigger history
  after insert or delete or update on {{schema}}.support_grants
  for each row
  execute function
    {{schema}}.record_change('support_grants',
    '{operator_id,reason,role,minutes,emergency,granted_by,opens_at,expires_at,ended_by,ended_at}');

create trigger revocation
  before update on {{schema}}.support_grants
  for each row
  when (((old.ended_at IS NULL) AND (new.ended_at IS NOT NULL)))
  execute function {{schema}}.lock_revocation('user', 'operator_id');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.support_grants deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger told
  after insert or update on {{schema}}.support_grants
  for each row
  execute function {{schema}}.tell_owners_of_support();

create trigger touch
  before update on {{schema}}.support_grants
  for each row
  execute function {{schema}}.touch();

create trigger keep_a_superuser
  after update on {{schema}}.users
  for each row
  when
    ((old.superuser AND (old.disabled_at IS NULL) AND (old.deleted_at IS NULL) AND (NOT (new.superuser AND
    (new.disabled_at IS NULL) AND (new.deleted_at IS NULL)))))
  execute function {{schema}}.keep_a_superuser();

create trigger new_guest
  after update of guest on {{schema}}.users
  for each row
  when ((new.guest AND (NOT old.guest)))
  execute function {{schema}}.guard_new_guest();

create trigger note_superuser_insert
  before insert on {{schema}}.users
  for each row
  execute function {{schema}}.note_superuser();

create trigger note_superuser
  before update of superuser, superuser_since, superuser_through on {{schema}}.users
  for each row
  execute function {{schema}}.note_superuser();

create trigger seats
  after update of guest on {{schema}}.users
  for each row
  when ((old.guest IS DISTINCT FROM new.guest))
  execute function {{schema}}.count_seats_of_account();

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name,
    superuser,
    guest,
    email_verified_at, locale, disabled_at, deleted_at, password_change_required_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

create trigger usage_delete
  after delete on {{schema}}.workspaces referencing OLD table as old_rows
  for each STATEMENT
  execute function {{schema}}.count_rows();

create trigger usage_insert
  after insert on {{schema}}.workspaces referencing NEW table as new_rows
  for each STATEMENT
  execute function {{schema}}.count_rows();

create policy "gate" on {{schema}}."allowances"
  for select
  to "freehold_owner"
  using (true);

create policy "maintenance" on {{schema}}."allowances"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "upkeep" on {{schema}}."allowances"
  for all
  to "freehold_owner"
  using ((pg_trigger_depth() > 0));

create policy "forget" on {{schema}}."audit_log"
  for update
  to "freehold_system"
  using
    (((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND (exists (
    select
   from {{schema}}.users u
  where ((u.id = ANY (ARRAY[audit_log.actor_id, audit_log.operator_id])) AND (u.deleted_at is not null))))))
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "support" on {{schema}}."audit_log"
  for insert
  to "freehold_owner"
  with check ((entity_type = 'support'::text));

create policy "support" on {{schema}}."custom_role_permissions"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create policy "system" on {{schema}}."daily_stats"
  for all
  to "freehold_system"
  using (true);

create policy "gate" on {{schema}}."default_allowance"
  for select
  to "freehold_owner"
  using (true);

create policy "maintenance" on {{schema}}."default_allowance"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "upkeep" on {{schema}}."default_allowance"
  for all
  to "freehold_owner"
  using ((pg_trigger_depth() > 0));

create policy "support" on {{schema}}."idempotency_keys"
  for all
  to "freehold_tenant"
  using
    ((starts_with(route, ( select (('support '::text || NULLIF(current_setting('app.support_id'::text, true), ''::text))
    || ' '::text))) AND (user_id = ( select gate.user_id
   from {{schema}}.gate))));

create policy "support" on {{schema}}."invitations"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create policy "tenant_insert" on {{schema}}."invitations"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{invitations:write,admin:users:write}'::text[]))))));

create policy "tenant_update" on {{schema}}."invitations"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{invitations:write,admin:users:write}'::text[]))))));

create policy "maintenance" on {{schema}}."license_activations"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "system_delete" on {{schema}}."license_activations"
  for delete
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "system_insert" on {{schema}}."license_activations"
  for insert
  to "freehold_system"
  with check ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "system_read" on {{schema}}."license_activations"
  for select
  to "freehold_system"
  using (true);

create policy "system_update" on {{schema}}."license_activations"
  for update
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "tenant_delete" on {{schema}}."license_activations"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{licenses:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."license_activations"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "system" on {{schema}}."license_file_keys"
  for all
  to "freehold_system"
  using (true);

create policy "owner_reads" on {{schema}}."license_plans"
  for select
  to "freehold_owner"
  using (true);

create policy "signed_in" on {{schema}}."license_plans"
  for select
  to "freehold_tenant"
  using ((exists ( select
   from {{schema}}.self)));

create policy "system" on {{schema}}."license_plans"
  for all
  to "freehold_system"
  using (true);

create policy "maintenance" on {{schema}}."licenses"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "system_delete" on {{schema}}."licenses"
  for delete
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "system_insert" on {{schema}}."licenses"
  for insert
  to "freehold_system"
  with check ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "system_read" on {{schema}}."licenses"
  for select
  to "freehold_system"
  using (true);

create policy "system_update" on {{schema}}."licenses"
  for update
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "tenant_delete" on {{schema}}."licenses"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{admin:licenses:write,admin:licenses:reinstate}'::text[]))))));

create policy "tenant_insert" on {{schema}}."licenses"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{admin:licenses:write,admin:licenses:reinstate}'::text[]))))));

create policy "tenant_read" on {{schema}}."licenses"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."licenses"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{admin:licenses:write,admin:licenses:reinstate}'::text[]))))));

create policy "gate" on {{schema}}."limit_usage"
  for select
  to "freehold_owner"
  using (true);

create policy "maintenance" on {{schema}}."limit_usage"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "upkeep" on {{schema}}."limit_usage"
  for all
  to "freehold_owner"
  using ((pg_trigger_depth() > 0));

create policy "leaving" on {{schema}}."memberships"
  for select
  to "freehold_tenant"
  using (((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (not gate.reads))) AND
    ((user_id = ( select {{schema}}.acting_user() as acting_user)) or (( select
    current_setting('app.permission'::text, true) as current_setting) = 'organization:transfer'::text))));

create policy "support" on {{schema}}."memberships"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create policy "forget" on {{schema}}."operator_log"
  for update
  to "freehold_system"
  using ((exists ( select
   from {{schema}}.users u
  where ((u.id = operator_log.actor_id) AND (u.deleted_at is not null)))))
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "system_read" on {{schema}}."operator_log"
  for select
  to "freehold_system"
  using (true);

create policy "maintenance" on {{schema}}."organization_daily_stats"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "system" on {{schema}}."organization_daily_stats"
  for all
  to "freehold_system"
  using (true);

create policy "tenant_read" on {{schema}}."organization_daily_stats"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.reads AND (gate.permission = 'stats:read'::text)))));

create policy "creation" on {{schema}}."organizations"
  for insert
  to "freehold_tenant"
  with
    check
    (((id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND
    (COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text) AND (kind = 'team'::text) AND
    (NOT second_factor_required) AND (deleted_at IS NULL) AND (suspended_at IS NULL) AND (EXISTS ( SELECT
   FROM {{schema}}.self))));

create policy "tenant_insert" on {{schema}}."organizations"
  for insert
  to "freehold_tenant"
  with check ((id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE
    (gate.writes AND (gate.permission = ANY
    ('{organization:write,organization:delete,admin:organizations:write}'::text[]))))));

create policy "tenant_update" on {{schema}}."organizations"
  for update
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate
  where
    (gate.writes AND (gate.permission = ANY
    ('{organization:write,organization:delete,admin:organizations:write}'::text[]))))));

create policy "counting" on {{schema}}."projects"
  for select
  to "freehold_owner"
  using (true);

create policy "support" on {{schema}}."roles"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create policy "gate" on {{schema}}."support_grants"
  for select
  to "freehold_owner"
  using (true);

create policy "maintenance" on {{schema}}."support_grants"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "support" on {{schema}}."support_grants"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create policy "system_read" on {{schema}}."support_grants"
  for select
  to "freehold_system"
  using (true);

create policy "tenant_insert" on {{schema}}."support_grants"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{support:write,admin:support:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."support_grants"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."support_grants"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{support:write,admin:support:write}'::text[]))))));

create policy "colleagues" on {{schema}}."users"
  for select
  to "freehold_tenant"
  using ((exists ( select
   from {{schema}}.colleagues c
  where (c.user_id = users.id)
 OFFSET 0)));

create policy "counting" on {{schema}}."workspaces"
  for select
  to "freehold_owner"
  using (true);

revoke all on function {{schema}}."account_search"(text) from public;

grant execute on function {{schema}}."account_search"(text) to "freehold_system";

revoke all on function {{schema}}."account_words"(text, text, text, text, text) from public;

grant execute
  on function {{schema}}."account_words"(text, text, text, text, text)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."activate_license"(bytea, text, text, jsonb, integer) from public;

grant execute
  on function {{schema}}."activate_license"(bytea, text, text, jsonb, integer)
  to "freehold_system";

revoke all on function {{schema}}."activation_end"({{schema}}.licenses, integer) from public;

grant execute
  on function {{schema}}."activation_end"({{schema}}.licenses, integer)
  to "freehold_system";

revoke all on function {{schema}}."activations_allowed"({{schema}}.licenses) from public;

grant execute
  on function {{schema}}."activations_allowed"({{schema}}.licenses)
  to "freehold_system";

revoke all on function {{schema}}."beat_license"(bytea, text, integer) from public;

grant execute on function {{schema}}."beat_license"(bytea, text, integer) to "freehold_system";

revoke all on function {{schema}}."count_rows"() from public;

revoke all on function {{schema}}."count_seats"() from public;

revoke all on function {{schema}}."count_seats_of_account"() from public;

revoke all on function {{schema}}."count_units"(uuid, text) from public;

revoke all on function {{schema}}."count_use"(uuid, text, bigint) from public;

revoke all on function {{schema}}."counted_table"(text) from public;

revoke all on function {{schema}}."deactivate_license"(bytea, text) from public;

grant execute on function {{schema}}."deactivate_license"(bytea, text) to "freehold_system";

revoke all on function {{schema}}."delete_stats"() from public;

revoke all on function {{schema}}."fence_seats"() from public;

revoke all on function {{schema}}."find_license"(bytea) from public;

grant execute on function {{schema}}."find_license"(bytea) to "freehold_system";

revoke all on function {{schema}}."fold_text"(text) from "freehold_system";

grant execute on function {{schema}}."fold_text"(text) to "freehold_system";

revoke all on function {{schema}}."guard_allowance"() from public;

revoke all on function {{schema}}."guard_default_allowance"() from public;

revoke all on function {{schema}}."guard_license"() from public;

revoke all on function {{schema}}."guard_new_guest"() from public;

revoke all on function {{schema}}."guard_support_grant"() from public;

revoke all on function {{schema}}."has_seat"(uuid, uuid) from public;

grant execute on function {{schema}}."has_seat"(uuid, uuid) to "freehold_system";

revoke all on function {{schema}}."hold_limits"(uuid) from public;

revoke all on function {{schema}}."hold_superusers"() from public;

grant execute on function {{schema}}."hold_superusers"() to "freehold_system";

revoke all on function {{schema}}."hold_transfer"(uuid, uuid, uuid) from public;

grant execute on function {{schema}}."hold_transfer"(uuid, uuid, uuid) to "freehold_system";

revoke all on function {{schema}}."is_entitled"() from public;

grant execute on function {{schema}}."is_entitled"() to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."is_limited"(uuid, text) from public;

revoke all on function {{schema}}."issue_license_file"(bytea, text, integer) from public;

grant execute on function {{schema}}."issue_license_file"(bytea, text, integer) to "freehold_system";

revoke all on function {{schema}}."keep_a_superuser"() from public;

revoke all on function {{schema}}."keep_allowance"() from public;

revoke all on function {{schema}}."keep_default_allowance"() from public;

revoke all on function {{schema}}."keep_default_plan"() from public;

revoke all on function {{schema}}."keep_removable_at"() from public;

revoke all
  on function {{schema}}."license_obstacle"({{schema}}.licenses, boolean)
  from public;

grant execute
  on function {{schema}}."license_obstacle"({{schema}}.licenses, boolean)
  to "freehold_system";

revoke all on function {{schema}}."license_status"(text, timestamp with time zone) from public;

grant execute
  on function {{schema}}."license_status"(text, timestamp with time zone)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."limits_in_gate"() from public;

grant execute on function {{schema}}."limits_in_gate"() to "freehold_tenant";

revoke all on function {{schema}}."log_operation"(text, text, uuid, jsonb) from public;

grant execute
  on function {{schema}}."log_operation"(text, text, uuid, jsonb)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."maxima_of"(integer, jsonb, integer) from public;

revoke all on function {{schema}}."maximum_of"(uuid, text) from public;

revoke all on function {{schema}}."note_superuser"() from public;

revoke all on function {{schema}}."organization_words"(text, text) from public;

grant execute
  on function {{schema}}."organization_words"(text, text)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."record_operation"() from public;

revoke all on function {{schema}}."record_support_request"(text, text) from public;

grant execute on function {{schema}}."record_support_request"(text, text) to "freehold_tenant";

revoke all
  on function {{schema}}."renew_activation"({{schema}}.licenses, text, integer, timestamp
    with time zone)
  from public;

grant execute
  on function {{schema}}."renew_activation"({{schema}}.licenses, text, integer, timestamp
    with time zone)
  to "freehold_system";

revoke all on function {{schema}}."replace_default_plan"() from public;

revoke all on function {{schema}}."require_room"(uuid, jsonb) from public;

revoke all on function {{schema}}."search_words"(text) from "freehold_system";

grant execute on function {{schema}}."search_words"(text) to "freehold_system";

revoke all on function {{schema}}."start_license"(bytea) from public;

grant execute on function {{schema}}."start_license"(bytea) to "freehold_system";

revoke all on function {{schema}}."support_role"() from public;

grant execute on function {{schema}}."support_role"() to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."tell_owners"(uuid, text, jsonb, uuid[], uuid, integer) from public;

revoke all on function {{schema}}."tell_owners_of_invitation"() from public;

revoke all on function {{schema}}."tell_owners_of_organization"() from public;

revoke all on function {{schema}}."tell_owners_of_owner"() from public;

revoke all on function {{schema}}."tell_owners_of_support"() from public;

revoke all on function {{schema}}."tell_owners_of_suspension"() from public;

revoke all on function {{schema}}."word_beginnings"(text, text) from "freehold_system";

grant execute on function {{schema}}."word_beginnings"(text, text) to "freehold_system";

revoke all on function {{schema}}."word_beginnings"(text, text) from "freehold_tenant";

grant execute on function {{schema}}."word_beginnings"(text, text) to "freehold_tenant";

revoke all on function {{schema}}."words_wanted"(text) from public;

grant execute on function {{schema}}."words_wanted"(text) to "freehold_system";

grant insert, select, update on table {{schema}}."daily_stats" to "freehold_system";

revoke all on table {{schema}}."idempotency_keys" from "freehold_system";

grant delete, insert, select, update on table {{schema}}."idempotency_keys" to "freehold_system";

grant delete, insert, select, update on table {{schema}}."license_activations" to "freehold_system";

grant delete, select on table {{schema}}."license_activations" to "freehold_tenant";

grant delete, insert, select on table {{schema}}."license_file_keys" to "freehold_system";

grant delete, insert, select, update on table {{schema}}."license_plans" to "freehold_system";

grant select on table {{schema}}."license_plans" to "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."licenses" to "freehold_system";

grant delete, insert, update on table {{schema}}."licenses" to "freehold_tenant";

grant select on table {{schema}}."operator_log" to "freehold_system";

grant delete, insert, select, update on table {{schema}}."organization_daily_stats" to "freehold_system";

grant select on table {{schema}}."organization_daily_stats" to "freehold_tenant";

grant select on table {{schema}}."support_grants" to "freehold_system";

grant insert, select, update on table {{schema}}."support_grants" to "freehold_tenant";

grant select on table {{schema}}."colleagues" to "freehold_tenant";

grant select on table {{schema}}."entitlements" to "freehold_system";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."limits" to "freehold_tenant";

grant select on table {{schema}}."live_invitations" to "freehold_system";

grant select, update on table {{schema}}."live_users" to "freehold_system";

grant select on table {{schema}}."operator" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_account" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_entitlements" to "freehold_tenant";

grant select on table {{schema}}."own_invitations" to "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_security_events" to "freehold_tenant";

grant select on table {{schema}}."self" to "freehold_system", "freehold_tenant";

alter table {{schema}}."licenses"
  add constraint "licenses_plan_fkey" foreign key (plan_id) references {{schema}}.license_plans(id);

create index license_plans_name on {{schema}}.license_plans using btree (name, id);

alter table {{schema}}."license_activations"
  add constraint "license_activations_license_fkey" foreign key (organization_id, license_id)
    references {{schema}}.licenses(organization_id, id) on delete cascade;

create index licenses_expires_at on {{schema}}.licenses using btree (expires_at, id);

create index licenses_id on {{schema}}.licenses using btree (id);

create index operator_log_actor on {{schema}}.operator_log using btree (actor_id, id);

create index operator_log_entity on {{schema}}.operator_log using btree (entity_id, id)
  where (entity_id is not null);

create index operator_log_organization on {{schema}}.operator_log using btree (organization_id, id)
  where (organization_id is not null);

create view {{schema}}."support_places" with (security_barrier=true) AS  SELECT id,
    organization_id
   FROM {{schema}}.support_grants
  WHERE (EXISTS ( SELECT
           FROM {{schema}}.self
          WHERE self.superuser));

create index support_grants_id on {{schema}}.support_grants using btree (id);

create index support_grants_operator on {{schema}}.support_grants using btree (operator_id, id);

grant select on table {{schema}}."support_places" to "freehold_tenant";

revoke all ("created_at") on table {{schema}}."idempotency_keys" from "freehold_system";

grant select ("activation") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("created_at") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("duration_days") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("entitlements") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("expires_at") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("expiry_basis") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("first_activated_at") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("first_validated_at") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("heartbeat_grace_seconds") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("heartbeat_seconds") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("key_prefix") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("max_activations") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("metadata") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("name") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("on_expiry") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("organization_id") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("overage_percent") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("plan_id") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("quotas") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("seats") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("starts_at") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("status") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("transferred_from") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("updated_at") on table {{schema}}."licenses" to "freehold_tenant";

grant select ("version") on table {{schema}}."licenses" to "freehold_tenant";

grant update ("ip") on table {{schema}}."operator_log" to "freehold_system";

grant update ("user_agent") on table {{schema}}."operator_log" to "freehold_system";

grant select ("id") on table {{schema}}."licenses" to "freehold_tenant";

-- Existing superusers: `updated_at` is never earlier than the change that made them superusers. Who made them is not known.
alter table {{schema}}.users disable trigger note_superuser;
update {{schema}}.users set superuser_since = updated_at where superuser and superuser_since is null;
set constraints all immediate;
alter table {{schema}}.users enable trigger note_superuser;
