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
  invited_by      uuid, -- null: an operator, who belongs to no organization
  expires_at      timestamptz not null default now() + interval '7 days',
  mail_at         timestamptz default now(), -- when the latest email is sent; null if none is
  accepted_at     timestamptz,
  revoked_at      timestamptz,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  guest           boolean not null default false, -- if the address has no account, the new one is a guest
  primary key (organization_id, id),
  foreign key (organization_id, invited_by) references memberships (organization_id, user_id),
  constraint invitations_role_id check (role_id is null or role = 'member'),
  constraint invitations_role_fkey foreign key (organization_id, role_id) references roles (organization_id, id),
  constraint invitations_of_guests check (not guest or role = 'viewer')
);
create index invitations_role on invitations (organization_id, role_id) where role_id is not null;
create unique index invitations_email_key on invitations (organization_id, email) where accepted_at is null and revoked_at is null;
create index invitations_open on invitations (organization_id, expires_at) where accepted_at is null and revoked_at is null;
create index invitations_accepted on invitations (organization_id, id) where accepted_at is not null;
create index invitations_revoked on invitations (organization_id, id) where revoked_at is not null;
create index invitations_email on invitations (organization_id, email, id);
create index invitations_invited_by on invitations (organization_id, invited_by);
create index invitations_to on invitations (email); -- sign-in counts them by the address
create index invitations_over on invitations (coalesce(accepted_at, revoked_at, expires_at));
-- The address is left out of the audit log, which holds no personal data.
select organization_table('invitations', history => '{role, role_id, guest, invited_by, expires_at, accepted_at, revoked_at}',
  writes => '{invitations:write, admin:users:write}', commands => '{insert, update}', for_system => true);
-- Only a request invites.
revoke insert on invitations from freehold_system;
drop policy system_insert on invitations;
-- Retention deletes invitations that can no longer be accepted; erasure deletes those to an address of the account.
create policy system_delete on invitations for delete to freehold_system using (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
grant delete on invitations to freehold_system;

-- No one invites to a role with a permission that their own role does not have (directory/roles/roles.sql), whatever they
-- change in an open invitation. Runs after the row is locked: first the role's row, which is then not deleted meanwhile,
-- then the keys.
create function require_offerable_role(built_in text, custom uuid) returns void language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  place constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return;
  end if;
  if custom is not null then
    perform from roles where organization_id = place and id = custom and deleted_at is null for share;
    if not found then
      raise exception 'there is no such role' using errcode = '23503', constraint = 'invitations_role_fkey';
    end if;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', place::text));
  if not gate_is_open() then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
  -- An operator has no role there, and offers any.
  if current_setting('app.permission', true) not like 'admin:%' then
    perform require_own_permissions(permissions_of(place, built_in, custom));
  end if;
end $$;
revoke execute on function require_offerable_role(text, uuid) from public;
-- The problem with offering a role; null: none. For many roles at once; what counts is the trigger, which asks under locks.
create function refusal_of_offer(built_in text, custom uuid) returns text language sql stable security definer set search_path = {{schema}}, pg_temp as $$
  -- A caller of another organization learns nothing about the roles of this one.
  select case when own.permissions is null then 'role-exceeds-own'
    when custom is not null and not exists (select from roles where organization_id = place.id and id = custom and deleted_at is null) then 'invalid-fields'
    when not permissions_of(place.id, built_in, custom) <@ own.permissions then 'role-exceeds-own' end
  from (select nullif(current_setting('app.organization_id', true), '')::uuid as id) as place
  left join own_organizations own on own.id = place.id $$;
revoke execute on function refusal_of_offer(text, uuid) from public;
grant execute on function refusal_of_offer(text, uuid) to freehold_tenant;
create function guard_invited_role() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  perform require_offerable_role(new.role, new.role_id);
  return null;
end $$;
revoke execute on function guard_invited_role() from public;
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

-- Setting `mail_at`, as each insert does, asks for an email: this decides when it is sent and creates its link for exactly that version,
-- in the same transaction. The seven days of the invitation and of the link begin when the email is sent; one that still waits keeps its
-- time when it is renewed. Each renewal, acceptance and revocation spends the earlier links, and an email that waits is not sent.
-- An address gets at most five emails an hour from one organization, from one inviter, and 20 from all: the row of one more is skipped.
-- Runs after `touch`, which counts the version, and as the owner: the inviter's login can neither create one-time tokens nor enqueue
-- email. One organization's emails are scheduled one at a time, and so are those of one inviter.
create function mail_invitation() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  sender_name constant text := 'organization ' || new.organization_id;
  has_ended constant boolean := new.accepted_at is not null or new.revoked_at is not null;
  inviter constant uuid := coalesce(acting_user(), new.invited_by); -- also an operator: the quota counts their emails, too
  token_id uuid;
begin
  if not has_ended and new.mail_at is not null then
    new.invited_by := case when coalesce(current_setting('app.permission', true), '') not like 'admin:%' then inviter end;
    perform pg_advisory_xact_lock(lock_key('mail', sender_name));
    perform pg_advisory_xact_lock(lock_key('mail', 'inviter ' || inviter));
    if is_over_mail_quota('invitation', new.email, sender_name, null) or (select count(*) from one_time_tokens where email = new.email
        and purpose = 'invitation' and details ->> 'invited_by' = inviter::text and created_at > now() - interval '1 hour') >= 5 then
      if exists (select from gate where organization_id = new.organization_id and writes) then
        return null;
      end if;
      -- Another organization's row, which its policy refuses, whatever the quota is.
      new.mail_at := null;
      return new;
    end if;
  end if;
  if tg_op = 'UPDATE' then
    update one_time_tokens set used_at = now(), mail_at = case when mail_at <= now() then mail_at end
    where email = new.email and purpose = 'invitation' and used_at is null and details ->> 'invitation_id' = new.id::text;
    if has_ended then
      new.mail_at := case when old.mail_at <= now() then old.mail_at end;
    end if;
  end if;
  if has_ended or new.mail_at is null then
    return new;
  end if;
  new.mail_at := case when tg_op = 'UPDATE' and old.mail_at > now() then old.mail_at else next_mail_at(sender_name) end;
  new.expires_at := new.mail_at + interval '7 days';
  insert into one_time_tokens (purpose, email, details, expires_at, sender, mail_at)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version,
    'invited_by', inviter), new.expires_at, sender_name, new.mail_at)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id), new.mail_at);
  return new;
end $$;
revoke execute on function mail_invitation() from public;
create trigger with_mail before insert or update of mail_at, accepted_at, revoked_at on invitations for each row execute function mail_invitation();

-- An organization has at most 1,000 open invitations. A statement that adds one holds the key that mail_invitation() takes, so that each count
-- sees those before it.
create function keep_open_limit() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  if exists (select from (select distinct organization_id from written where accepted_at is null and revoked_at is null) o
    where (select count(*) from invitations i where i.organization_id = o.organization_id and i.accepted_at is null and i.revoked_at is null
      and i.expires_at > now()) > 1000) then
    raise exception 'an organization has at most 1000 open invitations' using errcode = '23514', constraint = 'invitations_open_limit';
  end if;
  return null;
end $$;
revoke execute on function keep_open_limit() from public;
create trigger open_limit_insert after insert on invitations referencing new table as written for each statement execute function keep_open_limit();
create trigger open_limit_update after update on invitations referencing new table as written for each statement execute function keep_open_limit();

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
