-- Takes 0008_member_words back.
-- loses: member_words

delete from member_words;
