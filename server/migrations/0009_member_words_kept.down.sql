-- Takes 0009_member_words_kept back.

drop trigger "account_insert" on {{schema}}."memberships";

drop trigger "account_update" on {{schema}}."memberships";

drop trigger "words_insert" on {{schema}}."memberships";

drop trigger "words_update" on {{schema}}."memberships";

drop trigger "words" on {{schema}}."users";
