-- Takes 0006_organizations back.

revoke all ("credential_id") on table {{schema}}."passkeys" from "freehold_tenant";
