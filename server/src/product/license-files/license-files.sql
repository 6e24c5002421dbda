-- Keys that sign license files; the private half is encrypted under SECRET_KEY. The newest key whose time has come signs.
-- A key is published before that, so that programs know it by then, and afterwards until its last file has expired.
create table license_file_keys (
  id          text not null primary key, -- the file's `kid`
  public_key  text not null,             -- 32 bytes in base64url
  private_key bytea not null,
  signs_at    timestamptz not null,
  created_at  timestamptz not null default now(),
  constraint license_file_keys_signs_at_key unique (signs_at) -- of two processes that make the first key, one succeeds
);
alter table license_file_keys enable row level security;
grant select, insert, delete on license_file_keys to freehold_system;
create policy system on license_file_keys to freehold_system using (true);

-- What a license file says, for a device with an activation, which then counts at least until the end of the file: another
-- device cannot take its place while the file is valid. A lease of a floating license is thus borrowed for 30 days at most.
create function issue_license_file(hash bytea, device text, seconds integer,
  out outcome text, out activation_id uuid, out license_id uuid, out organization_id uuid, out plan text, out product text, out max_version text, out entitlements text[],
  out license_expires_at timestamptz, out on_expiry text, out issued_at timestamptz, out expires_at timestamptz)
  language plpgsql volatile set search_path = {{schema}}, pg_temp as $$
declare
  found_row constant record := find_license(hash, false);
  l licenses := found_row.license;
  renewed record;
  activation license_activations;
begin
  outcome := found_row.obstacle;
  if outcome is not null then
    return;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('licenses', l.id::text));
  -- A device that works offline validates its license by the file.
  if l.first_validated_at is null and exists (select from license_activations a
    where a.organization_id = l.organization_id and a.license_id = l.id and a.fingerprint = device and a.expires_at > clock_timestamp()) then
    l.expires_at := start_license(hash);
  end if;
  issued_at := date_trunc('second', now());
  expires_at := least(issued_at + make_interval(secs => case when l.activation = 'floating' then least(seconds, 30 * 86400) else seconds end),
    case when l.on_expiry = 'restrict' then l.expires_at end);
  renewed := beat_license(hash, device, null, expires_at);
  outcome := renewed.outcome;
  activation := renewed.activation;
  activation_id := activation.id;
  license_id := l.id;
  organization_id := l.organization_id;
  plan := (select p.code from license_plans p where p.id = l.plan_id);
  product := l.metadata ->> 'product';
  max_version := l.metadata ->> 'max_version';
  entitlements := l.entitlements;
  license_expires_at := l.expires_at;
  on_expiry := l.on_expiry;
end $$;
revoke execute on function issue_license_file(bytea, text, integer) from public;
grant execute on function issue_license_file(bytea, text, integer) to freehold_system;
