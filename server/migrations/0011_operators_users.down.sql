-- Takes 0011_operators_users back.
-- loses: users.password_change_required_at

set local check_function_bodies = off;

drop policy "tenant_insert" on {{schema}}."invitations";

drop policy "tenant_update" on {{schema}}."invitations";

drop trigger "keep_a_superuser" on {{schema}}."users";

drop trigger "new_guest" on {{schema}}."users";

drop trigger "touch" on {{schema}}."users";

drop view {{schema}}."live_users";

drop view {{schema}}."own_security_events";

drop function {{schema}}."account_search"(text);

drop function {{schema}}."account_words"(text, text, text, text, text);

drop function {{schema}}."guard_new_guest"();

drop function {{schema}}."hold_superusers"();

drop function {{schema}}."keep_a_superuser"();

alter table {{schema}}."users"
  drop column "password_change_required_at";

-- lock: ACCESS EXCLUSIVE on invitations: everything waits while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."invitations"
  alter column "invited_by" set not null;

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

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name, superuser, guest, email_verified_at, locale, disabled_at, deleted_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

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

grant select on table {{schema}}."live_invitations" to "freehold_system";

grant select, update on table {{schema}}."live_users" to "freehold_system";

grant select on table {{schema}}."own_invitations" to "freehold_tenant";
