-- What makes a table an organization's: the wall (forced row-level security and its policies), the grants, the version,
-- the history and the last look at the gate before the commit. `history` names the columns that audit rows may hold;
-- `key` is the column that names the organization.
create function organization_table(name text, history text[], key text default 'organization_id') returns void language plpgsql set search_path = {{schema}}, pg_temp as $$
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
    'create policy system_read on %1$I for select to freehold_system using (true)',
    'create policy system_write on %1$I to freehold_system using (' || in_setting || ')',
    -- forced row-level security blinds the owner too; migrations set app.maintenance
    'create policy maintenance on %1$I to freehold_owner using (current_setting(''app.maintenance'', true) = ''on'')',
    'grant select, insert, update, delete on %1$I to freehold_tenant, freehold_system',
    'create trigger touch before update on %1$I for each row execute function touch()',
    'create trigger history after insert or update or delete on %1$I for each row execute function record_change(%1$L, %2$L)',
    'create constraint trigger still_open after insert or update or delete on %1$I deferrable initially deferred for each row execute function still_open()'
  ] loop
    execute format(line, name, history);
  end loop;
end $$;
revoke execute on function organization_table(text, text[], text) from public;

select organization_table('organizations', '{name, slug, kind, second_factor_required, deleted_at}', 'id');
-- Title and company say something of the person, which history may not.
select organization_table('memberships', '{role, disabled_at, deleted_at}');
-- The views of the gate, and the rule that an organization keeps an owner, read these two as their owner.
create policy gate on organizations for select to freehold_owner using (true);
create policy gate on memberships for select to freehold_owner using (true);
