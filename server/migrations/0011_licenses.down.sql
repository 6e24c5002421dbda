-- Takes 0011_licenses back.
-- loses: allowances
-- loses: default_allowance
-- loses: license_activations
-- loses: license_file_keys
-- loses: license_plans
-- loses: licenses
-- loses: limit_usage

set local check_function_bodies = off;

drop policy "counting" on {{schema}}."projects";

drop policy "counting" on {{schema}}."workspaces";

drop trigger "seats_delete" on {{schema}}."memberships";

drop trigger "seats_insert" on {{schema}}."memberships";

drop trigger "seats_update" on {{schema}}."memberships";

drop trigger "usage_delete" on {{schema}}."projects";

drop trigger "usage_insert" on {{schema}}."projects";

drop trigger "seats" on {{schema}}."users";

drop trigger "usage_delete" on {{schema}}."workspaces";

drop trigger "usage_insert" on {{schema}}."workspaces";

drop view {{schema}}."limits";

drop view {{schema}}."own_entitlements";

drop view {{schema}}."entitlements";

drop view {{schema}}."current_allowances";

drop view {{schema}}."seats";

alter table {{schema}}."allowances"
  drop constraint "allowances_organization_id_fkey";

alter table {{schema}}."license_activations"
  drop constraint "license_activations_license_fkey";

alter table {{schema}}."license_activations"
  drop constraint "license_activations_organization_id_fkey";

alter table {{schema}}."licenses"
  drop constraint "licenses_organization_id_fkey";

alter table {{schema}}."licenses"
  drop constraint "licenses_plan_fkey";

alter table {{schema}}."limit_usage"
  drop constraint "limit_usage_organization_id_fkey";

drop function {{schema}}."activate_license"(bytea, text, text, jsonb, integer);

drop function {{schema}}."activation_end"({{schema}}.licenses, integer);

drop function {{schema}}."activations_allowed"({{schema}}.licenses);

drop function {{schema}}."beat_license"(bytea, text, integer);

drop function {{schema}}."count_rows"();

drop function {{schema}}."count_seats"();

drop function {{schema}}."count_seats_of_account"();

drop function {{schema}}."count_units"(uuid, text);

drop function {{schema}}."count_use"(uuid, text, bigint);

drop function {{schema}}."counted_table"(text);

drop function {{schema}}."deactivate_license"(bytea, text);

drop function {{schema}}."find_license"(bytea);

drop function {{schema}}."has_seat"(uuid, uuid);

drop function {{schema}}."is_limited"(uuid, text);

drop function {{schema}}."issue_license_file"(bytea, text, integer);

drop function {{schema}}."license_obstacle"({{schema}}.licenses, boolean);

drop function {{schema}}."license_status"(text, timestamp with time zone);

drop function {{schema}}."limits_in_gate"();

drop function {{schema}}."maxima_of"(integer, jsonb, integer);

drop function {{schema}}."maximum_of"(uuid, text);

drop function {{schema}}."renew_activation"({{schema}}.licenses, text, integer, timestamp
  with time zone);

drop function {{schema}}."require_room"(uuid, jsonb);

drop function {{schema}}."start_license"(bytea);

drop table {{schema}}."allowances";

drop function {{schema}}."guard_allowance"();

drop table {{schema}}."default_allowance";

drop function {{schema}}."guard_default_allowance"();

drop table {{schema}}."license_activations";

drop function {{schema}}."keep_removable_at"();

drop table {{schema}}."license_file_keys";

drop table {{schema}}."license_plans";

drop function {{schema}}."keep_default_allowance"();

drop function {{schema}}."keep_default_plan"();

drop table {{schema}}."licenses";

drop function {{schema}}."guard_license"();

drop function {{schema}}."keep_allowance"();

drop table {{schema}}."limit_usage";

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
