-- Takes 0004_proof_consent_and_quotas back.
-- loses: former_addresses
-- loses: invitations.company
-- loses: invitations.title
-- loses: memberships.removed_at
-- loses: one_time_tokens.client
-- loses: one_time_tokens.sender
-- loses: totp_factors.id

set local check_function_bodies = off;

drop policy "tenant_read" on {{schema}}."audit_log";

drop policy "tenant_read" on {{schema}}."custom_role_permissions";

drop policy "revocation_read" on {{schema}}."invitations";

drop policy "revocation" on {{schema}}."invitations";

drop policy "tenant_insert" on {{schema}}."invitations";

drop policy "tenant_read" on {{schema}}."invitations";

drop policy "tenant_update" on {{schema}}."invitations";

drop policy "leaving" on {{schema}}."memberships";

drop policy "tenant_read" on {{schema}}."memberships";

drop policy "tenant_update" on {{schema}}."memberships";

drop policy "leaving" on {{schema}}."organizations";

drop policy "tenant_insert" on {{schema}}."organizations";

drop policy "tenant_read" on {{schema}}."organizations";

drop policy "tenant_update" on {{schema}}."organizations";

drop policy "tenant_delete" on {{schema}}."projects";

drop policy "tenant_insert" on {{schema}}."projects";

drop policy "tenant_read" on {{schema}}."projects";

drop policy "tenant_update" on {{schema}}."projects";

drop policy "tenant_read" on {{schema}}."roles";

drop policy "colleagues" on {{schema}}."users";

drop trigger "mail_update" on {{schema}}."invitations";

drop trigger "history" on {{schema}}."memberships";

drop trigger "invitations_insert" on {{schema}}."memberships";

drop trigger "invitations_update" on {{schema}}."memberships";

drop trigger "restored" on {{schema}}."memberships";

drop trigger "mail_quota" on {{schema}}."one_time_tokens";

drop trigger "former_address" on {{schema}}."users";

drop trigger "held_address_insert" on {{schema}}."users";

drop trigger "held_address_update" on {{schema}}."users";

drop view {{schema}}."account_addresses";

drop view {{schema}}."gate_state";

drop view {{schema}}."gate";

alter table {{schema}}."former_addresses"
  drop constraint "former_addresses_user_id_fkey";

drop function {{schema}}."addresses_in_trigger"(uuid);

drop function {{schema}}."is_way_out"();

drop function {{schema}}."keep_former_address"();

drop function {{schema}}."keep_mail_quota"();

drop function {{schema}}."lock_mails"(text, text);

drop function {{schema}}."lock_place"(uuid, uuid);

drop function {{schema}}."mail_client"();

drop function {{schema}}."mail_sender"();

drop function {{schema}}."own_role_permits"();

drop function {{schema}}."refuse_held_address"();

drop function {{schema}}."revoke_invitations"();

drop function {{schema}}."tell_restored_member"();

alter table {{schema}}."invitations"
  drop column "company";

alter table {{schema}}."invitations"
  drop column "title";

alter table {{schema}}."memberships"
  drop column "removed_at";

alter table {{schema}}."one_time_tokens"
  drop column "client";

alter table {{schema}}."one_time_tokens"
  drop column "sender";

alter table {{schema}}."totp_factors"
  drop column "id";

drop table {{schema}}."former_addresses";

create or replace function {{schema}}.find_confirmed_user (
  wanted_email text,
  wanted_id    uuid
)
  returns uuid
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select id from live_users where (email = wanted_email or id = wanted_id) and email_verified
    and exists (select from gate where permission = 'members:write') $function$;

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
        or o.deleted_at is null and (s.gate_changed_in = own or s.second_factor_at is not null or not o.second_factor_required))
      and (m.gate_changed_in = own
        or (u.superuser or u.gate_changed_in = own) and exists (select from role_permissions p where p.permission = wanted and p.role = 'superuser')
        or m.disabled_at is null and m.deleted_at is null and (exists (select from role_permissions p where m.role_id is null and p.permission = wanted and p.role = m.role)
          or exists (select from custom_role_permissions p
            join role_permissions known on known.permission = p.permission and known.role = 'admin'
            where p.organization_id = o.id and p.role_id = m.role_id and p.permission = wanted))));
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
  concerns_owners constant boolean := new.role = 'owner' or tg_op = 'UPDATE' and old.role = 'owner';
  ends_only constant boolean := tg_op = 'UPDATE' and old.deleted_at is null and new.deleted_at is not null
    and (old.role, old.role_id, old.title, old.company, old.disabled_at) is not distinct from (new.role, new.role_id, new.title, new.company, new.disabled_at);
  transfers_only constant boolean := tg_op = 'UPDATE' and new.role_id is null
    and (old.title, old.company, old.disabled_at, old.deleted_at) is not distinct from (new.title, new.company, new.disabled_at, new.deleted_at);
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if wanted = 'members:write' and concerns_owners
    and (tg_op = 'INSERT' or (old.role, old.disabled_at, old.deleted_at) is distinct from (new.role, new.disabled_at, new.deleted_at))
    and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'memberships_owner_by_owner';
  end if;
  if wanted = 'invitations:write' or wanted = 'organization:leave' and not (is_own and ends_only)
    or wanted = 'organization:transfer' and not (transfers_only and new.role = case when is_own then 'admin' else 'owner' end) then
    raise exception '% does not allow this change of a membership', wanted using errcode = '42501';
  end if;
  return new;
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
    and not exists (select from memberships where organization_id = old.organization_id and role = 'owner'
      and disabled_at is null and deleted_at is null) then
    raise exception 'an organization keeps one owner' using errcode = '23514', constraint = 'memberships_keep_an_owner';
  end if;
  return null;
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
  insert into one_time_tokens (purpose, email, details, expires_at)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version), new.expires_at)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id));
  return null;
end $function$;

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
  in_gate constant text := format('%I = (select organization_id from gate)', key);
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

create view {{schema}}."gate" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    o.id AS organization_id,
    current_setting('app.permission'::text, true) AS permission,
        CASE
            WHEN (current_setting('app.permission'::text, true) !~~ 'admin:%'::text) THEN m.role
            WHEN u.superuser THEN 'superuser'::text
            ELSE NULL::text
        END AS role,
    (current_setting('app.permission'::text, true) !~~ '%:read'::text) AS writes
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
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required)) AND ((EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = current_setting('app.permission'::text, true)) AND (p.role = ANY (ARRAY[m.built_in,
                CASE
                    WHEN u.superuser THEN 'superuser'::text
                    ELSE NULL::text
                END]))))) OR ((m.role_id IS NOT NULL) AND (EXISTS ( SELECT
           FROM ({{schema}}.custom_role_permissions p
             JOIN {{schema}}.role_permissions known ON (((known.permission = p.permission) AND (known.role = 'admin'::text))))
          WHERE ((p.organization_id = o.id) AND (p.role_id = m.role_id) AND (p.permission = current_setting('app.permission'::text, true))))))));

create view {{schema}}."gate_state" with (security_barrier=true) AS  SELECT (EXISTS ( SELECT
           FROM {{schema}}.self)) AS live,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL)) AS member,
    (o.second_factor_required AND (s.second_factor_at IS NULL) AND (o.deleted_at IS NULL) AND (((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL)) OR u.superuser)) AS second_factor_missing,
    (EXISTS ( SELECT
           FROM {{schema}}.gate)) AS permitted
   FROM ((((( SELECT (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid AS session_id,
            (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid AS organization_id) named
     LEFT JOIN {{schema}}.sessions s ON ((s.id = named.session_id)))
     LEFT JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     LEFT JOIN {{schema}}.organizations o ON ((o.id = named.organization_id)))
     LEFT JOIN {{schema}}.memberships m ON (((m.organization_id = o.id) AND (m.user_id = s.user_id))));

-- lock: SHARE on memberships: writes wait while the index is built, 10 to 60 seconds for 10 million rows
create index memberships_role on {{schema}}.memberships using btree (organization_id, role_id);

create trigger mail_update
  after update on {{schema}}.invitations
  for each row
  when (((old.expires_at IS DISTINCT FROM new.expires_at) AND (new.accepted_at IS NULL) AND (new.revoked_at IS NULL)))
  execute function {{schema}}.mail_invitation();

create trigger history
  after insert or delete or update on {{schema}}.memberships
  for each row
  execute function {{schema}}.record_change('memberships', '{role,role_id,disabled_at,deleted_at}');

create policy "tenant_read" on {{schema}}."audit_log"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where ((gate.permission = 'audit:read'::text) or (gate.permission ~~ 'admin:%'::text)))));

create policy "tenant_read" on {{schema}}."custom_role_permissions"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_insert" on {{schema}}."invitations"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{invitations:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."invitations"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."invitations"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{invitations:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."memberships"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE
    (gate.writes AND (gate.permission = ANY
    ('{members:write,organization:leave,organization:transfer,invitations:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."memberships"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."memberships"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where
    (gate.writes AND (gate.permission = ANY
    ('{members:write,organization:leave,organization:transfer,invitations:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."organizations"
  for insert
  to "freehold_tenant"
  with check ((id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{organization:write,organization:delete}'::text[]))))));

create policy "tenant_read" on {{schema}}."organizations"
  for select
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."organizations"
  for update
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{organization:write,organization:delete}'::text[]))))));

create policy "tenant_delete" on {{schema}}."projects"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{projects:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."projects"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{projects:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."projects"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."projects"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{projects:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."roles"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "colleagues" on {{schema}}."users"
  for select
  to "freehold_tenant"
  using ((exists ( select
   from {{schema}}.memberships m
  where (m.user_id = users.id)
 OFFSET 0)));

revoke all on function {{schema}}."find_confirmed_user"(text, uuid) from public;

grant execute on function {{schema}}."find_confirmed_user"(text, uuid) to "freehold_tenant";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

revoke all ("erased_at") on table {{schema}}."users" from "freehold_tenant";
