-- Invitations, by address, without a lookup of its account. An organization has at most one open invitation for an
-- address.
create table invitations (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  email           text not null check (email = lower(email)),
  role            text not null check (role in ('owner', 'admin', 'member', 'viewer')),
  title           text, -- the initial values of the membership
  company         text,
  invited_by      uuid not null,
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
  constraint invitations_of_guests check (not guest or role = 'viewer')
);
create unique index invitations_email_key on invitations (organization_id, email) where accepted_at is null and revoked_at is null;
create index invitations_open on invitations (organization_id, expires_at) where accepted_at is null and revoked_at is null;
create index invitations_accepted on invitations (organization_id, id) where accepted_at is not null;
create index invitations_revoked on invitations (organization_id, id) where revoked_at is not null;
create index invitations_email on invitations (organization_id, email, id);
create index invitations_invited_by on invitations (organization_id, invited_by);
create index invitations_to on invitations (email); -- sign-in counts them by the address
create index invitations_over on invitations (coalesce(accepted_at, revoked_at, expires_at));
-- The address is left out of the audit log, which holds no personal data.
select organization_table('invitations', history => '{role, guest, invited_by, expires_at, accepted_at, revoked_at}',
  writes => '{invitations:write}', commands => '{insert, update}', for_system => true);
-- Only a request invites.
revoke insert on invitations from freehold_system;
drop policy system_insert on invitations;
-- Retention deletes invitations that can no longer be accepted; erasure deletes those to an address of the account.
create policy system_delete on invitations for delete to freehold_system using (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
grant delete on invitations to freehold_system;

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
  token_id uuid;
begin
  if not has_ended and new.mail_at is not null then
    new.invited_by := coalesce(acting_user(), new.invited_by);
    perform pg_advisory_xact_lock(lock_key('mail', sender_name));
    perform pg_advisory_xact_lock(lock_key('mail', 'inviter ' || new.invited_by));
    if is_over_mail_quota('invitation', new.email, sender_name, null) or (select count(*) from one_time_tokens where email = new.email
        and purpose = 'invitation' and details ->> 'invited_by' = new.invited_by::text and created_at > now() - interval '1 hour') >= 5 then
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
    'invited_by', new.invited_by), new.expires_at, sender_name, new.mail_at)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id), new.mail_at);
  return new;
end $$;
revoke execute on function mail_invitation() from public;
create trigger with_mail before insert or update of mail_at, accepted_at, revoked_at on invitations for each row execute function mail_invitation();

-- An organization has at most 1,000 open invitations. Whoever adds one holds the key that mail_invitation() takes, so that each count
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
