-- Workspaces: places where members work, each with a path that their tools use. `..` in a path could lead out of it.
create table workspaces (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  name            text not null,
  workspace_path  text not null check (char_length(workspace_path) between 1 and 1024 and workspace_path !~ '(^|/)[.][.](/|$)|[\u0001-\u001f\u007f]'),
  project_id      uuid,
  status          text not null default 'active' check (status in ('active', 'archived')),
  created_by      uuid, -- null when an operator made it: an operator has no membership
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  -- A workspace remains when its project is deleted.
  constraint workspaces_project_id_fkey foreign key (organization_id, project_id) references projects (organization_id, id) on delete set null (project_id),
  constraint workspaces_created_by_fkey foreign key (organization_id, created_by) references memberships (organization_id, user_id)
);
create index workspaces_project_id on workspaces (organization_id, project_id);
create index workspaces_created_by on workspaces (organization_id, created_by);
create index workspaces_name on workspaces (organization_id, name, id);
select organization_table('workspaces', history => '{name, workspace_path, project_id, status, created_by}', writes => '{workspaces:write}');
select counted_table('workspaces');
