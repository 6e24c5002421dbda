-- Takes 0001_first back.
-- loses: audit_log_default
-- loses: audit_log
-- loses: idempotency_keys
-- loses: memberships
-- loses: organizations
-- loses: projects
-- loses: security_events
-- loses: sessions
-- loses: signing_keys
-- loses: users

set local check_function_bodies = off;

revoke all on schema {{schema}} from "freehold_system";

revoke all on schema {{schema}} from "freehold_tenant";

drop policy "tenant_read" on {{schema}}."audit_log";

drop policy "self" on {{schema}}."idempotency_keys";

drop policy "tenant_delete" on {{schema}}."memberships";

drop policy "tenant_insert" on {{schema}}."memberships";

drop policy "tenant_read" on {{schema}}."memberships";

drop policy "tenant_update" on {{schema}}."memberships";

drop policy "tenant_delete" on {{schema}}."organizations";

drop policy "tenant_insert" on {{schema}}."organizations";

drop policy "tenant_read" on {{schema}}."organizations";

drop policy "tenant_update" on {{schema}}."organizations";

drop policy "tenant_delete" on {{schema}}."projects";

drop policy "tenant_insert" on {{schema}}."projects";

drop policy "tenant_read" on {{schema}}."projects";

drop policy "tenant_update" on {{schema}}."projects";

drop policy "self_revoke" on {{schema}}."sessions";

drop policy "self" on {{schema}}."sessions";

drop policy "colleagues" on {{schema}}."users";

drop policy "self_update" on {{schema}}."users";

drop policy "self" on {{schema}}."users";

drop view {{schema}}."gate_state";

drop view {{schema}}."gate";

drop view {{schema}}."own_organizations";

drop view {{schema}}."role_permissions";

drop view {{schema}}."self";

alter table {{schema}}."idempotency_keys"
  drop constraint "idempotency_keys_user_id_fkey";

alter table {{schema}}."memberships"
  drop constraint "memberships_organization_id_fkey";

alter table {{schema}}."memberships"
  drop constraint "memberships_user_id_fkey";

alter table {{schema}}."projects"
  drop constraint "projects_created_by_fkey";

alter table {{schema}}."projects"
  drop constraint "projects_organization_id_fkey";

alter table {{schema}}."sessions"
  drop constraint "sessions_user_id_fkey";

drop function {{schema}}."closed_gate"(uuid, uuid);

drop function {{schema}}."gate_is_open"(uuid, uuid);

drop function {{schema}}."organization_table"(text, text[], text);

drop function {{schema}}."record_event"(text, uuid, uuid, jsonb);

drop function {{schema}}."revocation_key"(uuid);

drop table {{schema}}."audit_log_default";

drop table {{schema}}."audit_log";

drop table {{schema}}."idempotency_keys";

drop table {{schema}}."memberships";

drop function {{schema}}."keep_an_owner"();

drop table {{schema}}."organizations";

drop table {{schema}}."projects";

drop function {{schema}}."record_change"();

drop table {{schema}}."security_events";

drop table {{schema}}."sessions";

drop function {{schema}}."record_session"();

drop table {{schema}}."signing_keys";

drop table {{schema}}."users";

drop function {{schema}}."lock_revocation"();

drop function {{schema}}."new_id"();

drop function {{schema}}."record_account"();

drop function {{schema}}."still_open"();

drop function {{schema}}."touch"();

drop sequence {{schema}}."audit_sequence";
