-- LK. An index build that stops writes, a foreign key that scans under locks on both tables, and
-- a unique constraint that builds its index under the strongest lock of all.
-- Downhaul says: index-not-concurrent, add-constraint-validated, add-unique-or-pk-builds-index

CREATE INDEX entries_amount_idx ON entries (amount);
ALTER TABLE entries ADD CONSTRAINT entries_account_fk FOREIGN KEY (account_id) REFERENCES accounts (id);
ALTER TABLE accounts ADD CONSTRAINT accounts_email_key UNIQUE (email);
