-- support_access

set local check_function_bodies = off;

drop policy "forget" on {{schema}}."audit_log";

create table {{schema}}."support_grants" (
  "organization_id" uuid                     not null,
  "operator_id"     uuid                     not null,
  "reason"          text                     not null,
  "role"            text                     not null default 'viewer'::text,
  "minutes"         integer                  not null default 60,
  "emergency"       boolean                  not null default false,
  "granted_by"      uuid,
  "granted_at"      timestamp with time zone,
  "opens_at"        timestamp with time zone,
  "expires_at"      timestamp with time zone,
  "ended_by"        uuid,
  "ended_at"        timestamp with time zone,
  "gate_changed_in" xid8,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "support_grants_duration" check ((expires_at <= (opens_at + '08:00:00'::interval))),
  constraint "support_grants_granted"
    check
    ((((granted_at IS NULL) = (granted_by IS NULL)) AND ((granted_at IS NULL) = (opens_at IS NULL)) AND ((granted_at IS
    NULL) = (expires_at IS NULL)))),
  constraint "support_grants_minutes_check" check (((minutes >= 1) AND (minutes <= 480))),
  constraint "support_grants_role_check" check ((role = ANY (ARRAY['viewer'::text, 'member'::text]))),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "support_grants_pkey" primary key (organization_id, id)
);

alter table {{schema}}."support_grants"
  enable row level security;

alter table {{schema}}."support_grants"
  force row level security;

alter table {{schema}}."audit_log"
  add column "operator_id" uuid;

alter table {{schema}}."users"
  add column "superuser_since" timestamp with time zone;

alter table {{schema}}."users"
  add column "superuser_by" uuid;

create or replace function {{schema}}.gate_is_open()
  returns boolean
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  own constant xid8 := pg_current_xact_id();
begin
  -- Support access changes nothing that a gate depends on.
  if coalesce(current_setting('app.support_id', true), '') <> '' then
    return exists (select from gate);
  elsif wanted = '' then
    return exists (select from sessions s join users u on u.id = s.user_id
      where s.id = nullif(current_setting('app.session_id', true), '')::uuid
        and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now())
        and (u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null));
  end if;
  -- An operator's change of accounts and sessions concerns no organization.
  if wanted like 'admin:%' and coalesce(current_setting('app.organization_id', true), '') = '' then
    return exists (select from operator);
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
        or m.disabled_at is null and m.deleted_at is null and wanted = any (permissions_of(o.id, m.role, m.role_id))));
end $function$;

create or replace function {{schema}}.guard_support_grant()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  of_operators constant boolean := current_setting('app.permission', true) = 'admin:support:write';
  ends constant boolean := tg_op = 'UPDATE' and old.ended_at is null and new.ended_at is not null;
  actor constant uuid := acting_user();
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if tg_op = 'INSERT' then
    if not of_operators or new.operator_id is distinct from actor or new.granted_at is not null or new.ended_at is not null or new.emergency then
      raise exception 'only an operator asks for support access' using errcode = '42501';
    end if;
    new.created_at := now();
    return new;
  end if;
  if old.ended_at is not null or old.expires_at <= now() or old.granted_at is null and old.created_at < now() - interval '7 days'
    or old.granted_at is not null and not ends then
    raise exception 'the support access has been decided' using errcode = '23514', constraint = 'support_grants_decided';
  end if;
  if (old.organization_id, old.id, old.operator_id, old.reason, old.created_at) is distinct from (new.organization_id, new.id, new.operator_id, new.reason, new.created_at)
    or not ends and new.granted_at is null then
    raise exception 'support access is granted or ended, and not changed otherwise' using errcode = '42501';
  end if;
  if ends then
    new.role := old.role;
    new.minutes := old.minutes;
    new.emergency := old.emergency;
    new.granted_by := old.granted_by;
    new.granted_at := old.granted_at;
    new.opens_at := old.opens_at;
    new.expires_at := old.expires_at;
    new.ended_by := actor;
    new.ended_at := now();
    return new;
  end if;
  if actor = old.operator_id then
    raise exception 'someone else grants the support access' using errcode = '23514', constraint = 'support_grants_own';
  end if;
  if of_operators and not exists (select from users u where u.id = actor and u.superuser_since <= now() - interval '7 days'
      and u.superuser_by is distinct from old.operator_id) then
    raise exception 'another operator must grant it' using errcode = '23514', constraint = 'support_grants_second';
  end if;
  new.emergency := of_operators;
  new.granted_by := actor;
  new.granted_at := now();
  new.opens_at := now() + case when of_operators then interval '15 minutes' else interval '0' end;
  new.expires_at := new.opens_at + make_interval(mins => new.minutes);
  new.ended_by := null;
  return new;
end $function$;

create or replace function {{schema}}.note_superuser()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if not new.superuser then
    new.superuser_since := null;
    new.superuser_by := null;
  elsif tg_op = 'INSERT' or not old.superuser then
    new.superuser_since := now();
    new.superuser_by := acting_user();
  else
    new.superuser_since := old.superuser_since;
    new.superuser_by := old.superuser_by;
  end if;
  return new;
end $function$;

create or replace function {{schema}}.record_account()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform record_event(case when tg_op = 'INSERT' then 'account-created' else 'account-changed' end, new.id,
    nullif(current_setting('app.session_id', true), '')::uuid,
    case when tg_op = 'UPDATE' then jsonb_build_object('changed', (select jsonb_agg(n.key order by n.key)
      from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o using (key)
      where n.value is distinct from o.value and key not in ('version', 'updated_at', 'last_organization_id', 'unopened_organization_ids', 'gate_changed_in', 'superuser_since', 'superuser_by'))) end);
  return null;
end $function$;

create or replace function {{schema}}.record_change()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  entity constant text := tg_argv[0];
  fields constant text[] := tg_argv[1];
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
    (select jsonb_object_agg(key, value) from jsonb_each(old_row) where key = any (fields) and (new_row is null or new_row -> key is distinct from value)),
    (select jsonb_object_agg(key, value) from jsonb_each(new_row) where key = any (fields) and (old_row is null or old_row -> key is distinct from value)));
  return null;
end $function$;

create or replace function {{schema}}.record_support_request (
  operation text,
  path      text
)
  returns boolean
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  role constant text := support_role();
  principal constant uuid := nullif(current_setting('app.support_id', true), '')::uuid;
begin
  if role is null then
    return false;
  end if;
  insert into audit_log (organization_id, actor_id, operator_id, session_id, request_id, ip, user_agent, action, entity_type, entity_id, after)
  values (nullif(current_setting('app.organization_id', true), '')::uuid, principal, acting_user(), nullif(current_setting('app.session_id', true), '')::uuid,
    context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', operation, 'support', principal, jsonb_build_object('role', role, 'path', path));
  return true;
end $function$;

create or replace function {{schema}}.support_role()
  returns text
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select g.role
  from support_grants g
  join organizations o on o.id = g.organization_id and o.deleted_at is null
  join sessions s on s.user_id = g.operator_id and s.id = nullif(current_setting('app.session_id', true), '')::uuid
    and s.revoked_at is null and s.expires_at > now()
  join users u on u.id = g.operator_id and u.superuser and u.disabled_at is null and u.deleted_at is null
  where g.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid
    and g.id = nullif(current_setting('app.support_id', true), '')::uuid
    and g.opens_at <= now() and g.expires_at > now() and g.ended_at is null $function$;

create or replace function {{schema}}.tell_owners_of_support()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  type constant text := case when tg_op = 'INSERT' then 'support-requested' when new.ended_at is null then case when new.emergency then 'support-opened-in-emergency' else 'support-opened' end
    when new.granted_at is not null then 'support-ended' end;
begin
  if type is not null then
    perform record_event(type, m.user_id, null, jsonb_build_object('organization_id', new.organization_id, 'support_id', new.id, 'reason', new.reason,
      'opens_at', new.opens_at, 'expires_at', new.expires_at), true)
    from memberships m join live_users u on u.id = m.user_id
    where m.organization_id = new.organization_id and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null
    order by m.user_id;
  end if;
  return null;
end $function$;

alter table {{schema}}."support_grants"
  add constraint "support_grants_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

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
                CASE
                    WHEN (memberships.role_id IS NULL) THEN memberships.role
                    WHEN (EXISTS ( SELECT
                       FROM {{schema}}.custom_role_permissions c
                      WHERE ((c.organization_id = o.id) AND (c.role_id = memberships.role_id) AND (c.permission = current_setting('app.permission'::text, true))))) THEN 'admin'::text
                    ELSE NULL::text
                END AS rank
           FROM {{schema}}.memberships
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL) AND (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text))
         OFFSET 0) m ON (true))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required) OR {{schema}}.is_way_out()) AND (EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting)) AND ((p.role = m.rank) OR (u.superuser AND (p.role =
                CASE
                    WHEN (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text) THEN 'superuser'::text
                    ELSE ('support-'::text || {{schema}}.support_role())
                END)))))));

create or replace view {{schema}}."live_users" with (security_barrier=true) AS  SELECT id,
    email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name,
    superuser,
    email_verified_at,
    email_verified,
    last_organization_id,
    unopened_organization_ids,
    locale,
    disabled_at,
    deleted_at,
    erased_at,
    gate_changed_in,
    created_at,
    updated_at,
    version,
    guest,
    superuser_since,
    superuser_by
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create or replace view {{schema}}."self" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    (s.second_factor_at IS NOT NULL) AS second_factor,
    u.superuser,
    u.email_verified
   FROM ({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text));

create or replace view {{schema}}."gate_state" with (security_barrier=true) AS  SELECT (EXISTS ( SELECT
           FROM {{schema}}.self)) AS live,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL)) AS member,
    (o.second_factor_required AND (s.second_factor_at IS NULL) AND (o.deleted_at IS NULL) AND (((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL)) OR u.superuser)) AS second_factor_missing,
    (EXISTS ( SELECT
           FROM {{schema}}.gate)) AS permitted,
    (EXISTS ( SELECT
           FROM {{schema}}.operator)) AS operator,
    ({{schema}}.support_role() IS NOT NULL) AS supported
   FROM ((((( SELECT (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid AS session_id,
            (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid AS organization_id) named
     LEFT JOIN {{schema}}.sessions s ON ((s.id = named.session_id)))
     LEFT JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     LEFT JOIN {{schema}}.organizations o ON ((o.id = named.organization_id)))
     LEFT JOIN {{schema}}.memberships m ON (((m.organization_id = o.id) AND (m.user_id = s.user_id))));

create trigger gate_column
  before insert or update of gate_changed_in on {{schema}}.support_grants
  for each row
  execute function {{schema}}.keep_gate_changed_in();

create trigger guard
  before insert or update on {{schema}}.support_grants
  for each row
  execute function {{schema}}.guard_support_grant();

create trigger history
  after insert or delete or update on {{schema}}.support_grants
  for each row
  execute function
    {{schema}}.record_change('support_grants',
    '{operator_id,reason,role,minutes,emergency,granted_by,opens_at,expires_at,ended_by,ended_at}');

create trigger revocation
  before update on {{schema}}.support_grants
  for each row
  when (((old.ended_at IS NULL) AND (new.ended_at IS NOT NULL)))
  execute function {{schema}}.lock_revocation('user', 'operator_id');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.support_grants deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger told
  after insert or update on {{schema}}.support_grants
  for each row
  execute function {{schema}}.tell_owners_of_support();

create trigger touch
  before update on {{schema}}.support_grants
  for each row
  execute function {{schema}}.touch();

create trigger note_superuser_insert
  before insert on {{schema}}.users
  for each row
  execute function {{schema}}.note_superuser();

create trigger note_superuser
  before update of superuser, superuser_since, superuser_by on {{schema}}.users
  for each row
  execute function {{schema}}.note_superuser();

create policy "forget" on {{schema}}."audit_log"
  for update
  to "freehold_system"
  using
    (((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND (exists (
    select
   from {{schema}}.users u
  where ((u.id = ANY (ARRAY[audit_log.actor_id, audit_log.operator_id])) AND (u.deleted_at is not null))))))
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "support" on {{schema}}."audit_log"
  for insert
  to "freehold_owner"
  with check ((entity_type = 'support'::text));

create policy "support" on {{schema}}."custom_role_permissions"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create policy "support" on {{schema}}."idempotency_keys"
  for all
  to "freehold_tenant"
  using
    ((starts_with(route, ( select (('support '::text || NULLIF(current_setting('app.support_id'::text, true), ''::text))
    || ' '::text))) AND (user_id = ( select gate.user_id
   from {{schema}}.gate))));

create policy "support" on {{schema}}."invitations"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create policy "support" on {{schema}}."memberships"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create policy "support" on {{schema}}."roles"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create policy "gate" on {{schema}}."support_grants"
  for select
  to "freehold_owner"
  using (true);

create policy "maintenance" on {{schema}}."support_grants"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "support" on {{schema}}."support_grants"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));

create policy "system_read" on {{schema}}."support_grants"
  for select
  to "freehold_system"
  using (true);

create policy "tenant_insert" on {{schema}}."support_grants"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{support:write,admin:support:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."support_grants"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."support_grants"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{support:write,admin:support:write}'::text[]))))));

revoke all on function {{schema}}."guard_support_grant"() from public;

revoke all on function {{schema}}."note_superuser"() from public;

revoke all on function {{schema}}."record_support_request"(text, text) from public;

grant execute on function {{schema}}."record_support_request"(text, text) to "freehold_tenant";

revoke all on function {{schema}}."support_role"() from public;

grant execute on function {{schema}}."support_role"() to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."tell_owners_of_support"() from public;

grant select on table {{schema}}."support_grants" to "freehold_system";

grant insert, select, update on table {{schema}}."support_grants" to "freehold_tenant";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select, update on table {{schema}}."live_users" to "freehold_system";

grant select on table {{schema}}."operator" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_invitations" to "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."self" to "freehold_system", "freehold_tenant";

create view {{schema}}."support_places" with (security_barrier=true) AS  SELECT id,
    organization_id
   FROM {{schema}}.support_grants
  WHERE (EXISTS ( SELECT
           FROM {{schema}}.self
          WHERE self.superuser));

create index support_grants_id on {{schema}}.support_grants using btree (id);

create index support_grants_operator on {{schema}}.support_grants using btree (operator_id, id);

grant select on table {{schema}}."support_places" to "freehold_tenant";

-- Existing superusers: `updated_at` is never earlier than the change that made them superusers. Who made them is not known.
alter table {{schema}}.users disable trigger note_superuser;
update {{schema}}.users set superuser_since = updated_at where superuser;
set constraints all immediate;
alter table {{schema}}.users enable trigger note_superuser;
