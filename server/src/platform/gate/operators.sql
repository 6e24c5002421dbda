-- Records the operation of an operator, as the last statement of its transaction: what was refused, failed or was rolled back is not
-- on record. The operator must still have the permission.
create function log_operation(operation text, entity_type text, entity_id uuid, details jsonb) returns void language plpgsql volatile
  security definer set search_path = {{schema}}, pg_temp as $$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
begin
  insert into operator_log (actor_id, session_id, request_id, ip, user_agent, operation, organization_id, entity_type, entity_id, details)
  select o.user_id, o.session_id, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', operation,
    nullif(current_setting('app.organization_id', true), '')::uuid, entity_type, entity_id, details
  from operator o where current_setting('app.permission', true) not like '%:read';
  if not found then
    raise exception 'only an operator records an operation' using errcode = '42501';
  end if;
end $$;
revoke execute on function log_operation(text, text, uuid, jsonb) from public;
grant execute on function log_operation(text, text, uuid, jsonb) to freehold_tenant, freehold_system;
