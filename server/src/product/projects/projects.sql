create table projects (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  name            text not null,
  slug            text not null,
  description     text,
  status          text not null default 'active' check (status in ('active', 'archived')),
  created_by      uuid, -- null when an operator made it: an operator has no membership
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  constraint projects_slug_key unique (organization_id, slug),
  constraint projects_created_by_fkey foreign key (organization_id, created_by) references memberships (organization_id, user_id)
);
create index projects_created_by on projects (organization_id, created_by);
create index projects_name on projects (organization_id, name, id);
select organization_table('projects', history => '{name, slug, description, status, created_by}', writes => '{projects:write}');
select counted_table('projects');
