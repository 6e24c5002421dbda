-- How a user wants clients to look and work. Each user has one row, so that every change is an update under a version.
create table preferences (
  user_id            uuid not null primary key references users on delete cascade,
  theme              text not null default 'system' check (theme in ('system', 'light', 'dark')),
  language           text check (char_length(language) <= 35), -- of the user interface; the language of emails is users.locale
  time_zone          text check (char_length(time_zone) <= 64),
  date_format        text not null default 'auto' check (date_format in ('auto', 'iso', 'dmy', 'mdy')),
  time_format        text not null default 'auto' check (time_format in ('auto', '12h', '24h')),
  editor_font_size   integer not null default 14 check (editor_font_size between 6 and 72),
  editor_tab_size    integer not null default 4 check (editor_tab_size between 1 and 8),
  editor_word_wrap   boolean not null default false,
  terminal_font_size integer not null default 14 check (terminal_font_size between 6 and 72),
  custom             jsonb not null default '{}' constraint preferences_custom_size
                       check (jsonb_typeof(custom) = 'object' and octet_length(custom::text) <= 16384),
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  version            integer not null default 1
);
create trigger touch before update on preferences for each row execute function touch();
select person_table('preferences', changes => '{theme, language, time_zone, date_format, time_format, editor_font_size,
  editor_tab_size, editor_word_wrap, terminal_font_size, custom}');

create function give_preferences() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  insert into preferences (user_id) values (new.id) on conflict do nothing;
  return null;
end $$;
revoke execute on function give_preferences() from public;
create trigger give_preferences after insert on users for each row execute function give_preferences();
