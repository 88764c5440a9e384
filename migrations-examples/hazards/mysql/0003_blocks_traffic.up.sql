-- LK. Each copies the table row by row while writers wait; a conversion of the character set is
-- the longest of all.
-- Downhaul says: mysql-copy-algorithm, mysql-fk-checks, change-collation-or-charset, add-constraint-on-old-writers

ALTER TABLE entries MODIFY amount decimal(14,4) NOT NULL;
ALTER TABLE entries CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE entries ADD CONSTRAINT entries_account_fk FOREIGN KEY (account_id) REFERENCES accounts (id);
