-- Links to an open invitation that an administrator hands over where no email arrives. The row is the entry in the audit log; its
-- trigger makes the one-time token with the same id. The link ends with every change of the invitation and with the next link; the
-- emailed link stays valid.
create table invitation_links (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  invitation_id   uuid not null,
  created_by      uuid not null,
  expires_at      timestamptz not null,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  constraint invitation_links_invitation_fkey foreign key (organization_id, invitation_id) references invitations (organization_id, id) on delete cascade,
  constraint invitation_links_created_by_fkey foreign key (organization_id, created_by) references memberships (organization_id, user_id)
);
create index invitation_links_invitation on invitation_links (organization_id, invitation_id);
create index invitation_links_created_by on invitation_links (organization_id, created_by);
select organization_table('invitation_links', history => '{invitation_id, created_by, expires_at}', writes => '{invitations:write}', commands => '{insert}');

-- A request chooses the invitation and nothing else; without a session there is no user to name.
create function fill_invitation_link() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  new.id := new_id();
  new.created_by := coalesce(acting_user(), new.created_by);
  new.created_at := now();
  new.expires_at := now() + interval '7 days';
  return new;
end $$;
revoke execute on function fill_invitation_link() from public;
create trigger fill before insert on invitation_links for each row execute function fill_invitation_link();

-- Otherwise an administrator could accept the invitation of an owner with a new account. Runs as the owner: no login of a request
-- can create one-time tokens.
create function make_invitation_link() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  invitation invitations%rowtype;
begin
  select * into invitation from invitations where organization_id = new.organization_id and id = new.invitation_id and accepted_at is null and revoked_at is null;
  if invitation.id is null or invitation.invited_by is not null and not exists (select from live_inviters i where i.organization_id = new.organization_id and i.user_id = invitation.invited_by
      and permissions_of(new.organization_id, invitation.role, invitation.role_id) <@ permissions_of(i.organization_id, i.role, i.role_id)) then
    raise exception 'the invitation has ended' using errcode = '23514', constraint = 'invitation_links_open';
  end if;
  if invitation.role = 'owner' and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'invitation_links_owner_by_owner';
  end if;
  perform require_offerable_role(invitation.role, invitation.role_id);
  update one_time_tokens set used_at = now()
  where email = invitation.email and purpose = 'invitation-link' and used_at is null and details ->> 'invitation_id' = new.invitation_id::text;
  insert into one_time_tokens (id, purpose, email, details, expires_at)
  values (new.id, 'invitation-link', invitation.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.invitation_id,
    'version', invitation.version, 'made_by', new.created_by), new.expires_at);
  return null;
end $$;
revoke execute on function make_invitation_link() from public;
create trigger make after insert on invitation_links for each row execute function make_invitation_link();

create function spend_invitation_links() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  update one_time_tokens set used_at = now()
  where email = new.email and purpose = 'invitation-link' and used_at is null and details ->> 'invitation_id' = new.id::text;
  return null;
end $$;
revoke execute on function spend_invitation_links() from public;
create trigger spend_links after update on invitations for each row execute function spend_invitation_links();
