-- Accounts at providers that users sign in with, keyed by issuer and subject, never by email address (ASVS 6.8.1).
create table identities (
  id           uuid not null default new_id() primary key,
  user_id      uuid not null references users on delete cascade,
  provider     text not null, -- the name in our configuration
  issuer       text not null,
  subject      text not null,
  email        text,          -- as the provider last stated it: shown, never trusted
  created_at   timestamptz not null default now(),
  last_used_at timestamptz,
  constraint identities_subject_key unique (issuer, subject)
);
create index identities_user_id on identities (user_id, id);
select person_table('identities');
