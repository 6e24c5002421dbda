-- The structure of an organization: companies, their branches, and departments, which nest within a branch. A code is
-- unique in its company. What refers to a deleted row is deleted with it, and what refers to a moved row moves with it.
create table companies (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  code            text not null constraint companies_code check (code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'),
  name            text not null,
  description     text,
  created_by      uuid, -- null when an operator made it
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  constraint companies_code_key unique (organization_id, code),
  constraint companies_created_by_fkey foreign key (organization_id, created_by) references memberships (organization_id, user_id)
);
create index companies_created_by on companies (organization_id, created_by);
create index companies_name on companies (organization_id, name, id);

create table branches (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  company_id      uuid not null,
  code            text not null constraint branches_code check (code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'),
  name            text not null,
  description     text,
  created_by      uuid,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  constraint branches_code_key unique (organization_id, company_id, code),
  constraint branches_place_key unique (organization_id, company_id, id), -- what departments refer to
  constraint branches_company_fkey foreign key (organization_id, company_id) references companies (organization_id, id) on delete cascade,
  constraint branches_created_by_fkey foreign key (organization_id, created_by) references memberships (organization_id, user_id)
);
create index branches_created_by on branches (organization_id, created_by);
create index branches_name on branches (organization_id, name, id);

create table departments (
  organization_id uuid not null references organizations on delete cascade,
  id              uuid not null default new_id(),
  company_id      uuid not null, -- that of the branch: place_department() sets it
  branch_id       uuid not null,
  parent_id       uuid,
  code            text not null constraint departments_code check (code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'),
  name            text not null,
  description     text,
  created_by      uuid,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, id),
  constraint departments_code_key unique (organization_id, company_id, code),
  constraint departments_place_key unique (organization_id, branch_id, company_id, id), -- what departments below refer to
  constraint departments_branch_fkey foreign key (organization_id, company_id, branch_id)
    references branches (organization_id, company_id, id) on update cascade on delete cascade,
  constraint departments_parent_fkey foreign key (organization_id, branch_id, company_id, parent_id)
    references departments (organization_id, branch_id, company_id, id) on update cascade on delete cascade,
  constraint departments_created_by_fkey foreign key (organization_id, created_by) references memberships (organization_id, user_id)
);
create index departments_parent on departments (organization_id, parent_id, branch_id, company_id) where parent_id is not null;
create index departments_created_by on departments (organization_id, created_by);
create index departments_name on departments (organization_id, name, id);

-- Who works in which department. A row whose membership has ended stays and is not shown, as it counts again if the
-- member is restored.
create table department_people (
  organization_id uuid not null references organizations on delete cascade,
  department_id   uuid not null,
  user_id         uuid not null,
  created_by      uuid,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  version         integer not null default 1,
  primary key (organization_id, department_id, user_id),
  constraint department_people_department_fkey foreign key (organization_id, department_id) references departments (organization_id, id) on delete cascade,
  constraint department_people_user_fkey foreign key (organization_id, user_id) references memberships (organization_id, user_id),
  constraint department_people_created_by_fkey foreign key (organization_id, created_by) references memberships (organization_id, user_id)
);
create index department_people_user on department_people (organization_id, user_id, department_id);
create index department_people_created_by on department_people (organization_id, created_by);

select organization_table('companies', history => '{code, name, description, created_by}', writes => '{structure:write}');
select organization_table('branches', history => '{company_id, code, name, description, created_by}', writes => '{structure:write}');
select organization_table('departments', history => '{company_id, branch_id, parent_id, code, name, description, created_by}', writes => '{structure:write}');
select organization_table('department_people', history => '{department_id, user_id, created_by}', writes => '{structure:write}', commands => '{insert, delete}');

-- One transaction at a time changes the structure of an organization, so two moves that are right each alone never form
-- a cycle together, and a deletion never meets a move half-way. The key comes before the rows of the structure.
create function hold_structure(organization uuid) returns void language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
begin
  perform pg_advisory_xact_lock(lock_key('structure', organization::text));
end $$;
revoke execute on function hold_structure(uuid) from public;
grant execute on function hold_structure(uuid) to freehold_tenant;

-- Whatever the statement is, it takes the key before the first row that it changes.
create function lock_structure() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  organization constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if organization is not null then -- in a migration it is
    perform hold_structure(organization);
  end if;
  return null;
end $$;
revoke execute on function lock_structure() from public;
create trigger structure before insert or update or delete on companies for each statement execute function lock_structure();
create trigger structure before insert or update or delete on branches for each statement execute function lock_structure();
create trigger structure before insert or update or delete on departments for each statement execute function lock_structure();

-- Departments nest: in one branch, without cycles, and at most 30 levels deep. Runs under the key, and its queries see
-- what was committed before the key was free, and the rows that the same statement changed before. What they do not see
-- is left to the policies and keys, which refuse it afterwards. A cascade changes no parent, and its keys are checked.
create function place_department() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  parent record;
  above integer;
  below integer;
begin
  if tg_op = 'UPDATE' and new.id <> old.id then
    raise exception 'the id of a department never changes' using errcode = '42501';
  end if;
  if pg_trigger_depth() > 1 then
    return new;
  end if;
  if tg_op = 'INSERT' or new.branch_id <> old.branch_id then
    -- Without a branch it is no company's id, and the key refuses the row.
    new.company_id := coalesce((select company_id from branches where organization_id = new.organization_id and id = new.branch_id), new.branch_id);
  end if;
  if new.parent_id is null or tg_op = 'UPDATE' and (new.parent_id, new.branch_id) = (old.parent_id, old.branch_id) then
    return new;
  end if;
  select company_id, branch_id into parent from departments where organization_id = new.organization_id and id = new.parent_id;
  if parent.company_id <> new.company_id then
    raise exception 'the parent belongs to another company' using errcode = '23514', constraint = 'departments_parent_company';
  elsif parent.branch_id <> new.branch_id then
    raise exception 'the parent belongs to another branch' using errcode = '23514', constraint = 'departments_parent_branch';
  end if;
  with recursive line as (
    select new.parent_id as id, 1 as level
    union all
    select d.parent_id, line.level + 1 from line join departments d on d.organization_id = new.organization_id and d.id = line.id
    where d.parent_id is not null and line.id <> new.id and line.level <= 30)
  select case when bool_or(id = new.id) then null else max(level) end into above from line;
  if above is null then
    raise exception 'a department is not below itself' using errcode = '23514', constraint = 'departments_no_cycle';
  end if;
  with recursive tree as (
    select new.id, 1 as level
    union all
    select d.id, tree.level + 1 from tree join departments d on d.organization_id = new.organization_id and d.parent_id = tree.id
    where tree.level <= 30)
  select max(level) into below from tree;
  if above + below > 30 then
    raise exception 'departments nest too deeply' using errcode = '23514', constraint = 'departments_depth';
  end if;
  return new;
end $$;
revoke execute on function place_department() from public;
create trigger place before insert or update on departments for each row execute function place_department();

-- Only current members are assigned to departments.
create function guard_assignment() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  if exists (select from memberships where organization_id = new.organization_id and user_id = new.user_id and deleted_at is not null) then
    raise exception 'the membership has ended' using errcode = '23514', constraint = 'department_people_member';
  end if;
  return new;
end $$;
revoke execute on function guard_assignment() from public;
create trigger guard before insert on department_people for each row execute function guard_assignment();
