-- Takes 0010_operators_and_licenses back.
-- loses: allowances
-- loses: daily_stats
-- loses: default_allowance
-- loses: license_activations
-- loses: license_file_keys
-- loses: license_plans
-- loses: licenses
-- loses: limit_usage
-- loses: operator_log
-- loses: organization_daily_stats
-- loses: support_grants
-- loses: audit_log.operator_id
-- loses: organizations.suspended_reason
-- loses: users.password_change_required_at
-- loses: users.superuser_since
-- loses: users.superuser_through
-- loses: organizations.suspended_at

set local check_function_bodies = off;

revoke all on function {{schema}}."fold_text"(text) from "freehold_system";

revoke all on function {{schema}}."search_words"(text) from "freehold_system";

revoke all on function {{schema}}."word_beginnings"(text, text) from "freehold_system";

revoke all on function {{schema}}."word_beginnings"(text, text) from "freehold_tenant";

drop policy "forget" on {{schema}}."audit_log";

drop policy "support" on {{schema}}."audit_log";

drop policy "support" on {{schema}}."custom_role_permissions";

drop policy "support" on {{schema}}."idempotency_keys";

drop policy "support" on {{schema}}."invitations";

drop policy "tenant_insert" on {{schema}}."invitations";

drop policy "tenant_update" on {{schema}}."invitations";

drop policy "tenant_delete" on {{schema}}."license_activations";

drop policy "tenant_read" on {{schema}}."license_activations";

drop policy "signed_in" on {{schema}}."license_plans";

drop policy "tenant_delete" on {{schema}}."licenses";

drop policy "tenant_insert" on {{schema}}."licenses";

drop policy "tenant_read" on {{schema}}."licenses";

drop policy "tenant_update" on {{schema}}."licenses";

drop policy "leaving" on {{schema}}."memberships";

drop policy "support" on {{schema}}."memberships";

drop policy "tenant_read" on {{schema}}."organization_daily_stats";

drop policy "creation" on {{schema}}."organizations";

drop policy "tenant_insert" on {{schema}}."organizations";

drop policy "tenant_update" on {{schema}}."organizations";

drop policy "counting" on {{schema}}."projects";

drop policy "support" on {{schema}}."roles";

drop policy "tenant_insert" on {{schema}}."support_grants";

drop policy "tenant_read" on {{schema}}."support_grants";

drop policy "tenant_update" on {{schema}}."support_grants";

drop policy "colleagues" on {{schema}}."users";

drop policy "counting" on {{schema}}."workspaces";

drop trigger "told" on {{schema}}."invitations";

drop trigger "fence_seats" on {{schema}}."memberships";

drop trigger "owner_added" on {{schema}}."memberships";

drop trigger "owner_changed" on {{schema}}."memberships";

drop trigger "seats_delete" on {{schema}}."memberships";

drop trigger "seats_insert" on {{schema}}."memberships";

drop trigger "seats_update" on {{schema}}."memberships";

drop trigger "history" on {{schema}}."organizations";

drop trigger "revocation" on {{schema}}."organizations";

drop trigger "stats" on {{schema}}."organizations";

drop trigger "suspension_told" on {{schema}}."organizations";

drop trigger "told" on {{schema}}."organizations";

drop trigger "usage_delete" on {{schema}}."projects";

drop trigger "usage_insert" on {{schema}}."projects";

drop trigger "keep_a_superuser" on {{schema}}."users";

drop trigger "new_guest" on {{schema}}."users";

drop trigger "note_superuser_insert" on {{schema}}."users";

drop trigger "note_superuser" on {{schema}}."users";

drop trigger "seats" on {{schema}}."users";

drop trigger "touch" on {{schema}}."users";

drop trigger "usage_delete" on {{schema}}."workspaces";

drop trigger "usage_insert" on {{schema}}."workspaces";

drop view {{schema}}."colleagues";

drop view {{schema}}."gate_state";

drop view {{schema}}."limits";

drop view {{schema}}."live_users";

drop view {{schema}}."operator";

drop view {{schema}}."own_entitlements";

drop view {{schema}}."own_organizations";

drop view {{schema}}."entitlements";

drop view {{schema}}."current_allowances";

drop view {{schema}}."own_security_events";

drop view {{schema}}."seats";

drop view {{schema}}."support_places";

alter table {{schema}}."allowances"
  drop constraint "allowances_organization_id_fkey";

alter table {{schema}}."license_activations"
  drop constraint "license_activations_license_fkey";

alter table {{schema}}."license_activations"
  drop constraint "license_activations_organization_id_fkey";

alter table {{schema}}."licenses"
  drop constraint "licenses_organization_id_fkey";

alter table {{schema}}."licenses"
  drop constraint "licenses_plan_fkey";

alter table {{schema}}."limit_usage"
  drop constraint "limit_usage_organization_id_fkey";

alter table {{schema}}."organizations"
  drop constraint "organizations_suspended_reason";

alter table {{schema}}."support_grants"
  drop constraint "support_grants_organization_id_fkey";

drop function {{schema}}."account_search"(text);

drop function {{schema}}."account_words"(text, text, text, text, text);

drop function {{schema}}."activate_license"(bytea, text, text, jsonb, integer);

drop function {{schema}}."activation_end"({{schema}}.licenses, integer);

drop function {{schema}}."activations_allowed"({{schema}}.licenses);

drop function {{schema}}."beat_license"(bytea, text, integer);

drop function {{schema}}."count_rows"();

drop function {{schema}}."count_seats"();

drop function {{schema}}."count_seats_of_account"();

drop function {{schema}}."count_units"(uuid, text);

drop function {{schema}}."count_use"(uuid, text, bigint);

drop function {{schema}}."counted_table"(text);

drop function {{schema}}."deactivate_license"(bytea, text);

drop function {{schema}}."delete_stats"();

drop function {{schema}}."fence_seats"();

drop function {{schema}}."find_license"(bytea);

drop function {{schema}}."guard_new_guest"();

drop function {{schema}}."has_seat"(uuid, uuid);

drop function {{schema}}."hold_limits"(uuid);

drop function {{schema}}."hold_superusers"();

drop function {{schema}}."hold_transfer"(uuid, uuid, uuid);

drop function {{schema}}."is_limited"(uuid, text);

drop function {{schema}}."issue_license_file"(bytea, text, integer);

drop function {{schema}}."keep_a_superuser"();

drop function {{schema}}."license_obstacle"({{schema}}.licenses, boolean);

drop function {{schema}}."license_status"(text, timestamp with time zone);

drop function {{schema}}."limits_in_gate"();

drop function {{schema}}."log_operation"(text, text, uuid, jsonb);

drop function {{schema}}."maxima_of"(integer, jsonb, integer);

drop function {{schema}}."maximum_of"(uuid, text);

drop function {{schema}}."note_superuser"();

drop function {{schema}}."organization_words"(text, text);

drop function {{schema}}."record_support_request"(text, text);

drop function {{schema}}."renew_activation"({{schema}}.licenses, text, integer, timestamp
  with time zone);

drop function {{schema}}."require_room"(uuid, jsonb);

drop function {{schema}}."start_license"(bytea);

drop function {{schema}}."tell_owners"(uuid, text, jsonb, uuid[], uuid, integer);

drop function {{schema}}."tell_owners_of_invitation"();

drop function {{schema}}."tell_owners_of_organization"();

drop function {{schema}}."tell_owners_of_owner"();

drop function {{schema}}."tell_owners_of_suspension"();

drop function {{schema}}."words_wanted"(text);

alter table {{schema}}."audit_log"
  drop column "operator_id";

alter table {{schema}}."organizations"
  drop column "suspended_reason";

alter table {{schema}}."users"
  drop column "password_change_required_at";

alter table {{schema}}."users"
  drop column "superuser_since";

alter table {{schema}}."users"
  drop column "superuser_through";

drop table {{schema}}."allowances";

drop function {{schema}}."guard_allowance"();

drop table {{schema}}."daily_stats";

drop table {{schema}}."default_allowance";

drop function {{schema}}."guard_default_allowance"();

drop table {{schema}}."license_activations";

drop function {{schema}}."keep_removable_at"();

drop table {{schema}}."license_file_keys";

drop table {{schema}}."license_plans";

drop function {{schema}}."keep_default_allowance"();

drop function {{schema}}."keep_default_plan"();

drop function {{schema}}."replace_default_plan"();

drop table {{schema}}."licenses";

drop function {{schema}}."guard_license"();

drop function {{schema}}."keep_allowance"();

drop table {{schema}}."limit_usage";

drop table {{schema}}."operator_log";

drop function {{schema}}."record_operation"();

drop table {{schema}}."organization_daily_stats";

drop table {{schema}}."support_grants";

drop function {{schema}}."guard_support_grant"();

drop function {{schema}}."tell_owners_of_support"();

-- lock: ACCESS EXCLUSIVE on invitations: everything waits while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."invitations"
  alter column "invited_by" set not null;

create or replace function {{schema}}.enqueue_job (
  queue_name text,
  data       jsonb,
  start_at   timestamp with time zone default now()
)
  returns uuid
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  job_id uuid;
begin
  if exists (select from jsonb_each_text(data) where value !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') then
    raise exception 'a job of the queue % is given something that is no id', queue_name using errcode = '22023';
  end if;
  insert into {{jobs}}.job (name, data, start_after, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, keep_until, dead_letter, policy)
  select name, enqueue_job.data, start_at, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, greatest(now(), start_at) + make_interval(secs => retention_seconds), dead_letter, policy
  from {{jobs}}.queue where name = queue_name
  returning id into strict job_id;
  return job_id;
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

create or replace function {{schema}}.guard_organization()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  closes constant boolean := old.deleted_at is distinct from new.deleted_at;
  changes constant boolean := (old.name, old.slug, old.second_factor_required) is distinct from (new.name, new.slug, new.second_factor_required);
  wanted constant text := coalesce(current_setting('app.permission', true), '');
begin
  -- Without a permission it is the system login, which closes what an account's deletion leaves empty.
  if wanted <> '' and (closes and wanted <> 'organization:delete' or changes and wanted <> 'organization:write' or old.kind <> new.kind) then
    raise exception '% does not allow this change of an organization', wanted using errcode = '42501';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.hold_users (
  ids uuid[]
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  id uuid;
begin
  for id in select distinct held from unnest(ids) as held where held is not null order by held loop
    perform pg_advisory_xact_lock(lock_key('revocation', id::text));
  end loop;
end $function$;

create or replace function {{schema}}.lock_key (
  space text,
  name  text
)
  returns bigint
  language plpgsql
  immutable
  parallel safe
  set search_path to 'pg_catalog', 'pg_temp'
  AS $function$
declare
  place constant integer := array_position(array['revocation', 'owners', 'idempotency', 'superusers', 'signing-keys', 'mail', 'product', 'structure'], space);
begin
  if place is null then
    raise exception 'there is no lock space %: add it to lock_key()', space using errcode = '22023';
  end if;
  return (place::bigint << 56) | ('x' || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 14))::bit(56)::bigint;
end $function$;

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

create or replace function {{schema}}.mail_invitation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  sender_name constant text := 'organization ' || new.organization_id;
  has_ended constant boolean := new.accepted_at is not null or new.revoked_at is not null;
  token_id uuid;
begin
  if not has_ended and new.mail_at is not null then
    new.invited_by := coalesce(acting_user(), new.invited_by);
    perform pg_advisory_xact_lock(lock_key('mail', sender_name));
    perform pg_advisory_xact_lock(lock_key('mail', 'inviter ' || new.invited_by));
    if is_over_mail_quota('invitation', new.email, sender_name, null) or (select count(*) from one_time_tokens where email = new.email
        and purpose = 'invitation' and details ->> 'invited_by' = new.invited_by::text and created_at > now() - interval '1 hour') >= 5 then
      if exists (select from gate where organization_id = new.organization_id and writes) then
        return null;
      end if;
      -- Another organization's row, which its policy refuses, whatever the quota is.
      new.mail_at := null;
      return new;
    end if;
  end if;
  if tg_op = 'UPDATE' then
    update one_time_tokens set used_at = now(), mail_at = case when mail_at <= now() then mail_at end
    where email = new.email and purpose = 'invitation' and used_at is null and details ->> 'invitation_id' = new.id::text;
    if has_ended then
      new.mail_at := case when old.mail_at <= now() then old.mail_at end;
    end if;
  end if;
  if has_ended or new.mail_at is null then
    return new;
  end if;
  new.mail_at := case when tg_op = 'UPDATE' and old.mail_at > now() then old.mail_at else next_mail_at(sender_name) end;
  new.expires_at := new.mail_at + interval '7 days';
  insert into one_time_tokens (purpose, email, details, expires_at, sender, mail_at)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version,
    'invited_by', new.invited_by), new.expires_at, sender_name, new.mail_at)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id), new.mail_at);
  return new;
end $function$;

create or replace function {{schema}}.make_invitation_link()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  invitation invitations%rowtype;
begin
  select * into invitation from invitations where organization_id = new.organization_id and id = new.invitation_id and accepted_at is null and revoked_at is null;
  if invitation.id is null or not exists (select from live_inviters i where i.organization_id = new.organization_id and i.user_id = invitation.invited_by
      and permissions_of(new.organization_id, invitation.role, invitation.role_id) <@ permissions_of(i.organization_id, i.role, i.role_id)) then
    raise exception 'the invitation has ended' using errcode = '23514', constraint = 'invitation_links_open';
  end if;
  if invitation.role = 'owner' and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'invitation_links_owner_by_owner';
  end if;
  perform require_offerable_role(invitation.role, invitation.role_id);
  update one_time_tokens set used_at = now()
  where email = invitation.email and purpose = 'invitation-link' and used_at is null and details ->> 'invitation_id' = new.invitation_id::text;
  insert into one_time_tokens (id, purpose, email, details, expires_at)
  values (new.id, 'invitation-link', invitation.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.invitation_id,
    'version', invitation.version, 'made_by', new.created_by), new.expires_at);
  return null;
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
      where n.value is distinct from o.value and key not in ('version', 'updated_at', 'last_organization_id', 'unopened_organization_ids', 'gate_changed_in'))) end);
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
begin
  insert into audit_log (organization_id, actor_id, session_id, request_id, ip, user_agent, action, entity_type, entity_id, before, after)
  values (
    coalesce(any_row ->> 'organization_id', any_row ->> 'id')::uuid,
    coalesce(acting_user(), (context ->> 'user_id')::uuid), nullif(current_setting('app.session_id', true), '')::uuid,
    context ->> 'request_id', context ->> 'ip', context ->> 'user_agent',
    case when tg_op = 'UPDATE' and old_row ->> 'deleted_at' is null and new_row ->> 'deleted_at' is not null then 'delete'
      else lower(tg_op) end,
    entity, coalesce(any_row ->> 'id', any_row ->> 'user_id', any_row ->> 'role_id')::uuid,
    (select jsonb_object_agg(key, value) from jsonb_each(old_row) where key = any (fields) and (new_row is null or new_row -> key is distinct from value)),
    (select jsonb_object_agg(key, value) from jsonb_each(new_row) where key = any (fields) and (old_row is null or old_row -> key is distinct from value)));
  return null;
end $function$;

create or replace function {{schema}}.record_event (
  type       text,
  user_id    uuid,
  session_id uuid,
  details    jsonb   default null::jsonb,
  mailed     boolean default false
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  event_id constant uuid := new_id();
begin
  insert into security_events (id, type, user_id, session_id, actor_id, request_id, ip, user_agent, details)
  values (event_id, type, user_id, session_id, (context ->> 'user_id')::uuid, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', details);
  if mailed and user_id is not null then
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end if;
end $function$;

create or replace function {{schema}}.record_session()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if tg_op = 'INSERT' then
    perform record_event('session-created', new.user_id, new.id, jsonb_build_object('methods', new.methods));
  else
    perform record_event('session-revoked', new.user_id, new.id, jsonb_build_object('reason', new.revoked_reason));
  end if;
  return null;
end $function$;

create or replace function {{schema}}.require_offerable_role (
  built_in text,
  custom   uuid
)
  returns void
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  place constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return;
  end if;
  if custom is not null then
    perform from roles where organization_id = place and id = custom and deleted_at is null for share;
    if not found then
      raise exception 'there is no such role' using errcode = '23503', constraint = 'invitations_role_fkey';
    end if;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', place::text));
  if not gate_is_open() then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
  perform require_own_permissions(permissions_of(place, built_in, custom));
end $function$;

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
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL))
         OFFSET 0) m ON (true))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required) OR {{schema}}.is_way_out()) AND (EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting)) AND ((p.role = m.rank) OR (u.superuser AND (p.role = 'superuser'::text)))))));

create or replace view {{schema}}."live_invitations" with (security_barrier=true) AS  SELECT invited.id AS user_id,
    i.organization_id,
    i.id,
        CASE
            WHEN invited.guest THEN 'viewer'::text
            WHEN (i.role_id IS NULL) THEN i.role
            ELSE 'custom'::text
        END AS role,
        CASE
            WHEN (NOT invited.guest) THEN i.role_id
            ELSE NULL::uuid
        END AS role_id,
        CASE
            WHEN (NOT invited.guest) THEN ( SELECT r.name
               FROM {{schema}}.roles r
              WHERE ((r.organization_id = i.organization_id) AND (r.id = i.role_id)))
            ELSE NULL::text
        END AS role_name,
    i.title,
    i.company,
    i.expires_at,
    i.created_at,
    o.name AS organization_name,
    COALESCE(inviting.full_name, inviting.given_name) AS inviter_name
   FROM (((({{schema}}.users invited
     CROSS JOIN LATERAL ( SELECT invitations.organization_id,
            invitations.id,
            invitations.email,
            invitations.role,
            invitations.role_id,
            invitations.title,
            invitations.company,
            invitations.invited_by,
            invitations.expires_at,
            invitations.mail_at,
            invitations.accepted_at,
            invitations.revoked_at,
            invitations.created_at,
            invitations.updated_at,
            invitations.version,
            invitations.guest
           FROM {{schema}}.invitations
          WHERE ((invitations.email = invited.email) AND (invitations.accepted_at IS NULL) AND (invitations.revoked_at IS NULL) AND (invitations.expires_at > now()))
         OFFSET 0) i)
     JOIN {{schema}}.organizations o ON (((o.id = i.organization_id) AND (o.deleted_at IS NULL))))
     JOIN {{schema}}.users inviting ON ((inviting.id = i.invited_by)))
     CROSS JOIN LATERAL ( SELECT l.role,
            l.role_id
           FROM {{schema}}.live_inviters l
          WHERE ((l.organization_id = i.organization_id) AND (l.user_id = i.invited_by))
         OFFSET 0) inviter)
  WHERE ((invited.disabled_at IS NULL) AND (invited.deleted_at IS NULL) AND invited.email_verified AND (NOT (EXISTS ( SELECT
           FROM {{schema}}.role_permissions wanted
          WHERE ((wanted.role =
                CASE
                    WHEN (i.role_id IS NULL) THEN i.role
                    ELSE 'admin'::text
                END) AND ((i.role_id IS NULL) OR (EXISTS ( SELECT
                   FROM {{schema}}.custom_role_permissions c
                  WHERE ((c.organization_id = i.organization_id) AND (c.role_id = i.role_id) AND (c.permission = wanted.permission))))) AND (NOT (EXISTS ( SELECT
                   FROM {{schema}}.role_permissions own
                  WHERE ((own.permission = wanted.permission) AND (own.role =
                        CASE
                            WHEN (inviter.role_id IS NULL) THEN inviter.role
                            ELSE 'admin'::text
                        END) AND ((inviter.role_id IS NULL) OR (EXISTS ( SELECT
                           FROM {{schema}}.custom_role_permissions c
                          WHERE ((c.organization_id = i.organization_id) AND (c.role_id = inviter.role_id) AND (c.permission = wanted.permission))))))))))))));

create view {{schema}}."live_users" with (security_barrier=true) AS  SELECT id,
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
    guest
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create or replace view {{schema}}."self" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    (s.second_factor_at IS NOT NULL) AS second_factor,
    u.superuser,
    u.email_verified
   FROM ({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL));

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

create view {{schema}}."own_organizations" with (security_barrier=true) AS  SELECT o.id,
    o.kind,
    o.name,
    o.slug,
    o.second_factor_required,
    o.created_at,
    o.updated_at,
    o.version,
        CASE
            WHEN (m.role_id IS NULL) THEN m.role
            ELSE 'custom'::text
        END AS role,
    m.created_at AS joined_at,
    self.user_id,
    m.role_id,
    ( SELECT r.name
           FROM {{schema}}.roles r
          WHERE ((r.organization_id = m.organization_id) AND (r.id = m.role_id))) AS role_name,
    ARRAY( SELECT p.permission
           FROM {{schema}}.role_permissions p
          WHERE ((p.role =
                CASE
                    WHEN (m.role_id IS NULL) THEN m.role
                    ELSE 'admin'::text
                END) AND ((m.role_id IS NULL) OR (EXISTS ( SELECT
                   FROM {{schema}}.custom_role_permissions c
                  WHERE ((c.organization_id = m.organization_id) AND (c.role_id = m.role_id) AND (c.permission = p.permission))))))
          ORDER BY (p.permission COLLATE "C")) AS permissions
   FROM (({{schema}}.self
     JOIN {{schema}}.memberships m ON (((m.user_id = self.user_id) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL))))
     JOIN {{schema}}.organizations o ON (((o.id = m.organization_id) AND (o.deleted_at IS NULL))));

create trigger history
  after insert or delete or update on {{schema}}.organizations
  for each row
  execute function
    {{schema}}.record_change('organizations', '{name,slug,kind,second_factor_required,deleted_at}');

create trigger revocation
  before update on {{schema}}.organizations
  for each row
  when
    (((old.deleted_at IS DISTINCT FROM new.deleted_at) OR (old.second_factor_required IS DISTINCT FROM
    new.second_factor_required)))
  execute function {{schema}}.lock_revocation('organization', 'id');

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name, superuser, guest, email_verified_at, locale, disabled_at, deleted_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

create policy "forget" on {{schema}}."audit_log"
  for update
  to "freehold_system"
  using
    (((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND (exists (
    select
   from {{schema}}.users u
  where ((u.id = audit_log.actor_id) AND (u.deleted_at is not null))))))
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "tenant_insert" on {{schema}}."invitations"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{invitations:write}'::text[]))))));

create policy "tenant_update" on {{schema}}."invitations"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{invitations:write}'::text[]))))));

create policy "leaving" on {{schema}}."memberships"
  for select
  to "freehold_tenant"
  using (((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (not gate.reads))) AND ((user_id = ( select gate.user_id
   from {{schema}}.gate)) or (( select gate.permission
   from {{schema}}.gate) = 'organization:transfer'::text))));

create policy "creation" on {{schema}}."organizations"
  for insert
  to "freehold_tenant"
  with
    check
    (((id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND
    (COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text) AND (kind = 'team'::text) AND
    (NOT second_factor_required) AND (deleted_at IS NULL) AND (EXISTS ( SELECT
   FROM {{schema}}.self))));

create policy "tenant_insert" on {{schema}}."organizations"
  for insert
  to "freehold_tenant"
  with check ((id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{organization:write,organization:delete}'::text[]))))));

create policy "tenant_update" on {{schema}}."organizations"
  for update
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{organization:write,organization:delete}'::text[]))))));

create policy "colleagues" on {{schema}}."users"
  for select
  to "freehold_tenant"
  using ((( select gate.reads
   from {{schema}}.gate) AND (exists ( select
   from {{schema}}.memberships m
  where (m.user_id = users.id)
 OFFSET 0))));

revoke all on table {{schema}}."idempotency_keys" from "freehold_system";

grant delete, select on table {{schema}}."idempotency_keys" to "freehold_system";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."live_invitations" to "freehold_system";

grant select, update on table {{schema}}."live_users" to "freehold_system";

grant select on table {{schema}}."own_invitations" to "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."self" to "freehold_system", "freehold_tenant";

drop view {{schema}}."own_account";

drop function {{schema}}."is_entitled"();

drop function {{schema}}."support_role"();

alter table {{schema}}."organizations"
  drop column "suspended_at";

revoke all ("created_at") on table {{schema}}."idempotency_keys" from "freehold_system";

grant update ("created_at") on table {{schema}}."idempotency_keys" to "freehold_system";
