-- Support access. An operator asks for access to an organization and gives a reason. An administrator of the organization
-- grants it; in an emergency, a second operator does. It lasts for at most eight hours, and either side can end it. The id
-- of the row is the principal that acts, so no member ever seems to have done what an operator did.
create table support_grants (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  operator_id     uuid not null, -- no foreign key, as for the two columns below: an operator has no membership
  reason          text not null,
  role            text not null default 'viewer' check (role in ('viewer', 'member')),
  minutes         integer not null default 60 check (minutes between 1 and 480),
  emergency       boolean not null default false, -- granted by an operator
  granted_by      uuid,
  granted_at      timestamptz,
  opens_at        timestamptz,
  expires_at      timestamptz,
  ended_by        uuid, -- who denied, withdrew or ended it
  ended_at        timestamptz,
  gate_changed_in xid8, -- as in users
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  constraint support_grants_duration check (expires_at <= opens_at + interval '8 hours'),
  constraint support_grants_granted check ((granted_at is null) = (granted_by is null) and (granted_at is null) = (opens_at is null)
    and (granted_at is null) = (expires_at is null))
);
-- The operators' lists: of all organizations, and of one operator.
create index support_grants_id on support_grants (id);
create index support_grants_operator on support_grants (operator_id, id);

-- The role of the support access in the settings, if it is open: granted to the operator of the session, and neither ended
-- nor expired; the operator is still a superuser, and the session live. Otherwise null.
create function support_role() returns text language sql stable security definer set search_path = {{schema}}, pg_temp as $$
  select g.role
  from support_grants g
  join organizations o on o.id = g.organization_id and o.deleted_at is null
  join sessions s on s.user_id = g.operator_id and s.id = nullif(current_setting('app.session_id', true), '')::uuid
    and s.revoked_at is null and s.expires_at > now()
  join users u on u.id = g.operator_id and u.superuser and u.disabled_at is null and u.deleted_at is null
  where g.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid
    and g.id = nullif(current_setting('app.support_id', true), '')::uuid
    and g.opens_at <= now() and g.expires_at > now() and g.ended_at is null $$;
revoke execute on function support_role() from public;
grant execute on function support_role() to freehold_tenant, freehold_system;
