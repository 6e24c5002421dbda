-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- Takes 0011_operators_and_licenses_online back.

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on
drop index concurrently if exists {{schema}}."users_words";

-- lock: SHARE UPDATE EXCLUSIVE on organizations: reads and writes go on
drop index concurrently if exists {{schema}}."organizations_words";

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on
drop index concurrently if exists {{schema}}."users_unverified";

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on
drop index concurrently if exists {{schema}}."users_superuser";

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on
drop index concurrently if exists {{schema}}."users_guest";

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on
drop index concurrently if exists {{schema}}."users_disabled";

-- lock: SHARE UPDATE EXCLUSIVE on users: reads and writes go on
drop index concurrently if exists {{schema}}."users_deleted";

-- lock: SHARE UPDATE EXCLUSIVE on throttles: reads and writes go on
drop index concurrently if exists {{schema}}."throttles_locked";

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on
drop index concurrently if exists {{schema}}."sessions_organization_id";

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on
drop index concurrently if exists {{schema}}."sessions_last_seen_at";

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on
drop index concurrently if exists {{schema}}."sessions_ip";

-- lock: SHARE UPDATE EXCLUSIVE on security_events: reads and writes go on
drop index concurrently if exists {{schema}}."security_events_type";

-- lock: SHARE UPDATE EXCLUSIVE on security_events: reads and writes go on
drop index concurrently if exists {{schema}}."security_events_ip";

-- lock: SHARE UPDATE EXCLUSIVE on security_events: reads and writes go on
drop index concurrently if exists {{schema}}."security_events_actor";

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
