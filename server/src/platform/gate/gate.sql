-- The gate: one row when the caller named in the settings may do what the route declared, else none. Every policy of
-- every tenant table asks it, so a statement under a dead session, an ended membership or a missing permission sees
-- nothing and changes nothing. The settings are local to the transaction: app.session_id, app.organization_id,
-- app.permission, app.context (request id, address, user agent and user, for history).

-- A live session alone: what /auth, /users/me and one's own list of sessions ask.
create view self with (security_barrier) as
  select s.id as session_id, s.user_id, s.second_factor_at is not null as second_factor, u.superuser, u.email_verified
  from sessions s
  join users u on u.id = s.user_id
  where s.id = nullif(current_setting('app.session_id', true), '')::uuid
    and s.revoked_at is null and s.expires_at > now() and u.disabled_at is null and u.deleted_at is null;

-- Every statement of every request asks it, so each look-up and each function in it is paid each time.
create view gate with (security_barrier) as
  select s.id as session_id, s.user_id, o.id as organization_id, current_setting('app.permission', true) as permission,
    case when current_setting('app.permission', true) not like 'admin:%' then m.role when u.superuser then 'superuser' end as role,
    current_setting('app.permission', true) not like '%:read' as writes
  from sessions s
  join users u on u.id = s.user_id
  join organizations o on o.id = nullif(current_setting('app.organization_id', true), '')::uuid
  -- offset 0: one membership by its key, never a scan of all members of the organization
  left join lateral (select role from memberships where organization_id = o.id and user_id = s.user_id
    and disabled_at is null and deleted_at is null offset 0) as m on true
  where s.id = nullif(current_setting('app.session_id', true), '')::uuid
    and s.revoked_at is null and s.expires_at > now() and u.disabled_at is null and u.deleted_at is null
    and o.deleted_at is null and (s.second_factor_at is not null or not o.second_factor_required)
    and exists (select from role_permissions p where p.permission = current_setting('app.permission', true)
      and p.role in (m.role, case when u.superuser then 'superuser' end));

-- What the diagnostic query reads after an empty or refused result: always one row.
create view gate_state with (security_barrier) as
  select exists (select from self) as live,
    m.user_id is not null and m.disabled_at is null and m.deleted_at is null and o.deleted_at is null as member,
    o.second_factor_required and s.second_factor_at is null and (m.user_id is not null or u.superuser) as second_factor_missing,
    exists (select from gate) as permitted
  from (select nullif(current_setting('app.session_id', true), '')::uuid as session_id,
      nullif(current_setting('app.organization_id', true), '')::uuid as organization_id) as named
  left join sessions s on s.id = named.session_id
  left join users u on u.id = s.user_id
  left join organizations o on o.id = named.organization_id
  left join memberships m on m.organization_id = o.id and m.user_id = s.user_id;

-- One's own organizations, by a live session alone: to list them, to choose one, to see oneself.
create view own_organizations with (security_barrier) as
  select o.id, o.kind, o.name, o.slug, o.second_factor_required, o.created_at, o.updated_at, o.version, m.role, m.created_at as joined_at, self.user_id
  from self
  join memberships m on m.user_id = self.user_id and m.disabled_at is null and m.deleted_at is null
  join organizations o on o.id = m.organization_id and o.deleted_at is null;

grant select on self, own_organizations, gate, gate_state to freehold_tenant, freehold_system;

-- Nothing commits after a revocation. A write asks the gate once more when it commits, under a lock that whatever closes
-- the gate takes alone: either the write commits first, or it sees the revocation and fails.
create function revocation_key(id uuid) returns bigint language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select hashtextextended('revocation ' || id, 0) $$;
revoke execute on function revocation_key(uuid) from public;

-- Takes part in the lock and looks. A new snapshot for each statement: it sees what was committed while it waited.
create function gate_is_open(actor uuid, organization uuid) returns boolean language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  perform pg_advisory_xact_lock_shared(revocation_key(actor)), pg_advisory_xact_lock_shared(revocation_key(organization));
  return case when coalesce(current_setting('app.permission', true), '') = '' then exists (select from self) else exists (select from gate) end;
end $$;
revoke execute on function gate_is_open(uuid, uuid) from public;

-- Whether this very transaction has closed the gate (left, handed over, closed the organization): then it holds the lock alone.
create function closed_gate(actor uuid, organization uuid) returns boolean language sql volatile set search_path = {{schema}}, pg_temp as $$
  select exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and mode = 'ExclusiveLock' and granted
    and objsubid = 1 and (classid::bigint << 32 | objid::bigint) in (revocation_key(actor), revocation_key(organization))) $$;
revoke execute on function closed_gate(uuid, uuid) from public;

-- Runs before a row that some gate stands on changes. The gate of whoever changes it must be open now, under the lock:
-- the statement may have waited for the row, and been overtaken. Without a session in the settings nobody's gate is asked.
create function lock_revocation() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  session_named constant uuid := nullif(current_setting('app.session_id', true), '')::uuid;
  organization constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
  actor constant uuid := (select user_id from sessions where id = session_named);
  is_first constant boolean := session_named is not null and not closed_gate(actor, organization);
begin
  perform pg_advisory_xact_lock(revocation_key((to_jsonb(old) ->> tg_argv[0])::uuid));
  if is_first and not gate_is_open(actor, organization) then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
  return new;
end $$;
revoke execute on function lock_revocation() from public;
-- Runs when the transaction commits.
create function still_open() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  session_named constant uuid := nullif(current_setting('app.session_id', true), '')::uuid;
  organization constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
  actor constant uuid := (select user_id from sessions where id = session_named);
begin
  if session_named is null or gate_is_open(actor, organization) or closed_gate(actor, organization) then
    return null;
  end if;
  raise exception 'the gate closed before the commit' using errcode = '42501';
end $$;
revoke execute on function still_open() from public;
