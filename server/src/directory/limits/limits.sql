-- What organizations may use. An allowance is what one source, such as a license, allows to an organization: a maximum for
-- each limit (null or left out: unlimited), and entitlements. Several allowances of an organization add up to the highest of
-- their maxima and to all of their entitlements. The gate reads this table, so that it decides by the time of the statement.
create table allowances (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null, -- of the source
  maxima          jsonb not null check (jsonb_typeof(maxima) = 'object'),
  entitlements    text[] not null default '{}',
  starts_at       timestamptz not null default now(),
  expires_at      timestamptz,
  -- `restrict`: it no longer counts; `read-only`: nothing can be added, and entitlements allow reading; `keep`: all stays
  on_expiry       text not null default 'restrict' check (on_expiry in ('restrict', 'read-only', 'keep')),
  primary key (organization_id, id)
);
-- What organizations without an allowance may use; no row: everything.
create table default_allowance (
  only_one     boolean not null default true primary key check (only_one),
  maxima       jsonb not null check (jsonb_typeof(maxima) = 'object'),
  entitlements text[] not null default '{}'
);
-- How much is used of each limit. A row exists from the first use under a maximum on, and is then kept by triggers in the
-- transactions that use or free something; without a row nothing has to be counted.
create table limit_usage (
  organization_id uuid not null references organizations on delete cascade,
  key             text not null,
  used            bigint not null,
  primary key (organization_id, key)
);

-- The allowances that count now. `adds`: whether something can still be added.
create view current_allowances with (security_barrier) as
  select organization_id, id, maxima, entitlements, expires_at is null or expires_at > now() or on_expiry = 'keep' as adds
  from allowances
  where starts_at <= now() and (expires_at is null or expires_at > now() or on_expiry <> 'restrict');

-- The entitlements of each organization. `writes`: whether they allow changes, and not only reading.
create view entitlements with (security_barrier) as
  select a.organization_id, code, a.adds as writes from current_allowances a cross join unnest(a.entitlements) as code
  union all
  select o.id, code, true from organizations o cross join default_allowance d cross join unnest(d.entitlements) as code
  where not exists (select from current_allowances a where a.organization_id = o.id);
grant select on entitlements to freehold_system; -- for access tokens

-- Whether the organization has the entitlement that the route requires (app.requires), for the gate. A user of another
-- organization learns nothing about this one.
create function is_entitled() returns boolean language plpgsql stable security definer set search_path = {{schema}}, pg_temp as $$
declare
  organization constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  return exists (select from entitlements e where e.organization_id = organization and e.code = current_setting('app.requires', true)
      and (e.writes or current_setting('app.permission', true) like '%:read'))
    and (exists (select from memberships m where m.organization_id = organization and m.user_id = acting_user())
      or exists (select from users u where u.id = acting_user() and u.superuser));
end $$;
revoke execute on function is_entitled() from public;
grant execute on function is_entitled() to freehold_tenant, freehold_system;
