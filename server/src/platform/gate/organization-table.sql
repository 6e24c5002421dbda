-- Writes a row of history per change, into the log that directory/history declares. Fields beside `history` never enter it:
-- no hash, no secret. The actor comes from the context, not from the gate, which the statement may just have closed.
create function record_change() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  entity constant text := tg_argv[0];
  fields constant text[] := tg_argv[1];
  old_row constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  new_row constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  any_row constant jsonb := coalesce(new_row, old_row);
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
begin
  insert into audit_log (organization_id, actor_id, session_id, request_id, ip, user_agent, action, entity_type, entity_id, before, after)
  values (
    coalesce(any_row ->> 'organization_id', any_row ->> 'id')::uuid,
    (context ->> 'user_id')::uuid, nullif(current_setting('app.session_id', true), '')::uuid,
    context ->> 'request_id', context ->> 'ip', context ->> 'user_agent',
    case when tg_op = 'UPDATE' and old_row ->> 'deleted_at' is null and new_row ->> 'deleted_at' is not null then 'delete'
      else lower(tg_op) end,
    entity, coalesce(any_row ->> 'id', any_row ->> 'user_id')::uuid,
    (select jsonb_object_agg(key, value) from jsonb_each(old_row) where key = any (fields) and (new_row is null or new_row -> key is distinct from value)),
    (select jsonb_object_agg(key, value) from jsonb_each(new_row) where key = any (fields) and (old_row is null or old_row -> key is distinct from value)));
  return null;
end $$;
revoke execute on function record_change() from public;

-- What makes a table an organization's: the wall (forced row-level security and its policies), the grants, the version,
-- the history and the last look at the gate before the commit. `history` names the columns that audit rows may hold;
-- `key` is the column that names the organization. The system login sees a table only where `for_system` says so: what
-- has to be known before a gate can be asked.
create function organization_table(name text, history text[], key text default 'organization_id', for_system boolean default false) returns void language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  line text;
  in_setting constant text := format('%I = nullif(current_setting(''app.organization_id'', true), '''')::uuid', key);
  in_gate constant text := format('%I = (select organization_id from gate)', key);
  in_writing_gate constant text := format('%I = (select organization_id from gate where writes)', key);
begin
  foreach line in array array[
    'alter table %1$I enable row level security',
    'alter table %1$I force row level security',
    -- to a role, never to public: a policy for everyone would be asked by the gate's own view, without end
    'create policy tenant_read on %1$I for select to freehold_tenant using (' || in_gate || ')',
    'create policy tenant_insert on %1$I for insert to freehold_tenant with check (' || in_writing_gate || ')',
    'create policy tenant_update on %1$I for update to freehold_tenant using (' || in_writing_gate || ')',
    'create policy tenant_delete on %1$I for delete to freehold_tenant using (' || in_writing_gate || ')',
    -- forced row-level security blinds the owner too; migrations set app.maintenance
    'create policy maintenance on %1$I to freehold_owner using (current_setting(''app.maintenance'', true) = ''on'')',
    'grant select, insert, update, delete on %1$I to freehold_tenant',
    'create trigger touch before update on %1$I for each row execute function touch()',
    'create trigger history after insert or update or delete on %1$I for each row execute function record_change(%1$L, %2$L)',
    'create constraint trigger still_open after insert or update or delete on %1$I deferrable initially deferred for each row execute function still_open()'
  ] loop
    execute format(line, name, history);
  end loop;
  if for_system then
    foreach line in array array[
      'create policy system_read on %1$I for select to freehold_system using (true)',
      'create policy system_write on %1$I to freehold_system using (' || in_setting || ')',
      'grant select, insert, update, delete on %1$I to freehold_system'
    ] loop
      execute format(line, name);
    end loop;
  end if;
end $$;
revoke execute on function organization_table(text, text[], text, boolean) from public;
