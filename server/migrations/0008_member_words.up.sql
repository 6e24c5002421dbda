-- member words

-- Fills the new table, which nothing else writes before the next migration. Takes no lock that anything waits for; about
-- 10 minutes and 3 GB for each million memberships.
insert into member_words (organization_id, user_id, kind, word, role, status)
select m.organization_id, m.user_id, w.kind, w.word, case when m.role_id is null then m.role else 'custom' end, s.status
from memberships m
join users u on u.id = m.user_id and u.erased_at is null
cross join lateral (select case
    when m.deleted_at is null then case when m.disabled_at is null then 'active' else 'disabled' end
    when m.removed_at is not null then case when u.deleted_at is null then 'removed' end
    when m.deleted_at = u.deleted_at then 'account-deleted' end as status) as s
cross join lateral words_of_member(u.email, u.username, u.given_name, u.family_name, u.full_name) as w
where s.status is not null;
