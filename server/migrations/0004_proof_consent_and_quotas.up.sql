-- proof, consent and quotas

set local check_function_bodies = off;

drop policy "tenant_read" on {{schema}}."custom_role_permissions";

drop policy "tenant_read" on {{schema}}."invitations";

drop policy "tenant_insert" on {{schema}}."memberships";

drop policy "tenant_read" on {{schema}}."memberships";

drop policy "tenant_read" on {{schema}}."organizations";

drop policy "tenant_read" on {{schema}}."projects";

drop policy "tenant_read" on {{schema}}."roles";

drop policy "colleagues" on {{schema}}."users";

drop trigger "mail_update" on {{schema}}."invitations";

drop trigger "history" on {{schema}}."memberships";

drop index {{schema}}."memberships_role";

drop function {{schema}}."find_confirmed_user"(text, uuid);

create table {{schema}}."former_addresses" (
  "user_id"    uuid                     not null,
  "email"      text                     not null,
  "held_until" timestamp with time zone not null default now(),
  constraint "former_addresses_email_check" check ((email = lower(email))),
  constraint "former_addresses_pkey" primary key (user_id, email, held_until)
);

alter table {{schema}}."former_addresses"
  enable row level security;

alter table {{schema}}."invitations"
  add column "title" text;

alter table {{schema}}."invitations"
  add column "company" text;

alter table {{schema}}."memberships"
  add column "removed_at" timestamp with time zone;

alter table {{schema}}."one_time_tokens"
  add column "sender" text;

alter table {{schema}}."one_time_tokens"
  add column "client" text;

create or replace function {{schema}}.addresses_in_trigger (
  person uuid
)
  returns table (
    email      text,
    held_until timestamp with time zone
  )
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select email, held_until from account_addresses where user_id = person and pg_trigger_depth() > 0 $function$;

create or replace function {{schema}}.gate_is_open()
  returns boolean
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  own constant xid8 := pg_current_xact_id();
begin
  if wanted = '' then
    return exists (select from sessions s join users u on u.id = s.user_id
      where s.id = nullif(current_setting('app.session_id', true), '')::uuid
        and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now())
        and (u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null));
  end if;
  return exists (select from gate) or exists (select from sessions s
    join users u on u.id = s.user_id
    join organizations o on o.id = nullif(current_setting('app.organization_id', true), '')::uuid
    left join memberships m on m.organization_id = o.id and m.user_id = s.user_id
    where own in (s.gate_changed_in, u.gate_changed_in, o.gate_changed_in, m.gate_changed_in)
      and s.id = nullif(current_setting('app.session_id', true), '')::uuid
      and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now())
      and (u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null)
      and (o.gate_changed_in = own
        or o.deleted_at is null and (s.gate_changed_in = own or s.second_factor_at is not null or not o.second_factor_required or is_way_out()))
      and (m.gate_changed_in = own
        or (u.superuser or u.gate_changed_in = own) and exists (select from role_permissions p where p.permission = wanted and p.role = 'superuser')
        or m.disabled_at is null and m.deleted_at is null and (m.role_id is not null and own_role_permits()
          or exists (select from role_permissions p where m.role_id is null and p.permission = wanted and p.role = m.role))));
end $function$;

create or replace function {{schema}}.guard_membership()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  is_own constant boolean := new.user_id = acting_user();
  concerns_owners constant boolean := tg_op = 'UPDATE' and (new.role = 'owner' or old.role = 'owner');
  ends_only constant boolean := tg_op = 'UPDATE' and old.deleted_at is null and new.deleted_at is not null
    and (old.role, old.role_id, old.title, old.company, old.disabled_at) is not distinct from (new.role, new.role_id, new.title, new.company, new.disabled_at);
  transfers_only constant boolean := tg_op = 'UPDATE' and new.role_id is null
    and (old.title, old.company, old.disabled_at, old.deleted_at) is not distinct from (new.title, new.company, new.disabled_at, new.deleted_at);
  reopens constant boolean := tg_op = 'UPDATE' and old.deleted_at is not null and old.deleted_at is distinct from new.deleted_at;
begin
  if tg_op = 'UPDATE' then
    new.removed_at := case when new.deleted_at is null then null
      when wanted = 'members:write' and not is_own and old.deleted_at is distinct from new.deleted_at then now() else old.removed_at end;
  end if;
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if tg_op = 'INSERT' and wanted <> '' then
    raise exception 'no request adds a member' using errcode = '42501';
  end if;
  if wanted = 'members:write' and concerns_owners
    and (old.role, old.disabled_at, old.deleted_at) is distinct from (new.role, new.disabled_at, new.deleted_at)
    and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'memberships_owner_by_owner';
  end if;
  if wanted = 'members:write' and reopens and new.deleted_at is null then
    -- The account is not deleted meanwhile, and its row comes after that of the membership in the order of locks.
    perform from users where id = new.user_id for no key update;
  end if;
  if wanted = 'members:write' and reopens and not exists (select from users u where u.id = new.user_id and case when new.deleted_at is null
      then old.removed_at > now() - interval '30 days' and u.deleted_at is null
      else old.removed_at is null and u.deleted_at = old.deleted_at and u.erased_at is null end) then
    raise exception 'the membership has ended' using errcode = '23514', constraint = 'memberships_restorable';
  end if;
  if wanted = 'invitations:write' or wanted = 'organization:leave' and not (is_own and ends_only)
    or wanted = 'organization:transfer' and not (transfers_only and new.role = case when is_own then 'admin' else 'owner' end) then
    raise exception '% does not allow this change of a membership', wanted using errcode = '42501';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.is_way_out()
  returns boolean
  language plpgsql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
begin
  return wanted = 'organization:leave' or wanted in ('organization:transfer', 'organization:delete')
    -- A user of another organization learns nothing about the owners of this one.
    and exists (select from memberships m where m.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and m.user_id = acting_user())
    and not exists (select from memberships m join live_users u on u.id = m.user_id
      where m.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and m.user_id <> acting_user()
        and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null
        and (m.gate_changed_in = pg_current_xact_id_if_assigned()) is not true); -- the new owner of this transfer
end $function$;

create or replace function {{schema}}.keep_an_owner()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform pg_advisory_xact_lock(lock_key('owners', old.organization_id::text));
  if exists (select from organizations where id = old.organization_id and deleted_at is null)
    and not exists (select from memberships m join live_users u on u.id = m.user_id where m.organization_id = old.organization_id
      and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null) then
    raise exception 'an organization keeps one owner' using errcode = '23514', constraint = 'memberships_keep_an_owner';
  end if;
  return null;
end $function$;

create or replace function {{schema}}.keep_former_address()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  insert into former_addresses (user_id, email) values (old.id, old.email) on conflict do nothing;
  return null;
end $function$;

create or replace function {{schema}}.keep_mail_quota()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  by_sender bigint;
  by_client bigint;
  by_all bigint;
begin
  new.client := case when new.sender like 'user %' then nullif(mail_client(), 'client ') end;
  perform lock_mails(new.purpose, new.email);
  select count(*) filter (where sender = new.sender), count(*) filter (where client = new.client), count(*) into by_sender, by_client, by_all
  from one_time_tokens where email = new.email and purpose = new.purpose and created_at > now() - interval '1 hour'
    and (sender not like 'client %' or details ? 'mailed_at');
  if by_sender >= 5 or by_client >= 5 or by_all >= 20 then
    raise exception 'too many mails of this kind went to the address within an hour' using errcode = '23514', constraint = 'one_time_tokens_mail_quota';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.lock_mails (
  purpose   text,
  addressee text
)
  returns void
  language sql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select pg_advisory_xact_lock(lock_key('mail', purpose || ' ' || addressee)) $function$;

create or replace function {{schema}}.lock_place (
  organization uuid,
  person       uuid
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform from memberships where organization_id = organization and user_id = person for no key update;
  perform from organizations where id = organization for share; -- which is not closed meanwhile
  perform from users where id = person for no key update;
end $function$;

create or replace function {{schema}}.mail_client()
  returns text
  language plpgsql
  stable
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  ip constant text := coalesce(nullif(current_setting('app.context', true), '')::jsonb ->> 'ip', '');
begin
  return 'client ' || case when ip ~ '^[0-9a-f:.]+$' and ip ~ ':' then host(network(set_masklen(ip::inet, 64))) else ip end;
end $function$;

create or replace function {{schema}}.mail_invitation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  token_id uuid;
begin
  update one_time_tokens set used_at = now()
  where email = new.email and purpose = 'invitation' and used_at is null and details ->> 'invitation_id' = new.id::text;
  if new.accepted_at is not null or new.revoked_at is not null then
    return null;
  end if;
  perform lock_mails('invitation', new.email);
  if (select count(*) from one_time_tokens where email = new.email and purpose = 'invitation' and details ->> 'invited_by' = new.invited_by::text
      and created_at > now() - interval '1 hour') >= 5 then
    raise exception 'one user had the address mailed five invitations within an hour' using errcode = '23514', constraint = 'invitations_mail_quota';
  end if;
  insert into one_time_tokens (purpose, email, details, expires_at, sender)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version,
    'invited_by', new.invited_by), new.expires_at, 'organization ' || new.organization_id)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id));
  return null;
end $function$;

create or replace function {{schema}}.mail_sender()
  returns text
  language sql
  stable
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select case when nullif(current_setting('app.session_id', true), '') is not null
    then 'user ' || (nullif(current_setting('app.context', true), '')::jsonb ->> 'user_id') else mail_client() end $function$;

create or replace function {{schema}}.organization_table (
  name       text,
  history    text[],
  writes     text[],
  commands   text[]  default '{insert,update,delete}'::text[],
  key        text    default 'organization_id'::text,
  for_system boolean default false
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
    'create trigger history after insert or update or delete on %1$I for each row execute function record_change(%1$L, %2$L)',
    'create constraint trigger still_open after insert or update or delete on %1$I deferrable initially deferred for each row execute function still_open()'
  ] loop
    execute format(line, name, history);
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
end $function$;

create or replace function {{schema}}.own_role_permits()
  returns boolean
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select exists (select from sessions s
    join memberships m on m.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and m.user_id = s.user_id
    join custom_role_permissions p on p.organization_id = m.organization_id and p.role_id = m.role_id
    join role_permissions known on known.permission = p.permission and known.role = 'admin'
    where s.id = nullif(current_setting('app.session_id', true), '')::uuid and p.permission = current_setting('app.permission', true)) $function$;

create or replace function {{schema}}.refuse_held_address()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from one_time_tokens where email = new.email and purpose = 'undo' and details #>> '{former,email}' = new.email
      and details #>> '{former,email_verified_at}' is not null and user_id <> new.id and expires_at > now()) then
    raise exception 'the address may go back to another account' using errcode = '23514', constraint = 'users_email_held';
  end if;
  return null;
end $function$;

create or replace function {{schema}}.revoke_invitations()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  update invitations i set revoked_at = now() from addresses_in_trigger(new.user_id) a
  where i.organization_id = new.organization_id and i.email = a.email and (a.held_until is null or i.updated_at <= a.held_until)
    and i.accepted_at is null and i.revoked_at is null;
  return null;
end $function$;

create or replace function {{schema}}.tell_restored_member()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  event_id constant uuid := new_id();
  by_organization bigint;
  by_actor bigint;
begin
  select count(*) filter (where details ->> 'organization_id' = new.organization_id::text), count(*) filter (where actor_id = acting_user()) into by_organization, by_actor
  from security_events where user_id = new.user_id and type = 'membership-restored' and created_at > now() - interval '1 hour';
  insert into security_events (id, type, user_id, actor_id, request_id, details)
  values (event_id, 'membership-restored', new.user_id, acting_user(), context ->> 'request_id', jsonb_build_object('organization_id', new.organization_id));
  if by_organization < 5 and by_actor < 5 then
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end if;
  return null;
end $function$;

alter table {{schema}}."former_addresses"
  add constraint "former_addresses_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

create view {{schema}}."account_addresses" with (security_barrier=true) AS  SELECT users.id AS user_id,
    users.email,
    NULL::timestamp with time zone AS held_until,
    users.email_verified
   FROM {{schema}}.users
UNION ALL
 SELECT f.user_id,
    f.email,
        CASE
            WHEN ((EXISTS ( SELECT
               FROM {{schema}}.users u
              WHERE ((u.email = f.email) AND (u.id <> f.user_id)))) OR (EXISTS ( SELECT
               FROM {{schema}}.former_addresses g
              WHERE ((g.email = f.email) AND (g.user_id <> f.user_id) AND (g.held_until > f.held_until))))) THEN f.held_until
            ELSE NULL::timestamp with time zone
        END AS held_until,
    true AS email_verified
   FROM {{schema}}.former_addresses f;

create or replace view {{schema}}."gate" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    o.id AS organization_id,
    current_setting('app.permission'::text, true) AS permission,
        CASE
            WHEN (current_setting('app.permission'::text, true) !~~ 'admin:%'::text) THEN m.role
            WHEN u.superuser THEN 'superuser'::text
            ELSE NULL::text
        END AS role,
    (current_setting('app.permission'::text, true) !~~ '%:read'::text) AS writes,
    ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required)) AS reads
   FROM ((({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     JOIN {{schema}}.organizations o ON ((o.id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid)))
     LEFT JOIN LATERAL ( SELECT memberships.role,
            memberships.role_id,
                CASE
                    WHEN (memberships.role_id IS NULL) THEN memberships.role
                    ELSE NULL::text
                END AS built_in
           FROM {{schema}}.memberships
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL))
         OFFSET 0) m ON (true))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required) OR {{schema}}.is_way_out()) AND ((EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting)) AND ((p.role = m.built_in) OR (u.superuser AND (p.role = 'superuser'::text)))))) OR ((m.role_id IS NOT NULL) AND {{schema}}.own_role_permits())));

create index former_addresses_email on {{schema}}.former_addresses using btree (email, held_until);

create trigger mail_update
  after update on {{schema}}.invitations
  for each row
  when
    (((old.expires_at IS DISTINCT FROM new.expires_at) OR (old.accepted_at IS DISTINCT FROM new.accepted_at) OR
    (old.revoked_at IS DISTINCT FROM new.revoked_at)))
  execute function {{schema}}.mail_invitation();

create trigger history
  after insert or delete or update on {{schema}}.memberships
  for each row
  execute function
    {{schema}}.record_change('memberships', '{role,role_id,disabled_at,deleted_at,removed_at}');

create trigger invitations_insert
  after insert on {{schema}}.memberships
  for each row
  execute function {{schema}}.revoke_invitations();

create trigger invitations_update
  after update on {{schema}}.memberships
  for each row
  when ((old.deleted_at IS DISTINCT FROM new.deleted_at))
  execute function {{schema}}.revoke_invitations();

create trigger restored
  after update on {{schema}}.memberships
  for each row
  when (((old.removed_at IS
    NOT NULL) AND (new.deleted_at IS NULL) AND (current_setting('app.permission'::text, true) = 'members:write'::text)))
  execute function {{schema}}.tell_restored_member();

create trigger mail_quota
  before insert on {{schema}}.one_time_tokens
  for each row
  when (((new.sender !~~ 'client %'::text) AND (new.email IS NOT NULL)))
  execute function {{schema}}.keep_mail_quota();

create trigger former_address
  after update of email on {{schema}}.users
  for each row
  when (((old.email IS DISTINCT FROM new.email) AND old.email_verified AND (new.erased_at IS NULL)))
  execute function {{schema}}.keep_former_address();

create trigger held_address_insert
  after insert on {{schema}}.users
  for each row
  execute function {{schema}}.refuse_held_address();

create trigger held_address_update
  after update of email on {{schema}}.users
  for each row
  when ((old.email IS DISTINCT FROM new.email))
  execute function {{schema}}.refuse_held_address();

create policy "tenant_read" on {{schema}}."custom_role_permissions"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "system" on {{schema}}."former_addresses"
  for all
  to "freehold_system"
  using (true);

create policy "revocation_read" on {{schema}}."invitations"
  for select
  to "freehold_tenant"
  using
    (((pg_trigger_depth() > 0) AND (organization_id = (NULLIF(current_setting('app.organization_id'::text, true),
    ''::text))::uuid)));

create policy "revocation" on {{schema}}."invitations"
  for update
  to "freehold_tenant"
  using
    (((pg_trigger_depth() > 0) AND (organization_id = (NULLIF(current_setting('app.organization_id'::text, true),
    ''::text))::uuid) AND (accepted_at is null) AND (revoked_at is null)))
  with
    check
    (((pg_trigger_depth() > 0) AND (organization_id = (NULLIF(current_setting('app.organization_id'::text, true),
    ''::text))::uuid) AND (accepted_at IS NULL) AND (revoked_at IS NOT NULL)));

create policy "tenant_read" on {{schema}}."invitations"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "leaving" on {{schema}}."memberships"
  for select
  to "freehold_tenant"
  using (((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (not gate.reads))) AND ((user_id = ( select gate.user_id
   from {{schema}}.gate)) or (( select gate.permission
   from {{schema}}.gate) = 'organization:transfer'::text))));

create policy "tenant_read" on {{schema}}."memberships"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "leaving" on {{schema}}."organizations"
  for select
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate
  where (not gate.reads))));

create policy "tenant_read" on {{schema}}."organizations"
  for select
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_read" on {{schema}}."projects"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_read" on {{schema}}."roles"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "colleagues" on {{schema}}."users"
  for select
  to "freehold_tenant"
  using ((( select gate.reads
   from {{schema}}.gate) AND (exists ( select
   from {{schema}}.memberships m
  where (m.user_id = users.id)
 OFFSET 0))));

revoke all on function {{schema}}."addresses_in_trigger"(uuid) from public;

grant execute on function {{schema}}."addresses_in_trigger"(uuid) to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."is_way_out"() from public;

grant execute on function {{schema}}."is_way_out"() to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."keep_former_address"() from public;

revoke all on function {{schema}}."keep_mail_quota"() from public;

revoke all on function {{schema}}."lock_mails"(text, text) from public;

grant execute on function {{schema}}."lock_mails"(text, text) to "freehold_system";

revoke all on function {{schema}}."lock_place"(uuid, uuid) from public;

grant execute on function {{schema}}."lock_place"(uuid, uuid) to "freehold_system";

revoke all on function {{schema}}."mail_client"() from public;

grant execute on function {{schema}}."mail_client"() to "freehold_system";

revoke all on function {{schema}}."mail_sender"() from public;

grant execute on function {{schema}}."mail_sender"() to "freehold_system";

revoke all on function {{schema}}."own_role_permits"() from public;

grant execute on function {{schema}}."own_role_permits"() to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."refuse_held_address"() from public;

revoke all on function {{schema}}."revoke_invitations"() from public;

revoke all on function {{schema}}."tell_restored_member"() from public;

grant delete, insert, select on table {{schema}}."former_addresses" to "freehold_system";

grant select on table {{schema}}."account_addresses" to "freehold_system";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

-- lock: ACCESS EXCLUSIVE on totp_factors: everything waits while every row gets its value, 1 to 10 minutes for 10 million rows. Where that is too long: the column without a default, filled in batches
alter table {{schema}}."totp_factors"
  add column "id" uuid not null default {{schema}}.new_id();

revoke all ("erased_at") on table {{schema}}."users" from "freehold_tenant";

grant select ("erased_at") on table {{schema}}."users" to "freehold_tenant";

-- The password of a sign-up under way is chosen with the link of its mail from now on; no hash of the one that was sent is kept.
update one_time_tokens set details = details - 'password_hash' where purpose = 'sign-up' and details ? 'password_hash';

-- Addresses that accounts had before, as far as the tokens of the changes are still there.
insert into former_addresses (user_id, email, held_until)
select t.user_id, t.details ->> 'old_email', t.used_at from one_time_tokens t
join security_events e on e.type = 'email-changed' and e.user_id = t.user_id and (e.details ->> 'token_id')::uuid = t.id
join users u on u.id = t.user_id and u.erased_at is null
where t.purpose = 'change-email' and t.used_at is not null and t.details ->> 'old_email' <> u.email
on conflict do nothing;

-- Open invitations to addresses of members, or of users who have left since, would be a way back.
update invitations i set revoked_at = now() from memberships m, account_addresses a
where m.organization_id = i.organization_id and a.user_id = m.user_id and a.email = i.email
  and (a.held_until is null or i.updated_at <= a.held_until) and (m.deleted_at is null or i.updated_at <= m.deleted_at)
  and i.accepted_at is null and i.revoked_at is null;

-- The link of an invitation that is not open any more is spent.
update one_time_tokens t set used_at = now() where t.purpose = 'invitation' and t.used_at is null
  and not exists (select from invitations i where i.organization_id = (t.details ->> 'organization_id')::uuid and i.id = (t.details ->> 'invitation_id')::uuid
    and i.version = (t.details ->> 'version')::integer and i.accepted_at is null and i.revoked_at is null);
