-- Takes 0006_organizations back.
-- loses: preferences
-- loses: workspaces

set local check_function_bodies = off;

drop trigger "give_preferences" on {{schema}}."users";

alter table {{schema}}."preferences"
  drop constraint "preferences_user_id_fkey";

alter table {{schema}}."workspaces"
  drop constraint "workspaces_created_by_fkey";

alter table {{schema}}."workspaces"
  drop constraint "workspaces_organization_id_fkey";

alter table {{schema}}."workspaces"
  drop constraint "workspaces_project_id_fkey";

drop function {{schema}}."give_preferences"();

drop table {{schema}}."preferences";

drop table {{schema}}."workspaces";
