-- Devices on which a license is in use. The programs on them hold only the key of the license: the functions below, called by
-- the system login, find the license by the hash of its key and touch only its rows.
create table license_activations (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  license_id      uuid not null,
  fingerprint     text not null constraint license_activations_fingerprint check (fingerprint ~ '^[!-~]{1,255}$'),
  name            text,
  metadata        jsonb not null default '{}' constraint license_activations_metadata_size
                    check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384),
  -- It counts until then: by a heartbeat, a lease or a license file; 'infinity': until it is deactivated.
  expires_at      timestamptz not null default 'infinity',
  last_seen_at    timestamptz not null default now(),
  -- To the hour: a heartbeat within it changes nothing that is indexed, so it rewrites its row in the page (HOT).
  removable_at    timestamptz not null default 'infinity',
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  constraint license_activations_fingerprint_key unique (organization_id, license_id, fingerprint),
  constraint license_activations_license_fkey foreign key (organization_id, license_id) references licenses (organization_id, id) on delete cascade
) with (fillfactor = 70);
create index license_activations_removable_at on license_activations (removable_at);
select organization_table('license_activations', history => '{license_id, name}', writes => '{licenses:write, admin:licenses:write}', commands => '{delete}', for_system => true);
create policy system_insert on license_activations for insert to freehold_system with check (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
create policy system_update on license_activations for update to freehold_system using (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
grant insert, update on license_activations to freehold_system;
-- A heartbeat is no change that history holds, or that an entity tag would show. Only programs renew, and they have no session.
drop trigger history on license_activations;
create trigger history after insert or delete on license_activations for each row execute function record_change('license_activations', '{license_id, name}');
drop trigger touch on license_activations;
create trigger touch before update of name, metadata on license_activations for each row execute function touch();
drop trigger still_open on license_activations;
create constraint trigger still_open after insert or delete on license_activations deferrable initially deferred for each row execute function still_open();

-- The license with the hash of this key, and why it cannot be used now, as the code of a validation; null if it can. All of the
-- license is null if there is none. `adds`: whether something is to be added, which a license that has become read-only does
-- not allow. While its organization is suspended, so is an active license.
create function find_license(hash bytea, adds boolean, out license licenses, out obstacle text) language plpgsql stable set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function find_license(bytea, boolean) from public;
grant execute on function find_license(bytea, boolean) to freehold_system;

-- How many activations a license allows; null: unlimited. The overage of a very large number would not be an integer.
create function activations_allowed(l licenses) returns integer language sql immutable set search_path = {{schema}}, pg_temp as $$
  select case when l.max_activations is not null then least(l.max_activations::bigint * (100 + l.overage_percent) / 100, 2147483647)::integer end $$;
revoke execute on function activations_allowed(licenses) from public;
grant execute on function activations_allowed(licenses) to freehold_system;

-- How many activations of a license count now. The statistics of a table in which one license has most rows promise many for
-- each license: without the setting, all rows would be read for any other license.
create function count_activations(organization uuid, license uuid) returns integer language plpgsql stable set search_path = {{schema}}, pg_temp set enable_seqscan = off as $$
begin
  return (select count(*) from license_activations a where a.organization_id = organization and a.license_id = license and a.expires_at > clock_timestamp());
end $$;
revoke execute on function count_activations(uuid, uuid) from public;
grant execute on function count_activations(uuid, uuid) to freehold_system;

-- Until when an activation counts without another sign of life. Heartbeats are the license's decision. Without them a device
-- may choose the term of its lease of a floating license, at most a day; else it is an hour.
create function activation_end(l licenses, lease_seconds integer) returns timestamptz language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
declare
  term constant integer := coalesce(l.heartbeat_seconds + l.heartbeat_grace_seconds,
    case when l.activation = 'floating' then least(coalesce(lease_seconds, 3600), 86400) end);
begin
  return coalesce(clock_timestamp() + make_interval(secs => term), 'infinity');
end $$;
revoke execute on function activation_end(licenses, integer) from public;
grant execute on function activation_end(licenses, integer) to freehold_system;

-- Expired activations stay for a day, so that their program learns what happened.
create function keep_removable_at() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  new.removable_at := date_trunc('hour', new.expires_at) + interval '1 day';
  return new;
end $$;
revoke execute on function keep_removable_at() from public;
create trigger keep_removable_at before insert on license_activations for each row execute function keep_removable_at();
create trigger keep_removable_at_later before update of expires_at on license_activations for each row
  when (date_trunc('hour', new.expires_at) is distinct from date_trunc('hour', old.expires_at)) execute function keep_removable_at();

-- Activates one device. All activations of a license are made one after the other, under its key; what renews one holds the
-- key shared. So an activation that is counted as expired cannot be renewed at the same time.
create function activate_license(hash bytea, device text, device_name text, device_metadata jsonb, lease_seconds integer,
  out outcome text, out is_new boolean, out maximum integer, out used integer, out heartbeat_seconds integer, out activation license_activations)
  language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function activate_license(bytea, text, text, jsonb, integer) from public;
grant execute on function activate_license(bytea, text, text, jsonb, integer) to freehold_system;

-- Renews one activation: by a heartbeat, or until the end of a license file (`file_end`).
create function beat_license(hash bytea, device text, lease_seconds integer, file_end timestamptz default null,
  out outcome text, out heartbeat_seconds integer, out activation license_activations)
  language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function beat_license(bytea, text, integer, timestamptz) from public;
grant execute on function beat_license(bytea, text, integer, timestamptz) to freehold_system;

-- Deactivates one device; also if the license can no longer be used.
create function deactivate_license(hash bytea, device text, out outcome text) language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function deactivate_license(bytea, text) from public;
grant execute on function deactivate_license(bytea, text) to freehold_system;

-- Notes the first validation of a license, which may start its clock, and returns its end. Only the first one finds something
-- to write; it waits for what changes the license at the same moment, and leaves one alone that was revoked by it.
create function start_license(hash bytea) returns timestamptz language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function start_license(bytea) from public;
grant execute on function start_license(bytea) to freehold_system;
