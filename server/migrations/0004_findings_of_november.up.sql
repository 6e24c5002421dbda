-- findings of november

alter table {{schema}}."totp_factors"
  add column "id" uuid not null default {{schema}}.new_id();
