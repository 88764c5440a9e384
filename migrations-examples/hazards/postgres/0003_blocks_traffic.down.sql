ALTER TABLE accounts DROP CONSTRAINT accounts_email_key;
ALTER TABLE entries DROP CONSTRAINT entries_account_fk;
DROP INDEX entries_amount_idx;
