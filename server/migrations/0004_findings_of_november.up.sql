-- findings of november

alter table {{schema}}."totp_factors"
  add column "id" uuid not null default {{schema}}.new_id();

-- Sign-ups under way: the password is chosen with the link from now on, and no hash of the one that was sent is kept.
update {{schema}}.one_time_tokens set details = details - 'password_hash' where purpose = 'sign-up' and details ? 'password_hash';
