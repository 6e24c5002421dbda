-- organizations

set local check_function_bodies = off;

create table {{schema}}."branches" (
  "organization_id" uuid                     not null,
  "company_id"      uuid                     not null,
  "code"            text                     not null,
  "name"            text                     not null,
  "description"     text,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "branches_code_key" unique (organization_id, company_id, code),
  constraint "branches_code" check ((code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'::text)),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "branches_pkey" primary key (organization_id, id),
  constraint "branches_place_key" unique (organization_id, company_id, id)
);

alter table {{schema}}."branches"
  enable row level security;

alter table {{schema}}."branches"
  force row level security;

create table {{schema}}."companies" (
  "organization_id" uuid                     not null,
  "code"            text                     not null,
  "name"            text                     not null,
  "description"     text,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "companies_code_key" unique (organization_id, code),
  constraint "companies_code" check ((code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'::text)),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "companies_pkey" primary key (organization_id, id)
);

alter table {{schema}}."companies"
  enable row level security;

alter table {{schema}}."companies"
  force row level security;

create table {{schema}}."department_people" (
  "organization_id" uuid                     not null,
  "department_id"   uuid                     not null,
  "user_id"         uuid                     not null,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "department_people_pkey" primary key (organization_id, department_id, user_id)
);

alter table {{schema}}."department_people"
  enable row level security;

alter table {{schema}}."department_people"
  force row level security;

create table {{schema}}."departments" (
  "organization_id" uuid                     not null,
  "company_id"      uuid                     not null,
  "branch_id"       uuid                     not null,
  "parent_id"       uuid,
  "code"            text                     not null,
  "name"            text                     not null,
  "description"     text,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "departments_code_key" unique (organization_id, company_id, code),
  constraint "departments_code" check ((code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'::text)),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "departments_pkey" primary key (organization_id, id),
  constraint "departments_place_key" unique (organization_id, branch_id, company_id, id)
);

alter table {{schema}}."departments"
  enable row level security;

alter table {{schema}}."departments"
  force row level security;

create table {{schema}}."seeded_accounts" (
  "user_id"     uuid  not null,
  "hash_digest" bytea not null,
  constraint "seeded_accounts_pkey" primary key (user_id)
);

alter table {{schema}}."seeded_accounts"
  enable row level security;

create or replace function {{schema}}.guard_assignment()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from memberships where organization_id = new.organization_id and user_id = new.user_id and deleted_at is not null) then
    raise exception 'the membership has ended' using errcode = '23514', constraint = 'department_people_member';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.hold_structure (
  organization uuid
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform pg_advisory_xact_lock(lock_key('structure', organization::text));
end $function$;

create or replace function {{schema}}.lock_key (
  space text,
  name  text
)
  returns bigint
  language plpgsql
  immutable
  parallel safe
  set search_path to 'pg_catalog', 'pg_temp'
  AS $function$
declare
  place constant integer := array_position(array['revocation', 'owners', 'idempotency', 'superusers', 'signing-keys', 'mail', 'product', 'structure'], space);
begin
  if place is null then
    raise exception 'there is no lock space %: add it to lock_key()', space using errcode = '22023';
  end if;
  return (place::bigint << 56) | ('x' || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 14))::bit(56)::bigint;
end $function$;

create or replace function {{schema}}.lock_structure()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  organization constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if organization is not null then -- in a migration it is
    perform hold_structure(organization);
  end if;
  return null;
end $function$;

create or replace function {{schema}}.place_department()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
end $function$;

alter table {{schema}}."branches"
  add constraint "branches_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."branches"
  add constraint "branches_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."companies"
  add constraint "companies_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."companies"
  add constraint "companies_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."department_people"
  add constraint "department_people_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."department_people"
  add constraint "department_people_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."department_people"
  add constraint "department_people_user_fkey" foreign key (organization_id, user_id)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."departments"
  add constraint "departments_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."departments"
  add constraint "departments_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."seeded_accounts"
  add constraint "seeded_accounts_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

create index branches_created_by on {{schema}}.branches using btree (organization_id, created_by);

create index companies_created_by on {{schema}}.companies using btree (organization_id, created_by);

create index department_people_created_by on {{schema}}.department_people
  using btree (organization_id, created_by);

create index department_people_user on {{schema}}.department_people
  using btree (organization_id, user_id, department_id);

create index departments_created_by on {{schema}}.departments using btree (organization_id, created_by);

create index departments_parent on {{schema}}.departments
  using btree (organization_id, parent_id, branch_id, company_id)
  where (parent_id is not null);

create trigger history
  after insert or delete or update on {{schema}}.branches
  for each row
  execute function {{schema}}.record_change('branches', '{company_id,code,name,description,created_by}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.branches deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger structure
  before insert or delete or update on {{schema}}.branches
  for each STATEMENT
  execute function {{schema}}.lock_structure();

create trigger touch
  before update on {{schema}}.branches
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.companies
  for each row
  execute function {{schema}}.record_change('companies', '{code,name,description,created_by}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.companies deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger structure
  before insert or delete or update on {{schema}}.companies
  for each STATEMENT
  execute function {{schema}}.lock_structure();

create trigger touch
  before update on {{schema}}.companies
  for each row
  execute function {{schema}}.touch();

create trigger guard
  before insert on {{schema}}.department_people
  for each row
  execute function {{schema}}.guard_assignment();

create trigger history
  after insert or delete or update on {{schema}}.department_people
  for each row
  execute function {{schema}}.record_change('department_people', '{department_id,user_id,created_by}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.department_people deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.department_people
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.departments
  for each row
  execute function
    {{schema}}.record_change('departments',
    '{company_id,branch_id,parent_id,code,name,description,created_by}');

create trigger place
  before insert or update on {{schema}}.departments
  for each row
  execute function {{schema}}.place_department();

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.departments deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger structure
  before insert or delete or update on {{schema}}.departments
  for each STATEMENT
  execute function {{schema}}.lock_structure();

create trigger touch
  before update on {{schema}}.departments
  for each row
  execute function {{schema}}.touch();

create policy "maintenance" on {{schema}}."branches"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_delete" on {{schema}}."branches"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."branches"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."branches"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."branches"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "maintenance" on {{schema}}."companies"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_delete" on {{schema}}."companies"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."companies"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."companies"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."companies"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "maintenance" on {{schema}}."department_people"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_delete" on {{schema}}."department_people"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."department_people"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."department_people"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "maintenance" on {{schema}}."departments"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_delete" on {{schema}}."departments"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."departments"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."departments"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."departments"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "system" on {{schema}}."seeded_accounts"
  for all
  to "freehold_system"
  using (true);

revoke all on function {{schema}}."guard_assignment"() from public;

revoke all on function {{schema}}."hold_structure"(uuid) from public;

grant execute on function {{schema}}."hold_structure"(uuid) to "freehold_tenant";

revoke all on function {{schema}}."lock_structure"() from public;

revoke all on function {{schema}}."place_department"() from public;

grant delete, insert, select, update on table {{schema}}."branches" to "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."companies" to "freehold_tenant";

grant delete, insert, select on table {{schema}}."department_people" to "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."departments" to "freehold_tenant";

grant delete, insert, select on table {{schema}}."seeded_accounts" to "freehold_system";

alter table {{schema}}."departments"
  add constraint "departments_branch_fkey" foreign key (organization_id, company_id, branch_id)
    references {{schema}}.branches(organization_id, company_id, id) on update cascade on delete cascade;

create index branches_name on {{schema}}.branches using btree (organization_id, name, id);

alter table {{schema}}."branches"
  add constraint "branches_company_fkey" foreign key (organization_id, company_id)
    references {{schema}}.companies(organization_id, id) on delete cascade;

create index companies_name on {{schema}}.companies using btree (organization_id, name, id);

alter table {{schema}}."department_people"
  add constraint "department_people_department_fkey" foreign key (organization_id, department_id)
    references {{schema}}.departments(organization_id, id) on delete cascade;

alter table {{schema}}."departments"
  add constraint "departments_parent_fkey" foreign key (organization_id, branch_id, company_id, parent_id)
    references {{schema}}.departments(organization_id, branch_id, company_id, id) on update cascade
    on delete cascade;

create index departments_name on {{schema}}.departments using btree (organization_id, name, id);
