-- Takes 0006_organizations back.
-- loses: branches
-- loses: companies
-- loses: department_people
-- loses: departments
-- loses: seeded_accounts

set local check_function_bodies = off;

alter table {{schema}}."branches"
  drop constraint "branches_company_fkey";

alter table {{schema}}."branches"
  drop constraint "branches_created_by_fkey";

alter table {{schema}}."branches"
  drop constraint "branches_organization_id_fkey";

alter table {{schema}}."companies"
  drop constraint "companies_created_by_fkey";

alter table {{schema}}."companies"
  drop constraint "companies_organization_id_fkey";

alter table {{schema}}."department_people"
  drop constraint "department_people_created_by_fkey";

alter table {{schema}}."department_people"
  drop constraint "department_people_department_fkey";

alter table {{schema}}."department_people"
  drop constraint "department_people_organization_id_fkey";

alter table {{schema}}."department_people"
  drop constraint "department_people_user_fkey";

alter table {{schema}}."departments"
  drop constraint "departments_branch_fkey";

alter table {{schema}}."departments"
  drop constraint "departments_created_by_fkey";

alter table {{schema}}."departments"
  drop constraint "departments_organization_id_fkey";

alter table {{schema}}."departments"
  drop constraint "departments_parent_fkey";

alter table {{schema}}."seeded_accounts"
  drop constraint "seeded_accounts_user_id_fkey";

drop function {{schema}}."hold_structure"(uuid);

drop table {{schema}}."branches";

drop table {{schema}}."companies";

drop table {{schema}}."department_people";

drop function {{schema}}."guard_assignment"();

drop table {{schema}}."departments";

drop function {{schema}}."lock_structure"();

drop function {{schema}}."place_department"();

drop table {{schema}}."seeded_accounts";

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
  place constant integer := array_position(array['revocation', 'owners', 'idempotency', 'superusers', 'signing-keys', 'mail', 'product'], space);
begin
  if place is null then
    raise exception 'there is no lock space %: add it to lock_key()', space using errcode = '22023';
  end if;
  return (place::bigint << 56) | ('x' || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 14))::bit(56)::bigint;
end $function$;
