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
select organization_table('invitations', history => '{role, invited_by, expires_at, accepted_at, revoked_at}');
