-- operators

set local check_function_bodies = off;

create table {{schema}}."operator_log" (
  "actor_id"        uuid                     not null,
  "session_id"      uuid                     not null,
  "request_id"      text,
  "ip"              text,
  "user_agent"      text,
  "operation"       text                     not null,
  "organization_id" uuid,
  "entity_type"     text,
  "entity_id"       uuid,
  "details"         jsonb,
  "created_at"      timestamp with time zone not null default now(),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "operator_log_pkey" primary key (id)
);

alter table {{schema}}."operator_log"
  enable row level security;

create or replace function {{schema}}.begin_operation (
  operation   text,
  entity_type text,
  entity_id   uuid,
  details     jsonb
)
  returns boolean
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
begin
  if not exists (select from operator) then
    return false;
  end if;
  if current_setting('app.permission', true) not like '%:read' then
    insert into operator_log (actor_id, session_id, request_id, ip, user_agent, operation, organization_id, entity_type, entity_id, details)
    select o.user_id, o.session_id, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', operation,
      nullif(current_setting('app.organization_id', true), '')::uuid, entity_type, entity_id, details
    from operator o;
  end if;
  return true;
end $function$;

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

create or replace function {{schema}}.record_operation()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  insert into audit_log (organization_id, actor_id, session_id, request_id, ip, user_agent, action, entity_type, entity_id, after)
  values (new.organization_id, new.actor_id, new.session_id, new.request_id, new.ip, new.user_agent, 'operate', coalesce(new.entity_type, 'organizations'),
    coalesce(new.entity_id, new.organization_id), jsonb_strip_nulls(jsonb_build_object('operation', new.operation, 'details', new.details)));
  return null;
end $function$;

create view {{schema}}."operator" with (security_barrier=true) AS  SELECT session_id,
    user_id
   FROM {{schema}}.self
  WHERE (superuser AND (EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting)) AND (p.role = 'superuser'::text)))));

create or replace view {{schema}}."gate_state" with (security_barrier=true) AS  SELECT (EXISTS ( SELECT
           FROM {{schema}}.self)) AS live,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL)) AS member,
    (o.second_factor_required AND (s.second_factor_at IS NULL) AND (o.deleted_at IS NULL) AND (((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL)) OR u.superuser)) AS second_factor_missing,
    (EXISTS ( SELECT
           FROM {{schema}}.gate)) AS permitted,
    (EXISTS ( SELECT
           FROM {{schema}}.operator)) AS operator
   FROM ((((( SELECT (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid AS session_id,
            (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid AS organization_id) named
     LEFT JOIN {{schema}}.sessions s ON ((s.id = named.session_id)))
     LEFT JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     LEFT JOIN {{schema}}.organizations o ON ((o.id = named.organization_id)))
     LEFT JOIN {{schema}}.memberships m ON (((m.organization_id = o.id) AND (m.user_id = s.user_id))));

create trigger history
  after insert on {{schema}}.operator_log
  for each row
  when ((new.organization_id IS NOT NULL))
  execute function {{schema}}.record_operation();

create policy "forget" on {{schema}}."operator_log"
  for update
  to "freehold_system"
  using ((exists ( select
   from {{schema}}.users u
  where ((u.id = operator_log.actor_id) AND (u.deleted_at is not null)))))
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "system_read" on {{schema}}."operator_log"
  for select
  to "freehold_system"
  using (true);

revoke all on function {{schema}}."begin_operation"(text, text, uuid, jsonb) from public;

grant execute
  on function {{schema}}."begin_operation"(text, text, uuid, jsonb)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."record_operation"() from public;

revoke all on table {{schema}}."idempotency_keys" from "freehold_system";

grant delete, insert, select, update on table {{schema}}."idempotency_keys" to "freehold_system";

grant select on table {{schema}}."operator_log" to "freehold_system";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."operator" to "freehold_system", "freehold_tenant";

create index operator_log_actor on {{schema}}.operator_log using btree (actor_id, id);

create index operator_log_entity on {{schema}}.operator_log using btree (entity_id, id)
  where (entity_id is not null);

create index operator_log_organization on {{schema}}.operator_log using btree (organization_id, id)
  where (organization_id is not null);

revoke all ("created_at") on table {{schema}}."idempotency_keys" from "freehold_system";

grant update ("ip") on table {{schema}}."operator_log" to "freehold_system";

grant update ("user_agent") on table {{schema}}."operator_log" to "freehold_system";
