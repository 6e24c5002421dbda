-- Whether the caller is an operator with the required permission. If the permission allows changes, the operation is recorded.
create function begin_operation(operation text, entity_type text, entity_id uuid, details jsonb) returns boolean language plpgsql volatile
  security definer set search_path = {{schema}}, pg_temp as $$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
begin
  if not exists (select from operator) then
    return false;
  end if;
  if current_setting('app.permission', true) not like '%:read' then
    insert into operator_log (actor_id, session_id, request_id, ip, user_agent, operation, organization_id, entity_type, entity_id, details)
    select o.user_id, o.session_id, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', operation,
      nullif(current_setting('app.organization_id', true), '')::uuid, entity_type, entity_id, details
    from operator o;
  end if;
  return true;
end $$;
revoke execute on function begin_operation(text, text, uuid, jsonb) from public;
grant execute on function begin_operation(text, text, uuid, jsonb) to freehold_tenant, freehold_system;
