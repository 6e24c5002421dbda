-- organizations

set local check_function_bodies = off;

create table {{schema}}."preferences" (
  "user_id"            uuid                     not null,
  "theme"              text                     not null default 'system'::text,
  "language"           text,
  "time_zone"          text,
  "date_format"        text                     not null default 'auto'::text,
  "time_format"        text                     not null default 'auto'::text,
  "editor_font_size"   integer                  not null default 14,
  "editor_tab_size"    integer                  not null default 4,
  "editor_word_wrap"   boolean                  not null default false,
  "terminal_font_size" integer                  not null default 14,
  "custom"             jsonb                    not null default '{}'::jsonb,
  "created_at"         timestamp with time zone not null default now(),
  "updated_at"         timestamp with time zone not null default now(),
  "version"            integer                  not null default 1,
  constraint "preferences_custom_size"
    check (((jsonb_typeof(custom) = 'object'::text) AND (octet_length((custom)::text) <= 16384))),
  constraint "preferences_date_format_check"
    check ((date_format = ANY (ARRAY['auto'::text, 'iso'::text, 'dmy'::text, 'mdy'::text]))),
  constraint "preferences_editor_font_size_check" check (((editor_font_size >= 6) AND (editor_font_size <= 72))),
  constraint "preferences_editor_tab_size_check" check (((editor_tab_size >= 1) AND (editor_tab_size <= 8))),
  constraint "preferences_language_check" check ((char_length(language) <= 35)),
  constraint "preferences_pkey" primary key (user_id),
  constraint "preferences_terminal_font_size_check" check (((terminal_font_size >= 6) AND (terminal_font_size <= 72))),
  constraint "preferences_theme_check" check ((theme = ANY (ARRAY['system'::text, 'light'::text, 'dark'::text]))),
  constraint "preferences_time_format_check"
    check ((time_format = ANY (ARRAY['auto'::text, '12h'::text, '24h'::text]))),
  constraint "preferences_time_zone_check" check ((char_length(time_zone) <= 64))
);

alter table {{schema}}."preferences"
  enable row level security;

create table {{schema}}."workspaces" (
  "organization_id" uuid                     not null,
  "name"            text                     not null,
  "workspace_path"  text                     not null,
  "project_id"      uuid,
  "status"          text                     not null default 'active'::text,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "workspaces_status_check" check ((status = ANY (ARRAY['active'::text, 'archived'::text]))),
  constraint "workspaces_workspace_path_check"
    check
    (((char_length(workspace_path) >= 1) AND (char_length(workspace_path) <= 1024) AND (workspace_path !~
    '(^|/)[.][.](/|$)|[\u0001-\u001f\u007f]'::text))),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "workspaces_pkey" primary key (organization_id, id)
);

alter table {{schema}}."workspaces"
  enable row level security;

alter table {{schema}}."workspaces"
  force row level security;

create or replace function {{schema}}.give_preferences()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  insert into preferences (user_id) values (new.id) on conflict do nothing;
  return null;
end $function$;

alter table {{schema}}."preferences"
  add constraint "preferences_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

alter table {{schema}}."workspaces"
  add constraint "workspaces_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."workspaces"
  add constraint "workspaces_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."workspaces"
  add constraint "workspaces_project_id_fkey" foreign key (organization_id, project_id)
    references {{schema}}.projects(organization_id, id) on delete set null (project_id);

create index workspaces_created_by on {{schema}}.workspaces using btree (organization_id, created_by);

create index workspaces_project_id on {{schema}}.workspaces using btree (organization_id, project_id);

create constraint TRIGGER still_open
  after update on {{schema}}.preferences deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.preferences
  for each row
  execute function {{schema}}.touch();

create trigger give_preferences
  after insert on {{schema}}.users
  for each row
  execute function {{schema}}.give_preferences();

create trigger history
  after insert or delete or update on {{schema}}.workspaces
  for each row
  execute function
    {{schema}}.record_change('workspaces', '{name,workspace_path,project_id,status,created_by}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.workspaces deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.workspaces
  for each row
  execute function {{schema}}.touch();

create policy "self_update" on {{schema}}."preferences"
  for update
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "self" on {{schema}}."preferences"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "system" on {{schema}}."preferences"
  for all
  to "freehold_system"
  using (true);

create policy "maintenance" on {{schema}}."workspaces"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_delete" on {{schema}}."workspaces"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{workspaces:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."workspaces"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{workspaces:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."workspaces"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."workspaces"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{workspaces:write}'::text[]))))));

revoke all on function {{schema}}."give_preferences"() from public;

grant delete, insert, select, update on table {{schema}}."preferences" to "freehold_system";

grant select on table {{schema}}."preferences" to "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."workspaces" to "freehold_tenant";

create index workspaces_name on {{schema}}.workspaces using btree (organization_id, name, id);

grant update ("custom") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("date_format") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("editor_font_size") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("editor_tab_size") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("editor_word_wrap") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("language") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("terminal_font_size") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("theme") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("time_format") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("time_zone") on table {{schema}}."preferences" to "freehold_tenant";

-- Every existing account gets its row; the trigger above gives one to each new account.
insert into {{schema}}.preferences (user_id) select id from {{schema}}.users where erased_at is null on conflict do nothing;
