-- Organizations (the tenants) and memberships. A removed membership stays as a row: the audit log refers to it.
create table organizations (
  id         uuid not null default new_id() primary key,
  kind       text not null default 'team' check (kind in ('personal', 'team')),
  name       text not null,
  slug       text not null,
  second_factor_required boolean not null default false,
  deleted_at timestamptz,
  gate_changed_in xid8, -- as in users
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version    integer not null default 1,
  suspended_at     timestamptz, -- when an operator closed the gate for its members, who can only leave until it is reactivated
  suspended_reason text,
  constraint organizations_suspended_reason check ((suspended_at is null) = (suspended_reason is null))
);
create unique index organizations_slug_key on organizations (slug) where deleted_at is null;

-- Custom roles of an organization, in addition to the four built-in roles (role_permissions). A deleted one stays as a
-- row: the audit log and ended memberships refer to it.
create table roles (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  name            text not null,
  -- Names that look alike count as the same: width, case, surrounding and repeated spaces, and invisible characters.
  name_key        text not null generated always as (lower(btrim(regexp_replace(regexp_replace(normalize(name, NFKC),
    '[\u00ad\u034f\u061c\u180e\u200b-\u200f\u2060-\u206f\ufe00-\ufe0f\ufeff]', '', 'g'), '\s+', ' ', 'g')))) stored,
  description     text,
  deleted_at      timestamptz,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  constraint roles_name_reserved check (name_key not in ('', 'owner', 'admin', 'member', 'viewer', 'custom', 'guest', 'superuser'))
);
create unique index roles_name_key on roles (organization_id, name_key) where deleted_at is null;
create table custom_role_permissions (
  organization_id uuid not null,
  role_id         uuid not null,
  permission      text not null,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, role_id, permission),
  constraint custom_role_permissions_role_fkey foreign key (organization_id, role_id) references roles (organization_id, id) on delete cascade
);

create table memberships (
  organization_id uuid not null references organizations on delete cascade,
  user_id         uuid not null references users,
  role            text not null check (role in ('owner', 'admin', 'member', 'viewer')),
  role_id         uuid, -- a custom role, which then counts instead of `role`
  title           text,
  company         text,
  disabled_at     timestamptz,
  deleted_at      timestamptz, -- when it ended; equal to the deleted_at of the account if the deletion of the account ended it
  removed_at      timestamptz, -- when an administrator ended it, which can be undone for 30 days; set only by guard_membership()
  gate_changed_in xid8, -- as in users
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, user_id),
  constraint memberships_role_id check (role_id is null or role = 'member'),
  constraint memberships_role_fkey foreign key (organization_id, role_id) references roles (organization_id, id)
);
create index memberships_user_id on memberships (user_id);
-- partial, so that the gate, which looks up a membership by its key, does not use this index instead
create index memberships_role on memberships (organization_id, role_id) where role_id is not null;

-- What stays possible without a required second factor: leaving and, if no other owner has a live account, transferring and
-- deleting the organization.
create function is_way_out() returns boolean language plpgsql stable security definer set search_path = {{schema}}, pg_temp as $$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
begin
  return wanted = 'organization:leave' or wanted in ('organization:transfer', 'organization:delete')
    -- A user of another organization learns nothing about the owners of this one.
    and exists (select from memberships m where m.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and m.user_id = acting_user())
    and not exists (select from memberships m join live_users u on u.id = m.user_id
      where m.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and m.user_id <> acting_user()
        and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null
        and (m.gate_changed_in = pg_current_xact_id_if_assigned()) is not true); -- the new owner of this transfer
end $$;
revoke execute on function is_way_out() from public;
grant execute on function is_way_out() to freehold_tenant, freehold_system;

-- An organization always keeps an owner whose account is live. The lock serializes two owners who leave at once: the query of the
-- second has its own snapshot, taken after the commit of the first.
create function keep_an_owner() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  perform pg_advisory_xact_lock(lock_key('owners', old.organization_id::text));
  if exists (select from organizations where id = old.organization_id and deleted_at is null)
    and not exists (select from memberships m join live_users u on u.id = m.user_id where m.organization_id = old.organization_id
      and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null) then
    raise exception 'an organization keeps one owner' using errcode = '23514', constraint = 'memberships_keep_an_owner';
  end if;
  return null;
end $$;
revoke execute on function keep_an_owner() from public;
create trigger keep_an_owner_update after update on memberships for each row
  when (old.role = 'owner' and old.disabled_at is null and old.deleted_at is null
    and (new.role <> 'owner' or new.disabled_at is not null or new.deleted_at is not null))
  execute function keep_an_owner();
create trigger keep_an_owner_delete after delete on memberships for each row
  when (old.role = 'owner' and old.disabled_at is null and old.deleted_at is null) execute function keep_an_owner();
