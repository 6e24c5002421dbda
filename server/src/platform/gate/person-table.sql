-- Makes a table belong to users: the system login has full access, and users read their own rows with a valid session.
--   shows      the columns that users may read; if empty, all
--   changes    the columns that users may change
--   revocable  whether a row has a `revoked_at`, which is set once and never reset
create function person_table(name text, shows text[] default '{}', changes text[] default '{}', revocable boolean default false) returns void language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  line text;
  own constant text := '(user_id = (select user_id from self)';
begin
  foreach line in array array[
    'alter table %1$I enable row level security',
    'create policy system on %1$I to freehold_system using (true)',
    'grant select, insert, update, delete on %1$I to freehold_system',
    'create policy self on %1$I for select to freehold_tenant using ' || own || ')',
    'grant select' || coalesce(' (' || nullif(array_to_string(shows, ', '), '') || ')', '') || ' on %1$I to freehold_tenant'
  ] loop
    execute format(line, name);
  end loop;
  if changes = '{}' then
    return;
  end if;
  foreach line in array array[
    'grant update (' || array_to_string(changes, ', ') || ') on %1$I to freehold_tenant',
    case when revocable
      then 'create policy self_revoke on %1$I for update to freehold_tenant using ' || own || ' and revoked_at is null) with check ' || own || ' and revoked_at is not null)'
      else 'create policy self_update on %1$I for update to freehold_tenant using ' || own || ')' end,
    'create constraint trigger still_open after update on %1$I deferrable initially deferred for each row execute function still_open()'
  ] loop
    execute format(line, name);
  end loop;
end $$;
revoke execute on function person_table(text, text[], text[], boolean) from public;
