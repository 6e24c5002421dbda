-- Who has been asked to join, by address: nobody looks whether it has an account. At most one open invitation an address.
create table invitations (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  email           text not null check (email = lower(email)),
  role            text not null check (role in ('owner', 'admin', 'member', 'viewer')),
  invited_by      uuid not null,
  expires_at      timestamptz not null,
  accepted_at     timestamptz,
  revoked_at      timestamptz,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  foreign key (organization_id, invited_by) references memberships (organization_id, user_id)
);
create unique index invitations_email_key on invitations (organization_id, email) where accepted_at is null and revoked_at is null;
create index invitations_invited_by on invitations (organization_id, invited_by);
-- The address stays out of history, which holds no personal values.
select organization_table('invitations', history => '{role, invited_by, expires_at, accepted_at, revoked_at}',
  writes => '{invitations:write}', commands => '{insert, update}', for_system => true);
-- The sweep deletes what nobody can accept any more.
create policy system_delete on invitations for delete to freehold_system using (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
grant delete on invitations to freehold_system;

-- Whatever makes or renews an invitation mails a link for that very version, in the same transaction. Runs as the owner:
-- the inviter's login may neither make one-time tokens nor enqueue mail.
create function mail_invitation() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  token_id uuid;
begin
  insert into one_time_tokens (purpose, email, details, expires_at)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version), new.expires_at)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id));
  return null;
end $$;
revoke execute on function mail_invitation() from public;
create trigger mail_insert after insert on invitations for each row execute function mail_invitation();
create trigger mail_update after update on invitations for each row
  when (old.expires_at is distinct from new.expires_at and new.accepted_at is null and new.revoked_at is null) execute function mail_invitation();
