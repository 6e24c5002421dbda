-- A verified address stays reserved for its account for as long as its change can be undone; the undo removes `former`. Checked after
-- the row is written: a concurrent change of the same address waits at the unique key, and the query of a trigger sees its commit.
create function refuse_held_address() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  if exists (select from one_time_tokens where email = new.email and purpose = 'undo' and details #>> '{former,email}' = new.email
      and details #>> '{former,email_verified_at}' is not null and user_id <> new.id and expires_at > now()) then
    raise exception 'the address may go back to another account' using errcode = '23514', constraint = 'users_email_held';
  end if;
  return null;
end $$;
revoke execute on function refuse_held_address() from public;
create trigger held_address_insert after insert on users for each row execute function refuse_held_address();
create trigger held_address_update after update of email on users for each row
  when (old.email is distinct from new.email) execute function refuse_held_address();
