-- The names in a JSON object whose values another one does not have.
create function changed_names(given jsonb, other jsonb) returns jsonb language sql immutable parallel safe set search_path = {{schema}}, pg_temp as $$
  select coalesce(jsonb_agg(key order by key), '[]') from jsonb_each(given) where other -> key is distinct from value $$;
revoke execute on function changed_names(jsonb, jsonb) from public;
grant execute on function changed_names(jsonb, jsonb) to freehold_tenant, freehold_system; -- which record_change() calls

-- Writes one audit log entry for each change, into the table that directory/history declares. Only the fields in
-- `history` are stored: no hash, no secret. Of the JSON objects in `names`, only the names that were changed are: those that
-- were there before and those that are there now. The actor is the session's user, read without the gate, which the statement
-- may just have closed; without a session, the user in the context. Under support access it is the principal of that
-- access, which the gate checks at the commit, and the entry also names the operator.
create function record_change() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  entity constant text := tg_argv[0];
  fields constant text[] := tg_argv[1];
  named constant text[] := coalesce(tg_argv[2], '{}');
  old_row constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  new_row constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  any_row constant jsonb := coalesce(new_row, old_row);
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  support constant uuid := nullif(current_setting('app.support_id', true), '')::uuid;
begin
  insert into audit_log (organization_id, actor_id, operator_id, session_id, request_id, ip, user_agent, action, entity_type, entity_id, before, after)
  values (
    coalesce(any_row ->> 'organization_id', any_row ->> 'id')::uuid,
    coalesce(support, acting_user(), (context ->> 'user_id')::uuid), case when support is not null then acting_user() end, nullif(current_setting('app.session_id', true), '')::uuid,
    context ->> 'request_id', context ->> 'ip', context ->> 'user_agent',
    case when tg_op = 'UPDATE' and old_row ->> 'deleted_at' is null and new_row ->> 'deleted_at' is not null then 'delete'
      else lower(tg_op) end,
    entity, coalesce(any_row ->> 'id', any_row ->> 'user_id', any_row ->> 'role_id')::uuid,
    (select jsonb_object_agg(key, case when key = any (named) then changed_names(value, new_row -> key) else value end)
      from jsonb_each(old_row) where key = any (fields || named) and (new_row is null or new_row -> key is distinct from value)),
    (select jsonb_object_agg(key, case when key = any (named) then changed_names(value, old_row -> key) else value end)
      from jsonb_each(new_row) where key = any (fields || named) and (old_row is null or old_row -> key is distinct from value)));
  return null;
end $$;
revoke execute on function record_change() from public;

-- Makes a table belong to organizations: isolation (forced row-level security and its policies), grants, the version,
-- the audit log and the check of the gate at commit.
--   history     the columns that audit log entries may contain
--   names       columns with JSON objects of which they contain the names that were changed, but no values
--   writes      the permissions with which a request may write it; all others allow only reading
--   commands    the writes that a request may do, and the system login if it has access
--   key         the column that names the organization
--   for_system  whether the system login may read it, for what must be known before the gate can be asked
create function organization_table(name text, history text[], writes text[], commands text[] default '{insert, update, delete}',
  key text default 'organization_id', for_system boolean default false, names text[] default '{}') returns void language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  line text;
  command text;
  in_setting constant text := format('%I = nullif(current_setting(''app.organization_id'', true), '''')::uuid', key);
  in_gate constant text := format('%I = (select organization_id from gate where reads)', key);
  in_writing_gate constant text := format('%I = (select organization_id from gate where writes and permission = any (%L::text[]))', key, writes);
begin
  foreach line in array array[
    'alter table %1$I enable row level security',
    'alter table %1$I force row level security',
    -- to a role, never to public: a policy for everyone would be asked by the gate's own view, without end
    'create policy tenant_read on %1$I for select to freehold_tenant using (' || in_gate || ')',
    -- forced row-level security blinds the owner too; migrations set app.maintenance
    'create policy maintenance on %1$I to freehold_owner using (current_setting(''app.maintenance'', true) = ''on'')',
    'grant select on %1$I to freehold_tenant',
    'create trigger touch before update on %1$I for each row execute function touch()',
    'create trigger history after insert or update or delete on %1$I for each row execute function record_change(%1$L, %2$L' || case when names = '{}' then '' else ', %3$L' end || ')',
    'create constraint trigger still_open after insert or update or delete on %1$I deferrable initially deferred for each row execute function still_open()'
  ] loop
    execute format(line, name, history, names);
  end loop;
  if for_system then
    execute format('create policy system_read on %1$I for select to freehold_system using (true)', name);
    execute format('grant select on %1$I to freehold_system', name);
  end if;
  foreach command in array commands loop
    line := 'create policy %2$I on %1$I for %3$s to %4$I ' || case command when 'insert' then 'with check' else 'using' end || ' (%5$s)';
    execute format(line, name, 'tenant_' || command, command, 'freehold_tenant', in_writing_gate);
    execute format('grant %2$s on %1$I to freehold_tenant', name, command);
    if for_system then
      execute format(line, name, 'system_' || command, command, 'freehold_system', in_setting);
      execute format('grant %2$s on %1$I to freehold_system', name, command);
    end if;
  end loop;
end $$;
revoke execute on function organization_table(text, text[], text[], text[], text, boolean, text[]) from public;
