-- organizations

revoke all ("credential_id") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("credential_id") on table {{schema}}."passkeys" to "freehold_tenant";
