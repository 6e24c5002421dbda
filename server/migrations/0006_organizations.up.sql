-- organizations

set local check_function_bodies = off;

drop trigger "history" on {{schema}}."invitations";

drop trigger "creation" on {{schema}}."memberships";

drop trigger "event_update" on {{schema}}."users";

drop trigger "touch" on {{schema}}."users";

create table {{schema}}."invitation_links" (
  "organization_id" uuid                     not null,
  "invitation_id"   uuid                     not null,
  "created_by"      uuid                     not null,
  "expires_at"      timestamp with time zone not null,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "invitation_links_pkey" primary key (organization_id, id)
);

alter table {{schema}}."invitation_links"
  enable row level security;

alter table {{schema}}."invitation_links"
  force row level security;

alter table {{schema}}."invitations"
  add column "guest" boolean not null default false;

alter table {{schema}}."users"
  add column "guest" boolean not null default false;

create or replace function {{schema}}.fill_invitation_link()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  new.id := new_id();
  new.created_by := coalesce(acting_user(), new.created_by);
  new.created_at := now();
  new.expires_at := now() + interval '7 days';
  return new;
end $function$;

create or replace function {{schema}}.guard_founder()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from users where id = acting_user() and guest) then
    raise exception 'a guest creates no organization' using errcode = '23514', constraint = 'organizations_of_guests';
  end if;
  return null;
end $function$;

create or replace function {{schema}}.guard_guest()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from users where id = new.user_id and guest) then
    raise exception 'a guest is a viewer' using errcode = '23514', constraint = 'memberships_of_guests';
  end if;
  return null;
end $function$;

create or replace function {{schema}}.make_invitation_link()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  invitation invitations%rowtype;
begin
  select * into invitation from invitations where organization_id = new.organization_id and id = new.invitation_id and accepted_at is null and revoked_at is null;
  if invitation.id is null or not exists (select from live_inviters i where i.organization_id = new.organization_id and i.user_id = invitation.invited_by
      and (invitation.role <> 'owner' or i.may_invite_owners)) then
    raise exception 'the invitation has ended' using errcode = '23514', constraint = 'invitation_links_open';
  end if;
  if invitation.role = 'owner' and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'invitation_links_owner_by_owner';
  end if;
  update one_time_tokens set used_at = now()
  where email = invitation.email and purpose = 'invitation-link' and used_at is null and details ->> 'invitation_id' = new.invitation_id::text;
  insert into one_time_tokens (id, purpose, email, details, expires_at)
  values (new.id, 'invitation-link', invitation.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.invitation_id,
    'version', invitation.version, 'made_by', new.created_by), new.expires_at);
  return null;
end $function$;

create or replace function {{schema}}.spend_invitation_links()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  update one_time_tokens set used_at = now()
  where email = new.email and purpose = 'invitation-link' and used_at is null and details ->> 'invitation_id' = new.id::text;
  return null;
end $function$;

alter table {{schema}}."invitation_links"
  add constraint "invitation_links_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."invitation_links"
  add constraint "invitation_links_invitation_fkey" foreign key (organization_id, invitation_id)
    references {{schema}}.invitations(organization_id, id) on delete cascade;

alter table {{schema}}."invitation_links"
  add constraint "invitation_links_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

-- lock: ACCESS EXCLUSIVE on invitations, for a moment: from now on new rows are checked
alter table {{schema}}."invitations"
  add constraint "invitations_of_guests" check (((NOT guest) OR (role = 'viewer'::text))) not valid;

create view {{schema}}."live_inviters" with (security_barrier=true) AS  SELECT m.organization_id,
    m.user_id,
    ((m.role_id IS NULL) AND (m.role = 'owner'::text)) AS may_invite_owners
   FROM ({{schema}}.memberships m
     JOIN {{schema}}.users u ON (((u.id = m.user_id) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL))))
  WHERE ((m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND
        CASE
            WHEN (m.role_id IS NULL) THEN (EXISTS ( SELECT
               FROM {{schema}}.role_permissions p
              WHERE ((p.permission = 'invitations:write'::text) AND (p.role = m.role))))
            ELSE (EXISTS ( SELECT
               FROM {{schema}}.custom_role_permissions p
              WHERE ((p.organization_id = m.organization_id) AND (p.role_id = m.role_id) AND (p.permission = 'invitations:write'::text))))
        END);

create view {{schema}}."live_invitations" with (security_barrier=true) AS  SELECT invited.id AS user_id,
    i.organization_id,
    i.id,
        CASE
            WHEN invited.guest THEN 'viewer'::text
            ELSE i.role
        END AS role,
    i.title,
    i.company,
    i.expires_at,
    i.created_at,
    o.name AS organization_name,
    COALESCE(inviting.full_name, inviting.given_name) AS inviter_name
   FROM (((({{schema}}.users invited
     CROSS JOIN LATERAL ( SELECT invitations.organization_id,
            invitations.id,
            invitations.email,
            invitations.role,
            invitations.title,
            invitations.company,
            invitations.invited_by,
            invitations.expires_at,
            invitations.accepted_at,
            invitations.revoked_at,
            invitations.created_at,
            invitations.updated_at,
            invitations.version,
            invitations.guest
           FROM {{schema}}.invitations
          WHERE ((invitations.email = invited.email) AND (invitations.accepted_at IS NULL) AND (invitations.revoked_at IS NULL) AND (invitations.expires_at > now()))
         OFFSET 0) i)
     JOIN {{schema}}.organizations o ON (((o.id = i.organization_id) AND (o.deleted_at IS NULL))))
     JOIN {{schema}}.users inviting ON ((inviting.id = i.invited_by)))
     CROSS JOIN LATERAL ( SELECT l.may_invite_owners
           FROM {{schema}}.live_inviters l
          WHERE ((l.organization_id = i.organization_id) AND (l.user_id = i.invited_by))
         OFFSET 0) inviter)
  WHERE ((invited.disabled_at IS NULL) AND (invited.deleted_at IS NULL) AND invited.email_verified AND ((i.role <> 'owner'::text) OR inviter.may_invite_owners));

create or replace view {{schema}}."live_users" with (security_barrier=true) AS  SELECT id,
    email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name,
    superuser,
    email_verified_at,
    email_verified,
    last_organization_id,
    unopened_organization_ids,
    locale,
    disabled_at,
    deleted_at,
    erased_at,
    gate_changed_in,
    created_at,
    updated_at,
    version,
    guest
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create view {{schema}}."own_invitations" with (security_barrier=true) AS  SELECT i.id,
    i.organization_id,
    i.organization_name,
    i.inviter_name,
    i.role,
    i.title,
    i.company,
    i.expires_at,
    i.created_at,
    self.user_id
   FROM ({{schema}}.self
     CROSS JOIN LATERAL ( SELECT live_invitations.user_id,
            live_invitations.organization_id,
            live_invitations.id,
            live_invitations.role,
            live_invitations.title,
            live_invitations.company,
            live_invitations.expires_at,
            live_invitations.created_at,
            live_invitations.organization_name,
            live_invitations.inviter_name
           FROM {{schema}}.live_invitations
          WHERE (live_invitations.user_id = self.user_id)
         OFFSET 0) i);

create index invitation_links_created_by on {{schema}}.invitation_links
  using btree (organization_id, created_by);

create index invitation_links_invitation on {{schema}}.invitation_links
  using btree (organization_id, invitation_id);

create trigger fill
  before insert on {{schema}}.invitation_links
  for each row
  execute function {{schema}}.fill_invitation_link();

create trigger history
  after insert or delete or update on {{schema}}.invitation_links
  for each row
  execute function {{schema}}.record_change('invitation_links', '{invitation_id,created_by,expires_at}');

create trigger make
  after insert on {{schema}}.invitation_links
  for each row
  execute function {{schema}}.make_invitation_link();

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.invitation_links deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.invitation_links
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.invitations
  for each row
  execute function
    {{schema}}.record_change('invitations', '{role,guest,invited_by,expires_at,accepted_at,revoked_at}');

create trigger spend_links
  after update on {{schema}}.invitations
  for each row
  execute function {{schema}}.spend_invitation_links();

create trigger creation
  before insert on {{schema}}.memberships
  for each row
  when (((NULLIF(current_setting('app.session_id'::text, true), ''::text) IS
    NOT NULL) AND (COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text) AND
    pg_has_role(CURRENT_USER, 'freehold_tenant'::name, 'member'::text)))
  execute function {{schema}}.guard_creation();

create trigger guest_insert
  after insert on {{schema}}.memberships
  for each row
  when (((new.role <> 'viewer'::text) OR (new.role_id IS NOT NULL)))
  execute function {{schema}}.guard_guest();

create trigger guest_update
  after update of role, role_id, deleted_at on {{schema}}.memberships
  for each row
  when (((new.deleted_at IS NULL) AND ((new.role <> 'viewer'::text) OR (new.role_id IS NOT NULL))))
  execute function {{schema}}.guard_guest();

create trigger founder
  after insert on {{schema}}.organizations
  for each row
  execute function {{schema}}.guard_founder();

create trigger event_update
  after update on {{schema}}.users
  for each row
  when
    (((old.email IS DISTINCT FROM new.email) OR (old.username IS DISTINCT FROM new.username) OR (old.password_hash IS
    DISTINCT FROM new.password_hash) OR (old.given_name IS DISTINCT FROM new.given_name) OR
    (old.family_name IS DISTINCT FROM new.family_name) OR (old.full_name IS DISTINCT FROM new.full_name) OR
    (old.superuser IS DISTINCT FROM new.superuser) OR (old.guest IS DISTINCT FROM new.guest) OR
    (old.email_verified_at IS DISTINCT FROM new.email_verified_at) OR (old.disabled_at IS DISTINCT FROM new.disabled_at)
    OR (old.deleted_at IS DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.record_account();

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name, superuser, guest, email_verified_at, locale, disabled_at, deleted_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

create policy "maintenance" on {{schema}}."invitation_links"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_insert" on {{schema}}."invitation_links"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{invitations:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."invitation_links"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "views" on {{schema}}."invitations"
  for select
  to "freehold_owner"
  using (true);

revoke all on function {{schema}}."fill_invitation_link"() from public;

revoke all on function {{schema}}."guard_founder"() from public;

revoke all on function {{schema}}."guard_guest"() from public;

revoke all on function {{schema}}."make_invitation_link"() from public;

revoke all on function {{schema}}."spend_invitation_links"() from public;

grant insert, select on table {{schema}}."invitation_links" to "freehold_tenant";

grant select on table {{schema}}."live_invitations" to "freehold_system";

grant select on table {{schema}}."live_inviters" to "freehold_system";

grant select, update on table {{schema}}."live_users" to "freehold_system";

grant select on table {{schema}}."own_invitations" to "freehold_tenant";

revoke all ("guest") on table {{schema}}."users" from "freehold_tenant";

grant select ("guest") on table {{schema}}."users" to "freehold_tenant";
