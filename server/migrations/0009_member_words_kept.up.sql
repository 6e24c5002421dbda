-- member words kept

-- lock: SHARE ROW EXCLUSIVE on memberships and users: writes wait while the rows that changed since 0008 are found and
-- filled again, 5 to 20 seconds for 10 million rows, a minute more if an account was erased meanwhile
create trigger account_insert
  before insert on {{schema}}.memberships
  for each row
  execute function {{schema}}.lock_account();

create trigger account_update
  before update on {{schema}}.memberships
  for each row
  when
    (((old.role IS DISTINCT FROM new.role) OR (old.role_id IS DISTINCT FROM new.role_id) OR (old.disabled_at IS DISTINCT
    FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.lock_account();

create trigger words_insert
  after insert or delete on {{schema}}.memberships
  for each row
  execute function {{schema}}.keep_words_of_membership();

create trigger words_update
  after update on {{schema}}.memberships
  for each row
  when
    (((old.role IS DISTINCT FROM new.role) OR (old.role_id IS DISTINCT FROM new.role_id) OR (old.disabled_at IS DISTINCT
    FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at) OR
    (old.removed_at IS DISTINCT FROM new.removed_at)))
  execute function {{schema}}.keep_words_of_membership();

create trigger words
  after update on {{schema}}.users
  for each row
  when
    (((old.email IS DISTINCT FROM new.email) OR (old.username IS DISTINCT FROM new.username) OR (old.given_name IS
    DISTINCT FROM new.given_name) OR (old.family_name IS DISTINCT FROM new.family_name) OR
    (old.full_name IS DISTINCT FROM new.full_name) OR (old.deleted_at IS DISTINCT FROM new.deleted_at) OR
    (old.erased_at IS DISTINCT FROM new.erased_at)))
  execute function {{schema}}.keep_words_of_account();

-- What changed while 0008_member_words ran, or since.
do $$
declare
  since timestamptz;
  erased uuid[];
begin
  if to_regclass('migrations') is not null then
    select applied_at - interval '1 hour' into since from migrations where name like '%\_member\_words';
  end if;
  perform keep_member_words(changed.id) from (
    select u.id from users u where u.updated_at >= coalesce(since, '-infinity')
    union select m.user_id from memberships m where m.updated_at >= coalesce(since, '-infinity')) as changed;
  -- Personal organizations that were deleted meanwhile.
  erased := array(select u.id from users u where u.erased_at >= coalesce(since, '-infinity'));
  if cardinality(erased) > 0 then
    delete from member_words w where w.user_id = any (erased);
  end if;
end $$;
