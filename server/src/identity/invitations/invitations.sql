-- Invitations, by address, without a lookup of its account. An organization has at most one open invitation for an
-- address.
create table invitations (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  email           text not null check (email = lower(email)),
  role            text not null check (role in ('owner', 'admin', 'member', 'viewer')),
  role_id         uuid, -- a custom role, which then counts instead of `role`
  title           text, -- the initial values of the membership
  company         text,
  invited_by      uuid not null,
  expires_at      timestamptz not null,
  accepted_at     timestamptz,
  revoked_at      timestamptz,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  constraint invitations_role_id check (role_id is null or role = 'member'),
  constraint invitations_role_fkey foreign key (organization_id, role_id) references roles (organization_id, id),
  foreign key (organization_id, invited_by) references memberships (organization_id, user_id)
);
create index invitations_role on invitations (organization_id, role_id) where role_id is not null;
create unique index invitations_email_key on invitations (organization_id, email) where accepted_at is null and revoked_at is null;
create index invitations_invited_by on invitations (organization_id, invited_by);
create index invitations_over on invitations (coalesce(accepted_at, revoked_at, expires_at));
-- The address is left out of the audit log, which holds no personal data.
select organization_table('invitations', history => '{role, role_id, invited_by, expires_at, accepted_at, revoked_at}',
  writes => '{invitations:write}', commands => '{insert, update}', for_system => true);
-- Retention deletes invitations that can no longer be accepted; erasure deletes those to an address of the account.
create policy system_delete on invitations for delete to freehold_system using (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
grant delete on invitations to freehold_system;

-- Nobody invites to a role with a permission that their own role does not have (directory/roles/roles.sql), whatever they
-- change in an open invitation. Runs after the row is locked: first the role's row, which is then not deleted meanwhile,
-- then the keys.
create function guard_invited_role() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  place constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return null;
  end if;
  if new.role_id is not null then
    perform from roles where organization_id = place and id = new.role_id and deleted_at is null for share;
    if not found then
      raise exception 'there is no such role' using errcode = '23503', constraint = 'invitations_role_fkey';
    end if;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', place::text));
  if not gate_is_open() then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
  perform require_own_permissions(permissions_of(place, new.role, new.role_id));
  return null;
end $$;
revoke execute on function guard_invited_role() from public;
-- Before `mail_insert` and `mail_update`, whose locks come after these.
create trigger guard_role after insert or update on invitations for each row
  when (new.accepted_at is null and new.revoked_at is null) execute function guard_invited_role();

-- A role that an invitation offers is not deleted as long as the invitation can be accepted.
create function keep_invited_role() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  offers bigint;
begin
  select count(*) into offers from invitations where organization_id = old.organization_id and role_id = old.id
    and accepted_at is null and revoked_at is null and expires_at > now();
  if offers > 0 then
    raise exception 'invitations offer the role' using errcode = '23514', constraint = 'roles_held', detail = jsonb_build_object('invitations', offers);
  end if;
  return new;
end $$;
revoke execute on function keep_invited_role() from public;
-- After `role_rule`, which counts the members.
create trigger role_rule_of_invitations before update on roles for each row
  when (old.deleted_at is null and new.deleted_at is not null) execute function keep_invited_role();
-- The function above counts as the owner.
create policy holders on invitations for select to freehold_owner using (true);

-- When an invitation is created or renewed, this emails a link for exactly that version, in the same transaction; every
-- change spends the earlier links. An address gets at most five emails an hour from one organization (keep_mail_quota)
-- and from one inviter; more are refused, not dropped. Runs as the owner: the inviter's login can neither create
-- one-time tokens nor enqueue email.
create function mail_invitation() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  token_id uuid;
begin
  update one_time_tokens set used_at = now()
  where email = new.email and purpose = 'invitation' and used_at is null and details ->> 'invitation_id' = new.id::text;
  if new.accepted_at is not null or new.revoked_at is not null then
    return null;
  end if;
  perform lock_mails('invitation', new.email);
  if (select count(*) from one_time_tokens where email = new.email and purpose = 'invitation' and details ->> 'invited_by' = new.invited_by::text
      and created_at > now() - interval '1 hour') >= 5 then
    raise exception 'one user had the address mailed five invitations within an hour' using errcode = '23514', constraint = 'invitations_mail_quota';
  end if;
  insert into one_time_tokens (purpose, email, details, expires_at, sender)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version,
    'invited_by', new.invited_by), new.expires_at, 'organization ' || new.organization_id)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id));
  return null;
end $$;
revoke execute on function mail_invitation() from public;
create trigger mail_insert after insert on invitations for each row execute function mail_invitation();
create trigger mail_update after update on invitations for each row
  when ((old.expires_at, old.accepted_at, old.revoked_at) is distinct from (new.expires_at, new.accepted_at, new.revoked_at)) execute function mail_invitation();

-- When a membership begins or ends, this revokes all open invitations of the organization for any address of the user,
-- so that a former member cannot return with one. The permission that ends a membership cannot write invitations, and
-- no login of a request can read former addresses; both are possible only inside this trigger.
create policy revocation_read on invitations for select to freehold_tenant
  using (pg_trigger_depth() > 0 and organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
create policy revocation on invitations for update to freehold_tenant
  using (pg_trigger_depth() > 0 and organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and accepted_at is null and revoked_at is null)
  with check (pg_trigger_depth() > 0 and organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and accepted_at is null and revoked_at is not null);
create function addresses_in_trigger(person uuid) returns table (email text, held_until timestamptz) language sql stable security definer
  set search_path = {{schema}}, pg_temp as $$
  select email, held_until from account_addresses where user_id = person and pg_trigger_depth() > 0 $$;
revoke execute on function addresses_in_trigger(uuid) from public;
grant execute on function addresses_in_trigger(uuid) to freehold_tenant, freehold_system;
create function revoke_invitations() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  update invitations i set revoked_at = now() from addresses_in_trigger(new.user_id) a
  where i.organization_id = new.organization_id and i.email = a.email and (a.held_until is null or i.updated_at <= a.held_until)
    and i.accepted_at is null and i.revoked_at is null;
  return null;
end $$;
revoke execute on function revoke_invitations() from public;
create trigger invitations_insert after insert on memberships for each row execute function revoke_invitations();
create trigger invitations_update after update on memberships for each row
  when (old.deleted_at is distinct from new.deleted_at) execute function revoke_invitations();
