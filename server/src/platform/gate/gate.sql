-- The gate: one row if the caller in the settings may do what the route declared, else none. Every policy of every
-- tenant table asks it, so with an invalid session, an ended membership or a missing permission a statement reads
-- nothing and changes nothing. The settings are local to the transaction: app.session_id, app.organization_id,
-- app.permission, app.requires (an entitlement of the organization), app.support_id, app.context (request id, address, user
-- agent and user, for the audit log). app.support_id names the support access through which an operator acts
-- (operations/support), and is otherwise empty.

-- A valid session and its user, with what GET /auth/me returns of them, so that it reads each row once and asks no policy.
-- Support access reaches neither.
create view own_account with (security_barrier) as
  select s.id as session_id, s.user_id, s.second_factor_at is not null as second_factor, u.superuser, u.email_verified,
    u.email, u.username, u.given_name, u.family_name, u.full_name, u.guest, u.locale, u.created_at, u.updated_at, u.version,
    s.created_at as session_created_at, s.last_seen_at, s.expires_at, s.authenticated_at, s.ip, s.user_agent
  from sessions s
  join users u on u.id = s.user_id
  where s.id = nullif(current_setting('app.session_id', true), '')::uuid
    and s.revoked_at is null and s.expires_at > now() and u.disabled_at is null and u.deleted_at is null
    and coalesce(current_setting('app.support_id', true), '') = '';

-- A valid session alone, for routes that need no organization: /auth, /users/me and the user's list of sessions.
create view self with (security_barrier) as select session_id, user_id, second_factor, superuser, email_verified from own_account;

-- The current superuser, if an `admin:` permission is required: for operators' routes, which belong to no organization.
create view operator with (security_barrier) as
  select session_id, user_id from self
  where superuser and exists (select from role_permissions p
    where p.permission = (select current_setting('app.permission', true)) and p.role = 'superuser');

-- Every statement of every request asks it, and so do policies, so each look-up in it costs time in every request, even one
-- that is never executed. What only few requests need is therefore a function.
create view gate with (security_barrier) as
  select s.id as session_id, s.user_id, o.id as organization_id, current_setting('app.permission', true) as permission,
    case when current_setting('app.permission', true) not like 'admin:%' then m.role when u.superuser then 'superuser' end as role,
    current_setting('app.permission', true) not like '%:read' as writes,
    -- Without the required second factor and in a suspended organization some permissions remain (to leave, for example), but
    -- they read no rows.
    (s.second_factor_at is not null or not o.second_factor_required)
      and (o.suspended_at is null or current_setting('app.permission', true) like 'admin:%') as reads
  from sessions s
  join users u on u.id = s.user_id
  join organizations o on o.id = nullif(current_setting('app.organization_id', true), '')::uuid
  -- offset 0 forces a look-up of one membership by its key, never a scan of all members of the organization
  -- A custom role that has the permission counts as the role admin, which limits it; one that has not, as no role.
  left join lateral (select role, case when role_id is null then role
      when exists (select from custom_role_permissions c where c.organization_id = o.id and c.role_id = memberships.role_id
        and c.permission = current_setting('app.permission', true)) then 'admin' end as rank
    from memberships where organization_id = o.id and user_id = s.user_id and disabled_at is null and deleted_at is null
      and coalesce(current_setting('app.support_id', true), '') = '' offset 0) as m on true
  where s.id = nullif(current_setting('app.session_id', true), '')::uuid
    and s.revoked_at is null and s.expires_at > now() and u.disabled_at is null and u.deleted_at is null
    and o.deleted_at is null and (s.second_factor_at is not null or not o.second_factor_required
      or is_way_out())
    and (o.suspended_at is null or current_setting('app.permission', true) like 'admin:%' or current_setting('app.permission', true) = 'organization:leave')
    -- the sub-select reads the setting once, not for each row of the table
    and exists (select from role_permissions p where p.permission = (select current_setting('app.permission', true))
        and (p.role = m.rank or u.superuser and p.role = case when coalesce(current_setting('app.support_id', true), '') = '' then 'superuser'
          else 'support-' || support_role() end))
    and (coalesce(current_setting('app.requires', true), '') = '' or is_entitled());

-- The state that the diagnostic query reads after an empty or refused result: always one row.
create view gate_state with (security_barrier) as
  select exists (select from self) as live,
    m.user_id is not null and m.disabled_at is null and m.deleted_at is null and o.deleted_at is null as member,
    o.second_factor_required and s.second_factor_at is null and o.deleted_at is null
      and (m.user_id is not null and m.disabled_at is null and m.deleted_at is null or u.superuser) as second_factor_missing,
    exists (select from gate) as permitted, exists (select from operator) as operator, support_role() is not null as supported,
    case when (m.disabled_at is null and m.deleted_at is null and m.user_id is not null or support_role() is not null) and o.deleted_at is null
      and current_setting('app.permission', true) not like 'admin:%' then o.suspended_at end as suspended_at,
    m.user_id is not null and m.disabled_at is null and m.deleted_at is null and o.deleted_at is null
      and coalesce(current_setting('app.requires', true), '') <> '' and not is_entitled() as entitlement_missing
  from (select nullif(current_setting('app.session_id', true), '')::uuid as session_id,
      nullif(current_setting('app.organization_id', true), '')::uuid as organization_id) as named
  left join sessions s on s.id = named.session_id
  left join users u on u.id = s.user_id
  left join organizations o on o.id = named.organization_id
  left join memberships m on m.organization_id = o.id and m.user_id = s.user_id;

-- The current user's organizations, with the role and its permissions; a valid session suffices, to list them, to switch
-- to one, or to read the user. A custom role has its own permissions, but never more than the role admin.
create view own_organizations with (security_barrier) as
  select o.id, o.kind, o.name, o.slug, o.second_factor_required, o.created_at, o.updated_at, o.version,
    case when m.role_id is null then m.role else 'custom' end as role, m.created_at as joined_at, self.user_id, m.role_id,
    (select r.name from roles r where r.organization_id = m.organization_id and r.id = m.role_id) as role_name,
    array(select p.permission from role_permissions p where p.role = case when m.role_id is null then m.role else 'admin' end
      and (m.role_id is null or exists (select from custom_role_permissions c where c.organization_id = m.organization_id and c.role_id = m.role_id and c.permission = p.permission))
      order by p.permission collate "C") as permissions, o.suspended_at,
    array(select distinct e.code collate "C" from entitlements e where e.organization_id = o.id order by 1) as entitlements
  from self
  join memberships m on m.user_id = self.user_id and m.disabled_at is null and m.deleted_at is null
  join organizations o on o.id = m.organization_id and o.deleted_at is null;

grant select on own_account, self, operator, own_organizations, gate, gate_state to freehold_tenant, freehold_system;

-- No write commits after a revocation. Each write asks the gate again at commit, under shared locks that every
-- revocation takes exclusively: either the write commits first, or it sees the revocation and fails. The order of all
-- locks is documented in docs/guides/isolation.md: rows first, then the keys of users, then the keys of organizations.
create function acting_user() returns uuid language sql stable security definer set search_path = {{schema}}, pg_temp as $$
  select user_id from sessions where id = nullif(current_setting('app.session_id', true), '')::uuid $$;
revoke execute on function acting_user() from public;
grant execute on function acting_user() to freehold_tenant, freehold_system;

-- The permissions of a built-in role, or of a custom one if its id is given.
create function permissions_of(organization uuid, built_in text, custom uuid) returns text[] language sql stable security definer set search_path = {{schema}}, pg_temp as $$
  select array(select p.permission from role_permissions p where p.role = case when custom is null then built_in else 'admin' end
    and (custom is null or exists (select from custom_role_permissions c where c.organization_id = organization and c.role_id = custom and c.permission = p.permission))
    order by p.permission collate "C") $$;
revoke execute on function permissions_of(uuid, text, uuid) from public;
grant execute on function permissions_of(uuid, text, uuid) to freehold_system;

-- Whether the gate is open, read with a new snapshot, which includes what was committed while this waited for a lock.
-- Rows that this transaction itself has changed count as open (it left, transferred or deleted the organization): their
-- column gate_changed_in, which only the triggers below write, says so, and the change was allowed when it was made.
create function gate_is_open() returns boolean language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function gate_is_open() from public;

-- Runs before a row that a gate depends on changes, once the row is locked. Takes the key of the user or organization
-- whose gates close exclusively, and the actor's keys shared: users before organizations, users by id. Then the actor's
-- gate must be open, because it may have closed while the statement waited. Without a session there is no gate to ask.
-- The first argument says whose gates the row closes, a `user` or an `organization`; the second one names its column.
create function lock_revocation() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  of_user constant boolean := tg_argv[0] = 'user';
  target constant uuid := (to_jsonb(old) ->> tg_argv[1])::uuid;
  actor constant uuid := acting_user();
  organization constant text := nullif(current_setting('app.organization_id', true), '');
begin
  if of_user and target < actor then
    perform pg_advisory_xact_lock(lock_key('revocation', target::text));
  end if;
  if not of_user or target <> actor then
    perform pg_advisory_xact_lock_shared(lock_key('revocation', actor::text));
  end if;
  if not of_user or target >= coalesce(actor, target) then
    perform pg_advisory_xact_lock(lock_key('revocation', target::text));
  end if;
  if of_user and actor is not null then
    perform pg_advisory_xact_lock_shared(lock_key('revocation', organization));
  end if;
  if nullif(current_setting('app.session_id', true), '') is not null and not gate_is_open() then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;
  new.gate_changed_in := pg_current_xact_id();
  return new;
end $$;
revoke execute on function lock_revocation() from public;

-- Locks the keys of several users in order of their ids, before a transaction closes the gates of all of them. That of the actor,
-- if it is not among them, is locked in the same order, shared, because lock_revocation() takes it as well.
create function hold_users(ids uuid[]) returns void language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function hold_users(uuid[]) from public;
grant execute on function hold_users(uuid[]) to freehold_tenant, freehold_system;

-- Prevents other writes to gate_changed_in, which names the transaction that closed a gate. Triggers run in the order
-- of their names, so this one runs before the others.
create function keep_gate_changed_in() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  new.gate_changed_in := case when tg_op = 'UPDATE' then old.gate_changed_in end;
  return new;
end $$;
revoke execute on function keep_gate_changed_in() from public;

-- Runs when the transaction commits.
create function still_open() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return null;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', nullif(current_setting('app.organization_id', true), '')));
  if gate_is_open() then
    return null;
  end if;
  raise exception 'the gate closed before the commit' using errcode = '42501';
end $$;
revoke execute on function still_open() from public;

-- Records a request under support access, whatever comes of it; false if the access is not open. It runs before everything
-- else, in a transaction of its own: a request that is not on record is not served.
create function record_support_request(operation text, path text) returns boolean language plpgsql volatile security definer set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function record_support_request(text, text) from public;
grant execute on function record_support_request(text, text) to freehold_tenant;
