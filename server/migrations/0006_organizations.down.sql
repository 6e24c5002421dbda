-- Takes 0006_organizations back.
-- loses: invitations.role_id
-- loses: roles.deleted_at
-- loses: roles.name_key

set local check_function_bodies = off;

drop policy "tenant_delete" on {{schema}}."custom_role_permissions";

drop policy "tenant_insert" on {{schema}}."custom_role_permissions";

drop policy "holders" on {{schema}}."invitations";

drop policy "locking" on {{schema}}."organizations";

drop policy "gate" on {{schema}}."roles";

drop policy "locking" on {{schema}}."roles";

drop policy "tenant_insert" on {{schema}}."roles";

drop policy "tenant_update" on {{schema}}."roles";

drop trigger "role_rule" on {{schema}}."custom_role_permissions";

drop trigger "guard_role" on {{schema}}."invitations";

drop trigger "history" on {{schema}}."invitations";

drop trigger "keep_role" on {{schema}}."memberships";

drop trigger "role_rule" on {{schema}}."memberships";

drop trigger "complete" on {{schema}}."roles";

drop trigger "history" on {{schema}}."roles";

drop trigger "role_rule_of_invitations" on {{schema}}."roles";

drop trigger "role_rule" on {{schema}}."roles";

drop view {{schema}}."own_organizations";

alter table {{schema}}."invitations"
  drop constraint "invitations_role_fkey";

alter table {{schema}}."invitations"
  drop constraint "invitations_role_id";

alter table {{schema}}."roles"
  drop constraint "roles_name_reserved";

drop function {{schema}}."complete_role"();

drop function {{schema}}."guard_invited_role"();

drop function {{schema}}."guard_role"();

drop function {{schema}}."guard_role_of_member"();

drop function {{schema}}."guard_role_permission"();

drop function {{schema}}."hold_roles"();

drop function {{schema}}."keep_invited_role"();

drop function {{schema}}."keep_role"();

drop function {{schema}}."permissions_of"(uuid, text, uuid);

drop function {{schema}}."require_own_permissions"(text[]);

alter table {{schema}}."invitations"
  drop column "role_id";

alter table {{schema}}."roles"
  drop column "deleted_at";

alter table {{schema}}."roles"
  drop column "name_key";

-- lock: ACCESS EXCLUSIVE on roles: everything waits while the index is built, 10 to 60 seconds for 10 million rows. Where that is too long: a unique index in an online migration, then add constraint … using index
alter table {{schema}}."roles"
  add constraint "roles_name_key" unique (organization_id, name);

create view {{schema}}."own_organizations" with (security_barrier=true) AS  SELECT o.id,
    o.kind,
    o.name,
    o.slug,
    o.second_factor_required,
    o.created_at,
    o.updated_at,
    o.version,
    m.role,
    m.created_at AS joined_at,
    self.user_id
   FROM (({{schema}}.self
     JOIN {{schema}}.memberships m ON (((m.user_id = self.user_id) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL))))
     JOIN {{schema}}.organizations o ON (((o.id = m.organization_id) AND (o.deleted_at IS NULL))));

create trigger history
  after insert or delete or update on {{schema}}.invitations
  for each row
  execute function
    {{schema}}.record_change('invitations', '{role,invited_by,expires_at,accepted_at,revoked_at}');

create trigger history
  after insert or delete or update on {{schema}}.roles
  for each row
  execute function {{schema}}.record_change('roles', '{name,description}');

revoke all on table {{schema}}."custom_role_permissions" from "freehold_tenant";

grant select on table {{schema}}."custom_role_permissions" to "freehold_tenant";

revoke all on table {{schema}}."roles" from "freehold_tenant";

grant select on table {{schema}}."roles" to "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";
