-- The policies of organizations and memberships. The system login reads both, because sign-in chooses an organization
-- before the gate can be asked.
select organization_table('organizations', history => '{name, slug, kind, second_factor_required, deleted_at, suspended_at, suspended_reason}',
  writes => '{organization:write, organization:delete, admin:organizations:write}', commands => '{insert, update}', key => 'id', for_system => true);
-- The audit log leaves out title and company, which are personal data. No request inserts a membership for another
-- user: a membership needs the user's own consent (system login), or comes with a new team (the policy `creation`
-- below).
select organization_table('memberships', history => '{role, role_id, disabled_at, deleted_at, removed_at}',
  writes => '{members:write, organization:leave, organization:transfer, invitations:write}', commands => '{update}', for_system => true);
create policy system_insert on memberships for insert to freehold_system with check (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
grant insert on memberships to freehold_tenant, freehold_system;
-- Without the required second factor, a user who leaves, transfers or deletes an organization, or who leaves a suspended one,
-- sees only the organization and the own membership, and for a transfer also those of the others; but no users, and nothing else.
create policy leaving on organizations for select to freehold_tenant using (id = (select organization_id from gate where not reads));
create policy leaving on memberships for select to freehold_tenant using (organization_id = (select organization_id from gate where not reads)
  and (user_id = (select acting_user()) or (select current_setting('app.permission', true)) = 'organization:transfer'));
-- The personal organization is deleted when its account is erased. No other organization row is ever deleted.
create policy system_delete on organizations for delete to freehold_system
  using (kind = 'personal' and id = nullif(current_setting('app.organization_id', true), '')::uuid);
grant delete on organizations to freehold_system;
-- Members see each other; under support access no one does. The view reads memberships without their policies, each of which
-- asks the gate. offset 0 prevents a hashed scan of the whole organization.
create view colleagues with (security_barrier) as
  select user_id from memberships where organization_id = (select organization_id from gate where reads)
    and (select coalesce(current_setting('app.support_id', true), '') = '');
grant select on colleagues to freehold_tenant;
create policy colleagues on users for select to freehold_tenant using (exists (select from colleagues c where c.user_id = users.id offset 0));
-- The views of the gate, and the trigger that keeps an owner, read these tables as their owner.
create policy gate on organizations for select to freehold_owner using (true);
create policy gate on memberships for select to freehold_owner using (true);

create trigger gate_column before insert or update of gate_changed_in on memberships for each row execute function keep_gate_changed_in();
create trigger gate_column before insert or update of gate_changed_in on organizations for each row execute function keep_gate_changed_in();
create trigger revocation before update on memberships for each row
  when ((old.role, old.role_id, old.disabled_at, old.deleted_at) is distinct from (new.role, new.role_id, new.disabled_at, new.deleted_at))
  execute function lock_revocation('user', 'user_id');
create trigger revocation before update on organizations for each row
  when ((old.deleted_at, old.second_factor_required, old.suspended_at) is distinct from (new.deleted_at, new.second_factor_required, new.suspended_at)) execute function lock_revocation('organization', 'id');

-- Deleting, changing and suspending an organization are different permissions; its kind never changes.
create function guard_organization() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function guard_organization() from public;
create trigger guard before update on organizations for each row execute function guard_organization();

-- What each permission can change in memberships, whatever the statement is: only owners decide who is an owner;
-- leaving ends the own membership and nothing else; a transfer changes only roles; an invitation, whose statement locks
-- the inviter's row, changes nothing. An ended membership stays ended, unless an administrator removed it: it can be
-- restored within 30 days, if the account exists. If it ended with the account, it can be removed before the account is
-- restored.
create function guard_membership() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  is_own constant boolean := new.user_id = acting_user();
  concerns_owners constant boolean := tg_op = 'UPDATE' and (new.role = 'owner' or old.role = 'owner');
  ends_only constant boolean := tg_op = 'UPDATE' and old.deleted_at is null and new.deleted_at is not null
    and (old.role, old.role_id, old.title, old.company, old.disabled_at) is not distinct from (new.role, new.role_id, new.title, new.company, new.disabled_at);
  transfers_only constant boolean := tg_op = 'UPDATE' and new.role_id is null
    and (old.title, old.company, old.disabled_at, old.deleted_at) is not distinct from (new.title, new.company, new.disabled_at, new.deleted_at);
  reopens constant boolean := tg_op = 'UPDATE' and old.deleted_at is not null and old.deleted_at is distinct from new.deleted_at;
begin
  if tg_op = 'UPDATE' then
    new.removed_at := case when new.deleted_at is null then null
      when wanted = 'members:write' and not is_own and old.deleted_at is distinct from new.deleted_at then now() else old.removed_at end;
  end if;
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if tg_op = 'INSERT' and wanted <> '' then
    raise exception 'no request adds a member' using errcode = '42501';
  end if;
  if wanted = 'members:write' and concerns_owners
    and (old.role, old.disabled_at, old.deleted_at) is distinct from (new.role, new.disabled_at, new.deleted_at)
    and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'memberships_owner_by_owner';
  end if;
  if wanted = 'members:write' and is_own and tg_op = 'UPDATE' and old.disabled_at is null and new.disabled_at is not null then
    raise exception 'another member must disable this one' using errcode = '23514', constraint = 'memberships_disabled_by_another';
  end if;
  if wanted = 'members:write' and reopens and new.deleted_at is null then
    -- The account is not deleted meanwhile, and its row comes after that of the membership in the order of locks.
    perform from users where id = new.user_id for no key update;
  end if;
  if wanted = 'members:write' and reopens and not exists (select from users u where u.id = new.user_id and case when new.deleted_at is null
      then old.removed_at > now() - interval '30 days' and u.deleted_at is null
      else old.removed_at is null and u.deleted_at = old.deleted_at and u.erased_at is null end) then
    raise exception 'the membership has ended' using errcode = '23514', constraint = 'memberships_restorable';
  end if;
  if wanted = 'invitations:write' or wanted = 'organization:leave' and not (is_own and ends_only)
    or wanted = 'organization:transfer' and not (transfers_only and new.role = case when is_own then 'admin' else 'owner' end) then
    raise exception '% does not allow this change of a membership', wanted using errcode = '42501';
  end if;
  return new;
end $$;
revoke execute on function guard_membership() from public;
create trigger guard before insert or update on memberships for each row execute function guard_membership();

-- Locks the rows that joining involves, in the order of all locks: a former membership, the organization, the account. No one
-- joins a suspended organization.
create function lock_place(organization uuid, person uuid) returns void language plpgsql set search_path = {{schema}}, pg_temp as $$
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
end $$;
revoke execute on function lock_place(uuid, uuid) from public;
grant execute on function lock_place(uuid, uuid) to freehold_system;

-- Only a live session creates a team and becomes its owner: there is no gate yet. The settings name the new team and no
-- permission, and guard_creation() rejects a team that has members.
create policy creation on organizations for insert to freehold_tenant
  with check (id = nullif(current_setting('app.organization_id', true), '')::uuid and coalesce(current_setting('app.permission', true), '') = ''
    and kind = 'team' and not second_factor_required and deleted_at is null and suspended_at is null and exists (select from self));
create policy creation on memberships for insert to freehold_tenant
  with check (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and coalesce(current_setting('app.permission', true), '') = ''
    and role = 'owner' and user_id = (select user_id from self) and deleted_at is null and disabled_at is null);
create function guard_creation() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  if exists (select from memberships where organization_id = new.organization_id) then
    raise exception 'the organization has members' using errcode = '42501';
  end if;
  return new;
end $$;
revoke execute on function guard_creation() from public;
create trigger creation before insert on memberships for each row
  when (nullif(current_setting('app.session_id', true), '') is not null and coalesce(current_setting('app.permission', true), '') = ''
    and pg_has_role(current_user, 'freehold_tenant', 'member')) -- the system login adds a user who accepts an invitation
  execute function guard_creation();

-- A guest is a viewer in every organization and creates none. Both triggers run after the policies, so that a refused statement
-- does not reveal whether a user is a guest.
create function guard_guest() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  if exists (select from users where id = new.user_id and guest) then
    raise exception 'a guest is a viewer' using errcode = '23514', constraint = 'memberships_of_guests';
  end if;
  return null;
end $$;
revoke execute on function guard_guest() from public;
-- An account becomes a guest only if it is a viewer everywhere: its memberships lock it before they change.
create function guard_new_guest() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  if exists (select from memberships where user_id = new.id and deleted_at is null and (role <> 'viewer' or role_id is not null)) then
    raise exception 'the user has another role than viewer' using errcode = '23514', constraint = 'users_guests_are_viewers';
  end if;
  return null;
end $$;
revoke execute on function guard_new_guest() from public;
create trigger new_guest after update of guest on users for each row when (new.guest and not old.guest) execute function guard_new_guest();
create trigger guest_insert after insert on memberships for each row when (new.role <> 'viewer' or new.role_id is not null) execute function guard_guest();
create trigger guest_update after update of role, role_id, deleted_at on memberships for each row
  when (new.deleted_at is null and (new.role <> 'viewer' or new.role_id is not null)) execute function guard_guest();
create function guard_founder() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  if exists (select from users where id = acting_user() and guest) then
    raise exception 'a guest creates no organization' using errcode = '23514', constraint = 'organizations_of_guests';
  end if;
  return null;
end $$;
revoke execute on function guard_founder() from public;
create trigger founder after insert on organizations for each row execute function guard_founder();

-- Only an owner decides whether an organization requires a second factor, in a session that has one, so that owners do
-- not lock themselves out. Runs after lock_revocation, so the owner's role and session can no longer change.
create function guard_second_factor_rule() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if not exists (select from gate where organization_id = new.id and role in ('owner', 'superuser')) then
    raise exception 'only an owner decides about second factors' using errcode = '23514', constraint = 'organizations_second_factor_by_owner';
  end if;
  if not exists (select from self where second_factor) then
    raise exception 'the session has proved no second factor' using errcode = '23514', constraint = 'organizations_second_factor_proved';
  end if;
  return new;
end $$;
revoke execute on function guard_second_factor_rule() from public;
create trigger second_factor_rule before update on organizations for each row
  when (old.second_factor_required is distinct from new.second_factor_required) execute function guard_second_factor_rule();
