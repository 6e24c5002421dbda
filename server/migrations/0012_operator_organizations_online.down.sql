-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- Takes 0012_operator_organizations_online back.

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on
drop index concurrently if exists {{schema}}."organizations_words";

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on
drop index concurrently if exists {{schema}}."organizations_suspended";

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on
drop index concurrently if exists {{schema}}."organizations_deleted";

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on
drop index concurrently if exists {{schema}}."organizations_created_at";
