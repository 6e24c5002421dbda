-- Functions that all tables need. `{{schema}}` is replaced by DATABASE_SCHEMA when the file is loaded.
grant usage on schema {{schema}} to freehold_tenant, freehold_system;

-- UUIDv7 (RFC 9562, section 6.2, method 3: twelve bits of sub-millisecond), because PostgreSQL 15 has no uuidv7().
create function new_id() returns uuid language sql volatile parallel safe set search_path = pg_catalog, pg_temp as $$
  select encode(overlay(uuid_send(gen_random_uuid())
    placing int8send(((us / 1000) << 16) | 28672 | ((us % 1000) * 4096 / 1000)) from 1 for 8), 'hex')::uuid
  from (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as us) as now $$;
revoke execute on function new_id() from public;
grant execute on function new_id() to freehold_tenant, freehold_system;

-- Increments the version with each change; ETag and If-Match depend on it.
create function touch() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  new.updated_at := now();
  new.version := old.version + 1;
  return new;
end $$;
revoke execute on function touch() from public;

-- The key of an advisory lock. Each purpose has its own first byte, so that purposes never collide; names are hashed
-- with SHA-256, so that no one can construct a name with the key of another. Locks of starts and migrations, which run
-- before this function exists, use two integers, which are a separate key space in PostgreSQL.
create function lock_key(space text, name text) returns bigint language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  place constant integer := array_position(array['revocation', 'owners', 'idempotency', 'superusers', 'signing-keys', 'mail', 'product', 'structure', 'stats', 'limits', 'licenses'], space);
begin
  if place is null then
    raise exception 'there is no lock space %: add it to lock_key()', space using errcode = '22023';
  end if;
  return (place::bigint << 56) | ('x' || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 14))::bit(56)::bigint;
end $$;
revoke execute on function lock_key(text, text) from public;
grant execute on function lock_key(text, text) to freehold_tenant, freehold_system;
