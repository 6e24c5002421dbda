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

-- lock: SHARE UPDATE EXCLUSIVE on audit_log_default: reads and writes go on
drop index concurrently if exists {{schema}}."audit_log_default_id";

-- lock: SHARE UPDATE EXCLUSIVE on audit_log_default: reads and writes go on
drop index concurrently if exists {{schema}}."audit_log_default_actor";
