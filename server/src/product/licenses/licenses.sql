-- Licenses of organizations. The terms are a copy of the plan's, made when the license is issued, renewed or given a plan, so a
-- change of the plan changes no license that exists. `expired` is no status in the table: time decides (license_status).
create table licenses (
  organization_id         uuid not null references organizations on delete cascade,
  id                      uuid not null default new_id(),
  plan_id                 uuid not null,
  name                    text,
  key_prefix              text not null,                             -- the first group of the key, to recognize it
  key_hash                bytea not null,                            -- SHA-256 of the key
  status                  text not null default 'active' check (status in ('draft', 'active', 'suspended', 'revoked')),
  starts_at               timestamptz not null default now(),
  expires_at              timestamptz,                               -- null: without an end, or the clock has not started
  first_validated_at      timestamptz,
  first_activated_at      timestamptz,
  seats                   integer,
  max_activations         integer,
  overage_percent         integer not null,
  quotas                  jsonb not null,
  entitlements            text[] not null,
  activation              text not null check (activation in ('node-locked', 'floating')),
  heartbeat_seconds       integer,
  heartbeat_grace_seconds integer not null,
  duration_days           integer,
  expiry_basis            text not null check (expiry_basis in ('creation', 'first-validation', 'first-activation')),
  on_expiry               text not null check (on_expiry in ('restrict', 'read-only', 'keep')),
  metadata                jsonb not null default '{}' constraint licenses_metadata_size
                            check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384),
  transferred_from        uuid,                                      -- the license that this one replaces
  created_at              timestamptz not null default now(),
  updated_at              timestamptz not null default now(),
  version                 integer not null default 1,
  transferred_to          uuid,                                      -- the license that replaces this one, which stays revoked
  primary key (organization_id, id),
  constraint licenses_transferred check (transferred_to is null or status = 'revoked'),
  constraint licenses_plan_fkey foreign key (plan_id) references license_plans,
  constraint licenses_key_hash_key unique (organization_id, key_hash),
  constraint licenses_expires_later check (expires_at > starts_at),
  constraint licenses_expires_in_time check (expires_at < '9999-12-31 00:00:00+00') -- as RFC 3339 can write it
);
create index licenses_key_hash on licenses (key_hash);
create index licenses_key_prefix on licenses (key_prefix);
create index licenses_id on licenses (id);
create index licenses_plan_id on licenses (plan_id, id);
create index licenses_expires_at on licenses (expires_at, id);
create index licenses_status on licenses (status, id) where status <> 'active'; -- the rare ones, for the list of operators
select organization_table('licenses', history => '{plan_id, name, key_prefix, status, starts_at, expires_at, first_validated_at, first_activated_at, seats, max_activations,
    overage_percent, quotas, entitlements, activation, heartbeat_seconds, heartbeat_grace_seconds, duration_days, expiry_basis, on_expiry, transferred_from, transferred_to}',
  writes => '{admin:licenses:write, admin:licenses:reinstate}', for_system => true, names => '{metadata}');
-- Without the hash of the key: only the system login finds a license by its key.
revoke select on licenses from freehold_tenant;
grant select (organization_id, id, plan_id, name, key_prefix, status, starts_at, expires_at, first_validated_at, first_activated_at, seats, max_activations,
  overage_percent, quotas, entitlements, activation, heartbeat_seconds, heartbeat_grace_seconds, duration_days, expiry_basis, on_expiry, metadata,
  transferred_from, created_at, updated_at, version, transferred_to) on licenses to freehold_tenant;

-- The status of a license now.
create function license_status(status text, expires_at timestamptz) returns text language sql stable parallel safe set search_path = {{schema}}, pg_temp as $$
  select case when status = 'active' and expires_at <= now() then 'expired' else status end $$;
revoke execute on function license_status(text, timestamptz) from public;
grant execute on function license_status(text, timestamptz) to freehold_tenant, freehold_system;

-- The states of a license, whatever the statement is. Nothing leads back to a draft, and out of `revoked` only the permission
-- to reinstate; of a license that was transferred, nothing. The key, the organization and the origin never change.
create function guard_license() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function guard_license() from public;
create trigger guard before insert or update on licenses for each row execute function guard_license();

-- Locks what a license that moves to another organization concerns, in the order of all locks, for an operator: the license,
-- the operator's own key, then the keys of both organizations.
create function hold_transfer(license uuid, source uuid, target uuid) returns void language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
begin
  perform from licenses where organization_id = source and id = license for no key update;
  perform pg_advisory_xact_lock(lock_key('limits', least(source, target)::text));
  perform pg_advisory_xact_lock(lock_key('limits', greatest(source, target)::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock(lock_key('revocation', least(source, target)::text));
  perform pg_advisory_xact_lock(lock_key('revocation', greatest(source, target)::text));
end $$;
revoke execute on function hold_transfer(uuid, uuid, uuid) from public;
grant execute on function hold_transfer(uuid, uuid, uuid) to freehold_system;

-- An active license is an allowance of its organization. It is refused if the organization uses more already, when it is
-- issued or its terms change; not if it is only active again.
create function keep_allowance() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function keep_allowance() from public;
create trigger allowance_insert after insert or delete on licenses for each row execute function keep_allowance();
create trigger allowance_update after update on licenses for each row
  when ((old.status, old.starts_at, old.expires_at, old.seats, old.quotas, old.overage_percent, old.entitlements, old.on_expiry)
    is distinct from (new.status, new.starts_at, new.expires_at, new.seats, new.quotas, new.overage_percent, new.entitlements, new.on_expiry))
  execute function keep_allowance();
