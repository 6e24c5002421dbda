-- Takes 0006_organizations back.
-- loses: invitation_links
-- loses: invitations.guest
-- loses: users.guest

set local check_function_bodies = off;

drop policy "views" on {{schema}}."invitations";

drop trigger "history" on {{schema}}."invitations";

drop trigger "spend_links" on {{schema}}."invitations";

drop trigger "creation" on {{schema}}."memberships";

drop trigger "guest_insert" on {{schema}}."memberships";

drop trigger "guest_update" on {{schema}}."memberships";

drop trigger "founder" on {{schema}}."organizations";

drop trigger "event_update" on {{schema}}."users";

drop trigger "touch" on {{schema}}."users";

drop view {{schema}}."live_users";

drop view {{schema}}."own_invitations";

drop view {{schema}}."live_invitations";

drop view {{schema}}."live_inviters";

alter table {{schema}}."invitation_links"
  drop constraint "invitation_links_created_by_fkey";

alter table {{schema}}."invitation_links"
  drop constraint "invitation_links_invitation_fkey";

alter table {{schema}}."invitation_links"
  drop constraint "invitation_links_organization_id_fkey";

alter table {{schema}}."invitations"
  drop constraint "invitations_of_guests";

drop function {{schema}}."guard_founder"();

drop function {{schema}}."guard_guest"();

drop function {{schema}}."spend_invitation_links"();

alter table {{schema}}."invitations"
  drop column "guest";

alter table {{schema}}."users"
  drop column "guest";

drop table {{schema}}."invitation_links";

drop function {{schema}}."fill_invitation_link"();

drop function {{schema}}."make_invitation_link"();

create view {{schema}}."live_users" with (security_barrier=true) AS  SELECT id,
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
    version
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create trigger history
  after insert or delete or update on {{schema}}.invitations
  for each row
  execute function
    {{schema}}.record_change('invitations', '{role,invited_by,expires_at,accepted_at,revoked_at}');

create trigger creation
  before insert on {{schema}}.memberships
  for each row
  when (((NULLIF(current_setting('app.session_id'::text, true), ''::text) IS
    NOT NULL) AND (COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text)))
  execute function {{schema}}.guard_creation();

create trigger event_update
  after update on {{schema}}.users
  for each row
  when
    (((old.email IS DISTINCT FROM new.email) OR (old.username IS DISTINCT FROM new.username) OR (old.password_hash IS
    DISTINCT FROM new.password_hash) OR (old.given_name IS DISTINCT FROM new.given_name) OR
    (old.family_name IS DISTINCT FROM new.family_name) OR (old.full_name IS DISTINCT FROM new.full_name) OR
    (old.superuser IS DISTINCT FROM new.superuser) OR (old.email_verified_at IS DISTINCT FROM new.email_verified_at) OR
    (old.disabled_at IS DISTINCT FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.record_account();

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name, superuser, email_verified_at, locale, disabled_at, deleted_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

grant select, update on table {{schema}}."live_users" to "freehold_system";
