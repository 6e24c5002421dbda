-- The law of organizations and memberships. Both are known to the system login: sign-in chooses an organization before
-- any gate is open.
select organization_table('organizations', '{name, slug, kind, second_factor_required, deleted_at}', 'id', for_system => true);
-- Title and company say something of the user, which history may not.
select organization_table('memberships', '{role, disabled_at, deleted_at}', for_system => true);
-- Members see each other. offset 0: no hashed scan of the whole organization
create policy colleagues on users for select to freehold_tenant using (exists (select from memberships m where m.user_id = users.id offset 0));
-- The views of the gate, and the rule that an organization keeps an owner, read these two as their owner.
create policy gate on organizations for select to freehold_owner using (true);
create policy gate on memberships for select to freehold_owner using (true);

create trigger revocation before update on memberships for each row
  when ((old.role, old.disabled_at, old.deleted_at) is distinct from (new.role, new.disabled_at, new.deleted_at))
  execute function lock_revocation('user_id');
create trigger revocation before update on organizations for each row
  when ((old.deleted_at, old.second_factor_required) is distinct from (new.deleted_at, new.second_factor_required)) execute function lock_revocation('id');

-- A live session alone creates a team and becomes its owner: there is no gate yet. The settings name the new team and no
-- permission, and guard_creation() refuses one that has members.
create policy creation on organizations for insert to freehold_tenant
  with check (id = nullif(current_setting('app.organization_id', true), '')::uuid and coalesce(current_setting('app.permission', true), '') = ''
    and kind = 'team' and not second_factor_required and deleted_at is null and exists (select from self));
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
  when (nullif(current_setting('app.session_id', true), '') is not null and coalesce(current_setting('app.permission', true), '') = '')
  execute function guard_creation();

-- Whether an organization demands a second factor is its owner's decision, taken in a session that has one, so that no
-- owner locks themselves out. Comes after lock_revocation, which by then keeps the owner's role and session as they are.
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
