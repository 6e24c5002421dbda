-- Custom roles: who may define them, give them and take them. No one touches a role with a permission that their own role
-- does not have. The triggers decide this once they hold the locks of the gate (docs/guides/isolation.md), so that a role
-- which has just lost a permission cannot pass it on.
select organization_table('roles', history => '{name, description, deleted_at}', writes => '{roles:write}', commands => '{insert, update}');
select organization_table('custom_role_permissions', history => '{role_id, permission}', writes => '{roles:write}', commands => '{insert, delete}');
-- The views and functions below read both as their owner. The policies `locking` are for `for share` and `for key share`,
-- and allow no change.
create policy gate on roles for select to freehold_owner using (true);
create policy locking on roles for update to freehold_owner using (true) with check (false);
create policy locking on organizations for update to freehold_owner using (true) with check (false);
create policy gate on custom_role_permissions for select to freehold_owner using (true);
create trigger revocation before delete on custom_role_permissions for each row execute function lock_revocation('organization', 'organization_id');

-- Requires that the role of the acting user has all of these permissions; the error names those that are missing. The
-- caller holds the locks of the gate.
create function require_own_permissions(wanted text[]) returns void language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
declare
  missing constant text[] := array(select unnest(wanted) except
    select unnest(permissions) from own_organizations where id = nullif(current_setting('app.organization_id', true), '')::uuid order by 1);
begin
  if missing <> '{}' then
    raise exception 'the role of the user does not have these permissions' using errcode = '23514', constraint = 'role_exceeds_own',
      detail = jsonb_build_object('permissions', missing);
  end if;
end $$;
revoke execute on function require_own_permissions(text[]) from public;
grant execute on function require_own_permissions(text[]) to freehold_tenant;

-- A change of a role takes the organization's key exclusively from its first statement on: a shared key that becomes
-- exclusive later would let two changes deadlock.
create function hold_roles() returns void language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
begin
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock(lock_key('revocation', nullif(current_setting('app.organization_id', true), '')));
  if not gate_is_open() then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
end $$;
revoke execute on function hold_roles() from public;

-- At most 100 roles. A deleted role stays deleted, and a role that a member has is not deleted: its row is locked here, and
-- a statement that gives it to a member locks it too (keep_role). Without a session it is an operator.
create function guard_role() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  holders bigint;
begin
  if nullif(current_setting('app.session_id', true), '') is not null then
    if tg_op = 'INSERT' then
      -- The foreign key locks this row too, but after the keys: a deletion of the account would deadlock with that.
      perform from organizations where id = nullif(current_setting('app.organization_id', true), '')::uuid for key share;
    end if;
    perform hold_roles();
    if tg_op = 'UPDATE' then
      if old.deleted_at is not null then
        raise exception 'the role is deleted' using errcode = '42501';
      end if;
      perform require_own_permissions(permissions_of(nullif(current_setting('app.organization_id', true), '')::uuid, null, old.id));
    elsif (select count(*) from roles where organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and deleted_at is null) >= 100 then
      raise exception 'an organization has at most 100 roles' using errcode = '23514', constraint = 'roles_limit';
    end if;
  end if;
  if tg_op = 'UPDATE' and old.deleted_at is null and new.deleted_at is not null then
    select count(*) into holders from memberships where organization_id = old.organization_id and role_id = old.id and deleted_at is null;
    if holders > 0 then
      raise exception 'members have the role' using errcode = '23514', constraint = 'roles_held', detail = jsonb_build_object('members', holders);
    end if;
  end if;
  return new;
end $$;
revoke execute on function guard_role() from public;
create trigger role_rule before insert or update on roles for each row execute function guard_role();

-- Every role may at least read the organization and leave it.
create function complete_role() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  insert into custom_role_permissions (organization_id, role_id, permission)
  select new.organization_id, new.id, unnest('{organization:read,organization:leave}'::text[]) on conflict do nothing;
  return null;
end $$;
revoke execute on function complete_role() from public;
create trigger complete after insert on roles for each row execute function complete_role();

-- A role has only permissions that an administrator has, and keeps the two that every role has. No one takes from their
-- own role the permission that they are using: they could not give it back.
create function guard_role_permission() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return coalesce(new, old);
  end if;
  perform hold_roles();
  if tg_op = 'INSERT' and not exists (select from role_permissions where permission = new.permission and role = 'admin')
    or tg_op = 'DELETE' and old.permission in ('organization:read', 'organization:leave') then
    raise exception 'no custom role may have, or lack, this permission' using errcode = '42501';
  end if;
  perform require_own_permissions(array[case tg_op when 'INSERT' then new.permission else old.permission end]);
  if tg_op = 'DELETE' and old.permission = current_setting('app.permission', true) and exists (select from own_organizations
      where id = nullif(current_setting('app.organization_id', true), '')::uuid and role_id = old.role_id) then
    raise exception 'the user has this role' using errcode = '23514', constraint = 'roles_own';
  end if;
  return coalesce(new, old);
end $$;
revoke execute on function guard_role_permission() from public;
create trigger role_rule before insert or delete on custom_role_permissions for each row execute function guard_role_permission();

-- A member gets only a role that is not deleted: its row is locked against that. A membership that is restored, and whose
-- role was deleted in the meantime, has the role viewer.
create function keep_role() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  is_restored constant boolean := tg_op = 'UPDATE' and old.deleted_at is not null and new.deleted_at is null and old.role_id = new.role_id;
  -- A caller of another organization learns nothing about the roles of this one.
  place constant uuid := case when nullif(current_setting('app.session_id', true), '') is null then new.organization_id
    else nullif(current_setting('app.organization_id', true), '')::uuid end;
begin
  if tg_op = 'UPDATE' and old.role_id = new.role_id and not is_restored then
    return new;
  end if;
  perform from roles where organization_id = place and id = new.role_id and deleted_at is null for share;
  if not found and is_restored then
    new.role := 'viewer';
    new.role_id := null;
  elsif not found then
    raise exception 'there is no such role' using errcode = '23503', constraint = 'memberships_role_fkey';
  end if;
  return new;
end $$;
revoke execute on function keep_role() from public;
-- After `guard`, which locks the account, and before `revocation`, which locks keys.
create trigger keep_role before insert or update on memberships for each row when (new.role_id is not null) execute function keep_role();

-- After `revocation`, which has taken the keys.
create function guard_role_of_member() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  place constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if nullif(current_setting('app.session_id', true), '') is not null and current_setting('app.permission', true) = 'members:write' then
    perform require_own_permissions(permissions_of(place, old.role, old.role_id));
    perform require_own_permissions(permissions_of(place, new.role, new.role_id));
  end if;
  return new;
end $$;
revoke execute on function guard_role_of_member() from public;
create trigger role_rule before update on memberships for each row
  when ((old.role, old.role_id, old.disabled_at, old.deleted_at) is distinct from (new.role, new.role_id, new.disabled_at, new.deleted_at))
  execute function guard_role_of_member();
